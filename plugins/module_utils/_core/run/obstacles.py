# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of the conditions that refuse each change of machine learning, as far as the user may read them."""

from __future__ import annotations

import typing as t

from ..errors import ApiError
from ..http.client import Client
from ..http.schema import Schema
from .schemas import FEATURES, INFO

Json = dict[str, t.Any]


def read_unless_hidden(
    client: Client, what: str, path: str, query: dict[str, str], schema: Schema, privilege: str = "monitor"
) -> Json | None:
    """Return the answer; ``None`` if the user may not read it, or a proxy hides the path."""
    try:
        answer: Json = client.read(what, path, query, privilege=privilege, schema=schema)
    except ApiError as exc:
        # 400: it does not know this path or a parameter of it.
        if exc.kind == "licence" or not (exc.hidden or exc.status == 400):
            raise
        return None
    return answer


def read_if_allowed(
    client: Client, what: str, path: str, query: dict[str, str], schema: Schema, privilege: str = "monitor"
) -> Json:
    """Return the answer; an empty one if the user may not read it, or a proxy hides the path."""
    return read_unless_hidden(client, what, path, query, schema, privilege) or {}


def is_licensed(client: Client) -> bool | None:
    """Return whether the licence includes machine learning."""
    query = {"categories": "features", "filter_path": "features.ml"}
    features = read_if_allowed(client, "read the licence", "/_xpack", query, FEATURES).get("features") or {}
    available: bool | None = (features.get("ml") or {}).get("available")
    return available


def is_upgrade_mode(client: Client, predicted: bool | None) -> bool | None:
    """Return whether the upgrade mode of machine learning is on. *predicted*: whether a dry run would have set it."""
    if predicted is not None:
        return predicted
    query = {"filter_path": "upgrade_mode"}
    mode: bool | None = read_if_allowed(client, "read the upgrade mode", "/_ml/info", query, INFO, "monitor_ml").get(
        "upgrade_mode"
    )
    return mode
