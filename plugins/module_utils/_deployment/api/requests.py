# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encode the steps of a plan as requests."""

from __future__ import annotations

import typing as t

from ..._core.features import Feature
from ..._core.http.client import Request, query_value, quote
from ..._core.server import Server
from ..._ml.settings import OLD_NAMES, SETTINGS
from ..records.step import Step


def to_request(step: Step, server: Server, server_timeout: str) -> Request:
    """Return the request of *step* for *server*. *server_timeout*: an Elasticsearch time such as ``30s``."""
    if step.kind == "start":
        return _start(step, server, server_timeout)
    path = deployment_path(step.deployment_id, f"_{step.kind}")
    settings = dict(step.settings)
    if step.endpoint_type is not None:
        return _endpoint_update(step, step.endpoint_type)
    if step.kind == "update":
        return Request("POST", path, {"timeout": server_timeout}, settings)
    # By default Elasticsearch answers the stop of a missing deployment with success.
    settings = {"allow_no_match": False, **settings}
    if "finish_pending_work" in settings:  # only a body has it, and next to one the query is not read
        return Request("POST", path, {}, settings)
    return Request("POST", path, {name: query_value(value) for name, value in settings.items()})


def _endpoint_update(step: Step, task_type: str) -> Request:
    settings = dict(step.settings)
    if "number_of_allocations" in settings:
        settings["num_allocations"] = settings.pop("number_of_allocations")
    path = f"/_inference/{quote(task_type)}/{quote(step.deployment_id)}/_update"
    return Request("PUT", path, {}, {"service_settings": settings})


def deployment_path(deployment_id: str, verb: str) -> str:
    """Return the path of an action on a deployment, such as ``_start``."""
    return f"/_ml/trained_models/{quote(deployment_id)}/deployment/{verb}"


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
