# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judge runs among faults and other clients by the laws. Every returned message is a law that broke."""

from __future__ import annotations

import fnmatch
import itertools
import typing as t

from faults.consumers import Consumers
from faults.writes import Item, allocations, writes, wrong_writes
from laws.concurrency_rules import Snapshot, changed_by, stops_of_others, took_effect, unreached, untrue
from laws.truth import failure_code, refused_as_a_whole, same_as_there, task_parameters, unforeseen
from support.interleaving import Assignments, ObservedRequest, SharedEmulator

Json = dict[str, t.Any]
PREDICTED = ("changed", "operation", "skipped_because", "diff", "before", "after", "api_calls")
WRITES = ("_start", "_stop", "_update")
UNCERTAIN = ("unknown_outcome", "conflict", "rollback_failed")
"""Codes of failures that report a change which may not have taken effect."""
OF_CONSUMERS = ("referenced by ingest processors", "as it is used by inference", "as it was created by inference")
"""Reasons of Elasticsearch to refuse a write because of consumers, which the task may not be allowed to read."""
BREAK = ObservedRequest("first", "", "", ("", None), None, {}, {})
"""A mark between the requests of two runs."""


class Run(t.NamedTuple):
    """One run and all its requests.

    ``result``: ``None`` if the run was killed. ``alone``: no other client and no node changed a deployment.
    """

    emulator: SharedEmulator
    requests: list[ObservedRequest]
    items: list[Item]
    result: Json | None
    alone: bool


def changes_deployments(event: Json) -> bool:
    """Return whether an event changes deployments, or makes Elasticsearch change them."""
    if "operation" in event:
        return bool(event["do"]["type"] == "route_failed")
    return event["do"] not in _HARMLESS


_HARMLESS = ("lose_master", "elect_master", "lose_state", "recover_state", "delay", "put_pipeline_reference")


def broken(run: Run, consumers: Consumers, options: Json) -> list[str]:
    """Return the laws that hold for every run and that *run* broke, by its requests or by its result."""
    unlisted = _unlisted(run, options)
    found = _not_named(run, unlisted)
    ending = [item.name for item in (*run.items, *unlisted) if item.options.get("state") == "stopped"]
    consumers = consumers._replace(ending=ending)
    for item in (*run.items, *unlisted):
        found += stops_of_others(run.requests, item.name) + wrong_writes(run.requests, item, consumers)
    if run.alone:
        found += _beyond_total_step(run, unlisted, (options.get("guard") or {}).get("max_total_step"))
    if run.result is not None:
        found += _wrong_results(run._replace(items=[*run.items, *unlisted]), run.result)
    return found


def _unlisted(run: Run, options: Json) -> list[Item]:
    """Return the deployments that the task stops without naming them."""
    if not options.get("stop_unlisted"):
        return []
    named = {item.name for item in run.items}
    others = {name for request in run.requests for name in (*request.before, *request.after)} - named
    kept = options["unlisted_except"]
    stopped = {"guard": None, "state": "stopped", "on_referenced": options.get("unlisted_on_referenced", "fail")}
    return [
        Item(name, {**options, **stopped})
        for name in sorted(others)
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in kept)
    ]


def _not_named(run: Run, unlisted: t.Sequence[Item]) -> list[str]:
    """Find writes on deployments that the task does not name, except the stops of *unlisted* and their rollbacks."""
    named = {item.name for item in run.items}
    verbs = {item.name: ("_stop", "_start")[: 1 + item.rolls_back] for item in unlisted}
    changed = {(name, request.verb) for request in run.requests for name in changed_by(request) if name not in named}
    return [
        f"the task changed '{name}' by {verb}, which none of its options asks for"
        for name, verb in sorted(changed)
        if verb not in verbs.get(name, ())
    ]


def _beyond_total_step(run: Run, unlisted: t.Sequence[Item], limit: int | None) -> list[str]:
    """Find a list of deployments that changes more allocations than its guard allows."""
    if limit is None:
        return []
    total = 0
    for item in (*run.items, *unlisted):
        sent = writes(run.requests, item.name)
        half = bool(sent) and sent[-1].request.verb == "_stop" and item.options.get("state") != "stopped"
        resumed = bool(sent) and sent[0].first is None and "recovery_file" in item.options
        # Half a replacement shows no final number; its other half begins with the number in the recovery file.
        if sent and not (half or resumed):
            total += abs(allocations(sent[-1].after) - allocations(sent[0].first))
    return (
        [f"the task changed {total} allocations in all, although its max_total_step is {limit}"]
        if total > limit
        else []
    )


def _wrong_results(run: Run, result: Json) -> list[str]:
    found = []
    reported = {entry["deployment_id"]: entry for entry in result["deployments"]}
    for item in run.items:
        entry = reported.get(item.name)
        if entry is None:  # nothing was read
            wrote = any(took_effect(request, item.name) for request in run.requests)
            found += [f"the task changed '{item.name}', and its result has no entry for it"] if wrote else []
            continue
        found += [f"'{item.name}': {why}" for why in _wrong_result(run, item, entry, result)]
    return found


