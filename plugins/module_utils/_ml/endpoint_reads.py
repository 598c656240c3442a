# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of inference endpoints: all of them, or one."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Client, quote
from .._core.server import Server
from .endpoint import Endpoint, endpoints_in
from .schemas import ENDPOINTS

PRIVILEGE = "monitor_inference"
_NO_SUCH_PATH = ("no handler found", "Incorrect HTTP method")
"""What Elasticsearch says of a path that it has not, or has for other methods only (server-behaviour.md 0).

Then it is of a flavor without inference endpoints, or lacks their plugin. Before 9.0 the path may be one of an index.
"""


def read_endpoints(client: Client, server: Server, fields: t.Sequence[str] = ()) -> tuple[Endpoint, ...]:
    """Return all inference endpoints. *fields*: those that are asked for, if not all.

    :raises ApiError: they could not be read.
    """
    if not server.supports(Feature.INFERENCE_ENDPOINTS):
        return ()
    try:
        return _read(client, server, "read the inference endpoints", "_all", fields)
    except ApiError as exc:
        if exc.status in (400, 405) and (exc.reason or "").startswith(_NO_SUCH_PATH):
            return ()
        raise


def read_endpoint(client: Client, server: Server, inference_id: str, fields: t.Sequence[str] = ()) -> Endpoint | None:
    """Return the inference endpoint with this id, ``None`` if there is none.

    :raises ApiError: it could not be read.
    """
    try:
        found = _read(client, server, f"read inference endpoint '{inference_id}'", quote(inference_id), fields)
    except ApiError as exc:
        if exc.not_found:
            return None
        raise
    return next(iter(found), None)


def _read(client: Client, server: Server, what: str, name: str, fields: t.Sequence[str]) -> tuple[Endpoint, ...]:
    prefix = "/_inference" if server.supports(Feature.ALL_ENDPOINTS_IN_ONE_PATH) else "/_inference/any"
    shown = ",".join(f"{key}.{field}" for key in ("endpoints", "models") for field in fields)
    query = {"filter_path": shown} if fields else {}
    return endpoints_in(client.read(what, f"{prefix}/{name}", query, privilege=PRIVILEGE, schema=ENDPOINTS))
