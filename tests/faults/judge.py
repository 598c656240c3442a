# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The laws, for runs among faults and others: every sentence is a law that broke."""

from __future__ import annotations

import fnmatch
import itertools
import typing as t

from faults.users import Users
from faults.writes import Item, count, writes, wrong_writes
from laws.among_others import UNKNOWN, Snapshot, changed_by, stops_of_others, took_effect, unreached, untrue
from laws.truth import refused_as_a_whole, same_as_there, task_parameters, unforeseen
from support.stage import Assignments, Look, Stage

Json = dict[str, t.Any]
PREDICTED = ("changed", "operation", "skipped_because", "diff", "before", "after", "api_calls")
WRITES = ("_start", "_stop", "_update")
BREAK = Look("first", "", "", ("", None), None, {}, {})
"""Stands between the looks of two runs."""


class Run(t.NamedTuple):
    """One run and all its requests. ``result``: None if it was killed. ``alone``: nobody else changed anything."""

    stage: Stage
    looks: list[Look]
    items: list[Item]
    result: Json | None
    alone: bool


def loses(what: Json) -> bool:
    """Whether a happening changes deployments, or makes the server do it."""
    if "operation" in what:
        return bool(what["do"]["type"] == "route_failed")
    return what["do"] not in _HARMLESS


_HARMLESS = ("lose_master", "elect_master", "lose_state", "recover_state", "delay", "put_pipeline_reference")


def broken(run: Run, users: Users, options: Json) -> list[str]:
    """What is wrong with a run whatever happened to it, and with its result, if there is one."""
    strangers = _strangers(run, options)
    found = _trespasses(run, strangers)
    ending = [item.name for item in (*run.items, *strangers) if item.options.get("state") == "stopped"]
    users = users._replace(ending=ending)
    for item in (*run.items, *strangers):
        found += stops_of_others(run.looks, item.name) + wrong_writes(run.looks, item, users)
    if run.alone:
        found += _too_far(run, strangers, (options.get("guard") or {}).get("max_total_step"))
    if run.result is not None:
        found += _wrong(run._replace(items=[*run.items, *strangers]), run.result)
    return found


def _strangers(run: Run, options: Json) -> list[Item]:
    """The deployments that the task wants stopped without naming them."""
    if not options.get("stop_unlisted"):
        return []
    named = {item.name for item in run.items}
    others = {name for look in run.looks for name in (*look.before, *look.after)} - named
    kept = options["unlisted_except"]
    return [
        Item(name, {**options, "guard": None, "state": "stopped"}, listed=False)
        for name in sorted(others)
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in kept)
    ]


def _trespasses(run: Run, strangers: t.Sequence[Item]) -> list[str]:
    """Writes on deployments that the task does not name; and on those that it wants stopped, others than stops."""
    named = {item.name for item in run.items}
    verbs = {item.name: ("_stop", "_start")[: 1 + item.rolls_back] for item in strangers}
    changed = {(name, look.verb) for look in run.looks for name in changed_by(look) if name not in named}
    return [
        f"'{name}' was changed by {verb}, and the task does not name it"
        for name, verb in sorted(changed)
        if verb not in verbs.get(name, ())
    ]


def _too_far(run: Run, strangers: t.Sequence[Item], limit: int | None) -> list[str]:
    """A list that moves more allocations than it may."""
    if limit is None:
        return []
    total = 0
    for item in (*run.items, *strangers):
        way = writes(run.looks, item.name)
        half = bool(way) and way[-1].look.verb == "_stop" and item.options.get("state") != "stopped"
        resumed = bool(way) and way[0].first is None and "recovery_file" in item.options
        # Of half a replacement nothing can be told; and its other half begins with what the file has.
        if way and not (half or resumed):
            total += abs(count(way[-1].after) - count(way[0].first))
    return [f"the list moved {total} allocations, and its max_total_step is {limit}"] if total > limit else []


def _wrong(run: Run, result: Json) -> list[str]:
    found = []
    told = {each["deployment_id"]: each for each in result["deployments"]}
    for item in run.items:
        each = told.get(item.name)
        if each is None:  # nothing was read
            wrote = any(took_effect(look, item.name) for look in run.looks)
            found += [f"'{item.name}' was changed and is not told of"] if wrote else []
            continue
        found += [f"'{item.name}': {why}" for why in _wrong_of(run, item, each, result)]
    return found


