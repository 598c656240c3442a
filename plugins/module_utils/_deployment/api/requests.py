# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encode the steps of a plan as requests."""

from __future__ import annotations

import typing as t

from ..._core.features import Feature
from ..._core.http.client import Request, query_value
from ..._core.server import Server
from ..._ml.endpoint_updates import allocations_of_endpoint, deployment_path, deployment_update
from ..._ml.settings import OLD_NAMES, SETTINGS
from ..records.step import Step


def to_request(step: Step, server: Server, server_timeout: str) -> Request:
    """Return the request of *step* for *server*. *server_timeout*: an Elasticsearch time such as ``30s``."""
    if step.kind == "start":
        return _start(step, server, server_timeout)
    settings = dict(step.settings)
    if step.endpoint_type is not None:
        return allocations_of_endpoint(step.endpoint_type, step.deployment_id, settings)
    if step.kind == "update":
        return deployment_update(step.deployment_id, settings, server_timeout)
    path = deployment_path(step.deployment_id, "_stop")
    # By default Elasticsearch answers the stop of a missing deployment with success.
    settings = {"allow_no_match": False, **settings}
    if "finish_pending_work" in settings:  # only a body has it, and next to one the query is not read
        return Request("POST", path, {}, settings)
    return Request("POST", path, {name: query_value(value) for name, value in settings.items()})


def _is_known(name: str, server: Server) -> bool:
    """Return whether *server* knows a setting: one that does not has the default only, and that is what is asked."""
    since = SETTINGS[name].since
    return since is None or server.supports(since)


def _query_name(name: str, server: Server) -> str:
    return name if server.supports(Feature.ALLOCATION_NAMES) else OLD_NAMES.get(name, name)


def _start(step: Step, server: Server, server_timeout: str) -> Request:
    """Return a start with its settings as query parameters, which each version reads; a body for the others only.

    (A server before 8.8 ignores the query next to a body; each ignores ``deployment_id`` in a body.)
    """
    settings: dict[str, t.Any] = dict(step.settings)
    model_id = settings.pop("model_id")
    adaptive = settings.pop("adaptive_allocations", None)
    query = {_query_name(name, server): query_value(settings[name]) for name in settings if _is_known(name, server)}
    if step.deployment_id != model_id:
        query["deployment_id"] = step.deployment_id
    # The shortest wait that Elasticsearch offers: the task itself waits.
    query |= {"wait_for": "starting", "timeout": server_timeout}
    body = None if adaptive is None else {"adaptive_allocations": adaptive}
    return Request("POST", deployment_path(model_id, "_start"), dict(sorted(query.items())), body)
