# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the planner's words to requests."""

from __future__ import annotations

import typing as t
import urllib.parse

from ..._core.http.client import Call, as_text
from ..._core.server import Server
from ..records.step import Action

_NAMES_BEFORE_8_3 = {"number_of_allocations": "model_threads", "threads_per_allocation": "inference_threads"}


def encode(action: Action, server: Server, server_timeout: str) -> Call:
    """The request of *action* for *server*. *server_timeout*: an Elasticsearch time such as ``30s``."""
    if action.kind == "start":
        return _start(action, server, server_timeout)
    path = deployment_path(action.deployment_id, f"_{action.kind}")
    settings = dict(action.settings)
    if action.endpoint_type is not None:
        return _endpoint_update(action, action.endpoint_type)
    if action.kind == "update":
        return Call("POST", path, {"timeout": server_timeout}, settings)
    # A stop of nothing is an answer worth having: by default the server says that it stopped it.
    settings = {"allow_no_match": False, **settings}
    if "finish_pending_work" in settings:  # a body alone can say it, and next to one the query is not read
        return Call("POST", path, {}, settings)
    return Call("POST", path, {name: as_text(value) for name, value in settings.items()})


def _endpoint_update(action: Action, task_type: str) -> Call:
    settings = dict(action.settings)
    if "number_of_allocations" in settings:
        settings["num_allocations"] = settings.pop("number_of_allocations")
    path = f"/_inference/{quoted(task_type)}/{quoted(action.deployment_id)}/_update"
    return Call("PUT", path, {}, {"service_settings": settings})


def deployment_path(deployment_id: str, verb: str) -> str:
    return f"/_ml/trained_models/{quoted(deployment_id)}/deployment/{verb}"


def quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def _start(action: Action, server: Server, server_timeout: str) -> Call:
    """Settings as query parameters, which every version reads; a body only for what it alone can say.

    (A server before 8.8 ignores the query where there is a body; ``deployment_id`` in a body is ignored everywhere.)
    """
    settings: dict[str, t.Any] = dict(action.settings)
    model_id = settings.pop("model_id")
    adaptive = settings.pop("adaptive_allocations", None)
    if not server.has(8, 6):
        settings.pop("priority", None)  # it can only be what it is there without saying
    if not server.has(8, 3):
        settings = {_NAMES_BEFORE_8_3.get(name, name): value for name, value in settings.items()}
    query = {name: as_text(value) for name, value in settings.items()}
    if action.deployment_id != model_id:
        query["deployment_id"] = action.deployment_id
    # The shortest wait the server offers: how long to wait, and for what, is decided here.
    query |= {"wait_for": "starting", "timeout": server_timeout}
    body = None if adaptive is None else {"adaptive_allocations": adaptive}
    return Call("POST", deployment_path(model_id, "_start"), dict(sorted(query.items())), body)
