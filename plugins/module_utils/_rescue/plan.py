# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of the role rescue: what is broken, and what is done about it. Pure."""

from __future__ import annotations

import typing as t

from .._ml.endpoint import Endpoint
from .options import ENDPOINTS, FAILED, LOST, STUCK, is_meant
from .reads import Reads, age, file_of, reads
from .recorded import Recorded, recorded

Json: t.TypeAlias = "dict[str, t.Any]"
STOPPING = "stopping"
"""The kind of a deployment that is being stopped: not broken, and not touched."""
RECREATE = "stop it and start it again"
_LIMITED = "more are broken than the limit allows"


class Finding(t.NamedTuple):
    """One thing that is broken. ``action``: what is done, in words; none if ``why_not`` says why nothing is.

    ``item``: that of the list of deployments that repairs it.
    """

    id: str
    kind: str
    reason: str
    action: str | None = None
    why_not: str | None = None
    item: Json | None = None


def plan(chosen: Json, raw: Json, now: str) -> Json:
    """Return what is broken and what is done about it, by the options *chosen*, and the results of tasks that read.

    *now*: the time, in UTC.
    """
    read = reads(raw)
    record = recorded(read, chosen["record"])
    refused = [*read.refused, *record.refused]
    found = [] if refused else _findings(chosen, read, record, now)
    broken = [each for each in found if each.kind != STOPPING]
    if len(broken) > chosen["limit"]:
        refused.append(_beyond(broken, chosen["limit"]))
        found = [each._replace(action=None, item=None, why_not=each.why_not or _LIMITED) for each in found]
    return {
        "refused": refused,
        "notices": [*read.notices, *record.notices],
        "found": [{name: value for name, value in each._asdict().items() if name != "item"} for each in found],
        "running": [name for name, each in read.deployments.items() if _runs(each)],
        "deployments": [_guarded(each.item, chosen) for each in found if each.item],
        # A dry run does not wait, and so shows the requests of what hangs by a restart.
        "rehearsal": [
            _guarded({**each.item, **({"state": "restarted"} if each.kind == STUCK else {})}, chosen)
            for each in found
            if each.item
        ],
    }


def _beyond(broken: t.Sequence[Finding], limit: int) -> str:
    named = ", ".join(f"'{each.id}' ({each.kind})" for each in broken)
    return (
        f"{len(broken)} are broken, and the limit is {limit}: {named}. So many at once are the fault of the "
        "cluster, and nothing was repaired. Look at its nodes first, or raise the limit."
    )


def _runs(deployment: Json) -> bool:
    """Return whether a deployment answers, or would be woken by a request."""
    return deployment["assignment_state"] != "stopping" and deployment["health"] in ("ok", "degraded", "zero")


def _guarded(item: Json, chosen: Json) -> Json:
    return {**item, "guard": chosen["guard"]} if chosen["guard"] else item


def _findings(chosen: Json, read: Reads, record: Recorded, now: str) -> list[Finding]:
    """Return one finding for each id, sorted by it: of what runs, else by what knows its settings best."""
    sources = [each for each in _of_deployments(chosen, read, now) if each.kind in (*chosen["kinds"], STOPPING)]
    if LOST in chosen["kinds"]:
        sources += _of_files(read)
    endpoints = read.lost if ENDPOINTS in chosen["kinds"] else ()
    sources += [_of_endpoint(each) for each in endpoints if each.owns_deployment]
    if LOST in chosen["kinds"]:
        sources += _of_record(record)
    sources += [_of_endpoint(each) for each in endpoints if not each.owns_deployment]
    found: dict[str, Finding] = {}
    for each in sources:
        found.setdefault(each.id, each)
    return [each for name, each in sorted(found.items()) if is_meant(name, chosen)]


def _of_deployments(chosen: Json, read: Reads, now: str) -> t.Iterator[Finding]:
    for name, each in read.deployments.items():
        state = each["assignment_state"]
        if state == "stopping" and name not in read.files:
            yield _stopping(each)
        elif state == "failed":
            yield Finding(name, FAILED, str(each["health_reason"]), RECREATE, item=_recreated(name, chosen))
        elif state == "starting" and not each["allocations"]["running"]:
            yield from _starting(each, chosen, now)


def _stopping(deployment: Json) -> Finding:
    name = deployment["deployment_id"]
    because = f" ({deployment['reason']})" if deployment["reason"] else ""
    why_not = "another client may have meant it, and Elasticsearch does not show since when"
    return Finding(name, STOPPING, f"it is being stopped{because}", why_not=why_not)


def _starting(deployment: Json, chosen: Json, now: str) -> t.Iterator[Finding]:
    """Yield a deployment that hangs: it was started long ago, and no allocation runs.

    How long it waits this time is not shown: after a restart of the nodes it still has the time of its start. So what
    repairs it waits once more before it stops anything.
    """
    name, started = deployment["deployment_id"], deployment["start_time"]
    passed = age(started, now)
    if passed is not None and passed < chosen["stuck_after"]:
        return
    reason = f"it was started at {started}, and no allocation runs"
    if not deployment["routing_table"]:
        because = f": {deployment['reason']}" if deployment["reason"] else ""
        yield Finding(name, STUCK, reason, why_not=f"Elasticsearch has no node with room for it{because}")
        return
    action = f"{RECREATE}, unless an allocation runs within wait_timeout"
    yield Finding(name, STUCK, reason, action, item=_recreated(name, chosen))


def _recreated(name: str, chosen: Json) -> Json:
    """Return the item that recovers a deployment. It answers nothing, so no consumer loses anything by the stop."""
    # If another client stops it meanwhile, it stays stopped.
    item = {"deployment_id": name, "on_failed": "recover", "on_referenced": "force", "on_missing": "skip"}
    folder = chosen["recovery_folder"]
    return {**item, "recovery_file": file_of(folder, name)} if folder else item


def _of_files(read: Reads) -> t.Iterator[Finding]:
    """Yield deployments that a killed run has stopped and not started again."""
    for name, path in read.files.items():
        state = read.deployments.get(name, {}).get("assignment_state")
        if state in (None, "stopping"):
            reason = "a run stopped it and ended before it started it again"
            item = {"deployment_id": name, "recovery_file": path, "on_missing": "skip"}
            yield Finding(name, LOST, reason, "start it with the settings in its recovery file", item=item)


def _of_endpoint(endpoint: Endpoint) -> Finding:
    name = str(endpoint.deployment_id)
    reason = f"inference endpoint '{endpoint.inference_id}' needs it, and it is gone"
    if endpoint.model_id is None:
        return Finding(name, ENDPOINTS, reason, why_not="the endpoint does not say which model it ran")
    action = "start it with what the endpoint says of it"
    return Finding(name, ENDPOINTS, reason, action, item={"deployment_id": name})


def _of_record(record: Recorded) -> list[Finding]:
    reason = f"it was recorded at {record.recorded_at}, and it is gone"
    return [
        Finding(name, LOST, reason, "start it as it was recorded", item=item)
        if item
        else Finding(name, LOST, reason, why_not="the inference endpoint that made it is gone, too")
        for name, item in record.lost.items()
    ]