def _wrong_of(run: Run, item: Item, each: Json, result: Json) -> list[str]:
    found = untrue(run.stage, run.looks, item.name, each) if run.alone else []
    kept = [warning for warning in result["warnings"] if "on_unsatisfied is keep" in warning]
    told = {**each, "warnings": kept}
    if each.get("failed") or not (each["skipped_because"] or kept or refused_as_a_whole(result)):
        found += unreached(run.stage, run.looks, _reachable(run.stage, item), told)
    wrote = [look for look in run.looks if took_effect(look, item.name)]
    # Of a write whose answer was lost nobody can tell what became of it, if others have acted since.
    if any(run.alone or look.status for look in wrote) and not each["changed"]:
        found.append(f"it was changed, which is not told: {each.get('msg')}")
    if run.alone and each["changed"] and not wrote and UNKNOWN not in each.get("msg", ""):
        found.append(f"it is told to be changed, and was not: {each.get('msg')}")
    return found


def _reachable(stage: Stage, item: Item) -> Json:
    """What has to be there: on serverless a count is the scaler's, whatever a start says."""
    never = ("number_of_allocations",) if stage.flavor == "serverless" else ()
    return {name: value for name, value in item.options.items() if name not in never} | {"deployment_id": item.name}


def repeated(looks: t.Sequence[Look]) -> list[str]:
    """Writes that were sent again after they had taken effect."""
    found = []
    done: dict[str, Look] = {}
    for look in looks:
        if look.verb not in WRITES:
            continue
        last = done.get(look.path)
        if last and (last.verb, last.sent) == (look.verb, look.sent) and not _going(look):
            found.append(f"{look.path} was sent again after it had taken effect")
        for name in changed_by(look):
            done = {path: each for path, each in done.items() if name not in changed_by(each)}
            done[look.path] = look
    return found


def _going(look: Look) -> bool:
    """A stop of what is stopping is allowed: the server may have forgotten the first one."""
    return look.verb == "_stop" and any(each["assignment_state"] == "stopping" for each in look.before.values())


def unpredicted(predicted: Json, happened: Json) -> list[str]:
    """Law 2: where check mode said something else than a run in peace."""
    found = []
    if not happened.get("failed") and predicted["api_calls"] != happened["api_calls"]:
        found.append(f"check mode said {predicted['api_calls']}, the run sent {happened['api_calls']}")
    for told, done in itertools.zip_longest(predicted["deployments"], happened["deployments"]):
        if told is None or done is None:
            found.append(f"check mode tells of other deployments: {predicted.get('msg')}, {happened.get('msg')}")
        elif told.get("failed") and told["msg"] != done.get("msg"):
            found.append(f"only check mode said: {told['msg']}; the run: {done.get('msg')}")
        elif done.get("failed") and not told.get("failed") and not _unforeseen(done["msg"]):
            found.append(f"check mode did not say: {done['msg']}")
        elif not told.get("failed") and not done.get("failed"):
            found += [
                f"check mode said {key} {told[key]}, the run {done[key]}" for key in PREDICTED if told[key] != done[key]
            ]
    return found


def _unforeseen(sentence: str) -> bool:
    """Whether check mode could not know: the nodes, the right to write, or a user that it was not allowed to read."""
    used = (
        "lacks the cluster privilege",
        "referenced by ingest processors",
        "as it is used by inference endpoint",
        "created by inference endpoint",
    )
    return unforeseen(sentence) or any(each in sentence for each in used)


def outdated(run: Run) -> list[str]:
    """What is told at the end of a run in peace that waited, and is not there in the end."""
    waited = run.result is not None and all(item.options.get("wait", True) for item in run.items)
    last: list[t.Any] = [Snapshot(run.stage.version, look.after) for look in run.looks[-1:] if waited]
    return [
        f"'{each['deployment_id']}' in the end: {why}"
        for each in (run.result or {}).get("deployments", ())
        for there in last
        if not each.get("failed")
        for why in same_as_there(there, each)
    ]


def lost_settings(before: Assignments, after: Assignments, items: t.Iterable[Item]) -> list[str]:
    """Settings that the task does not name, and that are not as they were."""
    found = []
    for item in items:
        if item.name not in before or item.name not in after:
            continue
        old, new = task_parameters(before[item.name]), task_parameters(after[item.name])
        if old["model_id"] != new["model_id"] or before[item.name]["assignment_state"] == "stopping":
            continue
        found += [
            f"'{item.name}' has lost {name} {old[name]}, it is {new[name]}"
            for name in ("threads_per_allocation", "queue_capacity", "priority", "cache_size")
            if name in old and name not in item.options and old[name] != new[name]
        ]
    return found