def _wrong_result(run: Run, item: Item, entry: Json, result: Json) -> list[str]:
    found = untrue(run.emulator, run.requests, item.name, entry) if run.alone else []
    kept = item.options.get("on_unsatisfied") == "keep" and entry["waited"]["reached"] is False
    reported = {**entry, "warnings": []}
    if entry.get("failed") or not (entry["skipped_because"] or kept or refused_as_a_whole(result)):
        found += unreached(run.emulator, run.requests, _reachable(run.emulator, item), reported)
    wrote = [request for request in run.requests if took_effect(request, item.name)]
    # The task cannot know the outcome of a write whose answer was lost, if another client has acted since.
    if any(run.alone or request.status for request in wrote) and not entry["changed"]:
        found.append(f"the task changed it, and its result says that it did not: {entry.get('msg')}")
    if run.alone and entry["changed"] and not wrote and failure_code(entry) not in UNCERTAIN:
        found.append(f"the result says that the task changed it, and it did not: {entry.get('msg')}")
    return found


def _reachable(emulator: SharedEmulator, item: Item) -> Json:
    """Return the options that the cluster can reach: on serverless, adaptive allocations set every number."""
    by_elasticsearch = ("number_of_allocations",) if emulator.flavor == "serverless" else ()
    options = {name: value for name, value in item.options.items() if name not in by_elasticsearch}
    return {**options, "deployment_id": item.name}


def repeated(requests: t.Sequence[ObservedRequest]) -> list[str]:
    """Find writes that the task sent again after they had taken effect."""
    found = []
    done: dict[str, ObservedRequest] = {}
    for request in requests:
        if request.verb not in WRITES:
            continue
        last = done.get(request.path)
        if last and (last.verb, last.sent) == (request.verb, request.sent) and not _repeats_stop(request):
            found.append(f"the task sent {request.path} again after it had taken effect")
        for name in changed_by(request):
            done = {path: each for path, each in done.items() if name not in changed_by(each)}
            done[request.path] = request
    return found


def _repeats_stop(request: ObservedRequest) -> bool:
    """Return whether this stops a deployment that is stopping: Elasticsearch may have forgotten the first stop."""
    return request.verb == "_stop" and any(each["ends"] for each in request.before.values())


def unpredicted(predicted: Json, actual: Json) -> list[str]:
    """Apply law 2: find where check mode predicted something else than an undisturbed run returned."""
    found = []
    if not actual.get("failed") and predicted["api_calls"] != actual["api_calls"]:
        found.append(f"check mode predicted {predicted['api_calls']}, the real run sent {actual['api_calls']}")
    for foreseen, done in itertools.zip_longest(predicted["deployments"], actual["deployments"]):
        if foreseen is None or done is None:
            messages = f"{predicted.get('msg')}; the real run: {actual.get('msg')}"
            found.append(f"check mode reports other deployments than the real run: {messages}")
        elif foreseen.get("failed") and foreseen["msg"] != done.get("msg"):
            found.append(f"check mode failed: {foreseen['msg']}; the real run: {done.get('msg')}")
        elif done.get("failed") and not foreseen.get("failed") and not (unforeseen(done) or _lacks_privilege(done)):
            found.append(f"check mode did not predict this failure: {done['msg']}")
        elif not foreseen.get("failed") and not done.get("failed"):
            found += [
                f"check mode predicted {key} {foreseen[key]}, the real run returned {done[key]}"
                for key in PREDICTED
                if foreseen[key] != done[key]
            ]
    return found


def _lacks_privilege(entry: Json) -> bool:
    """Return whether a privilege is missing that check mode does not ask for, or the one to read consumers."""
    error = entry.get("error")
    if error is None:
        return False
    unsent = error["kind"] == "privilege" and error["status"] is None
    return unsent or any(reason in (error["reason"] or "") for reason in OF_CONSUMERS)


def outdated(run: Run) -> list[str]:
    """Find results of an undisturbed run that waited which differ from the cluster after it."""
    settled = run.result is not None and all(item.options.get("wait", True) for item in run.items)
    last: list[t.Any] = [Snapshot(run.emulator.version, request.after) for request in run.requests[-1:] if settled]
    return [
        f"'{each['deployment_id']}' after the run: {why}"
        for each in (run.result or {}).get("deployments", ())
        for there in last
        if not each.get("failed")
        for why in same_as_there(there, each)
    ]


def lost_settings(before: Assignments, after: Assignments, items: t.Iterable[Item]) -> list[str]:
    """Find settings that the task does not name, and that differ from before."""
    found = []
    for item in items:
        if item.name not in before or item.name not in after:
            continue
        old, new = task_parameters(before[item.name]), task_parameters(after[item.name])
        if old["model_id"] != new["model_id"] or before[item.name]["ends"]:
            continue
        found += [
            f"the task did not keep {name} {old[name]} of '{item.name}', but set {new[name]}"
            for name in ("threads_per_allocation", "queue_capacity", "priority", "cache_size")
            if name in old and name not in item.options and old[name] != new[name]
        ]
    return found
