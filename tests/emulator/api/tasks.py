# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve ``_tasks``, as far as clients read it to follow the download of a model.

Sources: the documentation of task management; action, description and status of a download from public code that asks
for it and from the public tests of the task. A real cluster lists other tasks, too (at least the request's own).
"""

from __future__ import annotations

import fnmatch
from typing import Any, Final

from ..emulator import Emulator
from ..state.cluster import Cluster
from ..state.models import Model
from ..wire import errors
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue

Json = dict[str, Any]
_ACTION: Final = "xpack/ml/model_import[n]"
_PART: Final = 1 << 20
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_GROUPS: Final = ("nodes", "parents", "none")


def _downloads(cluster: Cluster, *, detailed: bool) -> dict[str, Json]:
    """Return the tasks under way, by id."""
    now, node = cluster.now(), next(iter(cluster.nodes), None)
    found = {}
    for number, model in enumerate(cluster.models.values(), 1):
        if node is not None and not model.settle(now):
            found[f"{node}:{number}"] = _task(node, number, model, now, detailed=detailed)
    return found


def _task(node: str, number: int, model: Model, now: int, *, detailed: bool) -> Json:
    """Return a task; status and description of a download are shown only with ``detailed``."""
    begun = model.create_time * 1_000_000
    body: Json = {"node": node, "id": number, "type": "model_import", "action": _ACTION}
    if detailed:
        body |= {"status": _status(model, begun, now), "description": f"model_id-{model.id}"}
    times = {"start_time_in_millis": model.create_time, "running_time_in_nanos": max(0, now - begun)}
    return {**body, **times, "cancellable": True, "cancelled": False, "headers": {}}


def _status(model: Model, begun: int, now: int) -> Json:
    total = -(-model.bytes // _PART)
    share = 0.0 if model.download_ends is None else (now - begun) / max(1, model.download_ends - begun)
    return {"total_parts": total, "downloaded_parts": int(total * min(max(share, 0.0), 1.0))}


def list_tasks(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _tasks``."""
    cluster = emulator.cluster
    actions = [each for each in (call.text("actions") or "*").split(",") if each]
    nodes = [each for each in (call.text("nodes") or "").split(",") if each]
    group_by = call.text("group_by") or "nodes"
    if group_by not in _GROUPS:
        known = "must be one of [nodes], [parents] or [none]"
        raise errors.illegal_argument(f"[group_by] parameter {known} but was [{group_by}]")
    detailed, parent = call.boolean("detailed", False), call.text("parent_task_id")
    call.boolean("wait_for_completion", False)
    call.time("timeout", _TIMEOUT)

    async def run() -> Reply:
        found = {} if parent else _downloads(cluster, detailed=detailed)
        found = {
            name: task
            for name, task in found.items()
            if any(fnmatch.fnmatchcase(_ACTION.replace("[", "("), each.replace("[", "(")) for each in actions)
            and (not nodes or any(fnmatch.fnmatchcase(task["node"], each) for each in nodes))
        }
        return Reply(200, _grouped(cluster, found, group_by))

    return Prepared("cluster:monitor/tasks/lists", run)


def _grouped(cluster: Cluster, found: dict[str, Json], group_by: str) -> Json:
    if group_by == "none":
        return {"tasks": list(found.values())}
    if group_by == "parents":
        return {"tasks": found}
    listed: Json = {}
    for name, task in found.items():
        node = cluster.nodes[task["node"]]
        shown = {"name": node.name, "transport_address": "127.0.0.1:9300", "host": "127.0.0.1", "ip": "127.0.0.1:9300"}
        entry = listed.setdefault(node.id, {**shown, "roles": list(node.roles), "tasks": {}})
        entry["tasks"][name] = task
    return {"nodes": listed}


def get_task(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _tasks/{task_id}``; a finished task is a 404, since results of downloads are not stored."""
    cluster, task_id = emulator.cluster, call.path_parameters["task_id"]
    call.boolean("wait_for_completion", False)
    call.time("timeout", _TIMEOUT)
    node, _colon, number = task_id.rpartition(":")
    if not node or not number.isdigit():
        raise errors.illegal_argument(f"malformed task id {task_id}")

    async def run() -> Reply:
        task = _downloads(cluster, detailed=True).get(task_id)
        if task is not None:
            return Reply(200, {"completed": False, "task": task})
        if node in cluster.nodes:
            raise errors.not_found(f"task [{task_id}] isn't running and hasn't stored its results")
        what = f"task [{task_id}] belongs to the node [{node}] which isn't part of the cluster"
        raise errors.not_found(f"{what} and there is no record of the task")

    return Prepared("cluster:monitor/task/get", run)


ROUTES: Final = (
    Route("GET", "/_tasks", "tasks", list_tasks, serverless=False),
    Route("GET", "/_tasks/{task_id}", "tasks", get_task, serverless=False),
)
