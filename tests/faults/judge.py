# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The laws, for runs among faults and others: every sentence is a law that broke."""

from __future__ import annotations

import itertools
import typing as t

from laws.among_others import UNKNOWN, changed_by, stops_of_others, took_effect, unreached, untrue
from laws.truth import task_parameters, unforeseen
from support.stage import Assignments, Look, Stage

Json = dict[str, t.Any]
PREDICTED = ("changed", "operation", "skipped_because", "diff", "before", "after", "api_calls")
WRITES = ("_start", "_stop", "_update")
BREAK = Look("first", "", "", ("", None), None, {}, {})
"""Stands between the looks of two runs."""


class Item(t.NamedTuple):
    """What is wanted of one deployment."""

    name: str
    options: Json

    @property
    def may_stop(self) -> bool:
        """Whether there is any case in which it is to be stopped."""
        says = self.options.get
        asked = says("state") in ("stopped", "restarted") or says("replace") == "stop_start"
        return bool(asked or says("on_failed") == "recover" or says("on_unsatisfied") == "rollback")


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
    return what["do"] not in _OF_MASTER


_OF_MASTER = ("lose_master", "elect_master", "lose_state", "recover_state")


def broken(run: Run, used: frozenset[str], options: Json) -> list[str]:
    """What is wrong with a run whatever happened to it, and with its result, if there is one."""
    found = _trespasses(run, options)
    for item in run.items:
        found += stops_of_others(run.looks, item.name)
        stops = [look for look in run.looks if look.verb == "_stop" and took_effect(look, item.name)]
        if stops and not item.may_stop:
            found.append(f"'{item.name}' was stopped though the task never says so")
        if item.name in used and any(not _forced(look) for look in stops):
            found.append(f"'{item.name}' is used by others, and was stopped without force")
    if run.result is not None:
        found += _wrong(run, run.result)
    return found


def _forced(look: Look) -> bool:
    query, body = look.sent
    return "force=true" in query or b'"force":true' in (body or b"").replace(b" ", b"")


def _trespasses(run: Run, options: Json) -> list[str]:
    """Writes that changed deployments that the task does not name."""
    named = {item.name for item in run.items}
    if options.get("stop_unlisted"):
        return []
    strangers = {name for look in run.looks for name in changed_by(look)} - named
    return [f"'{name}' was changed, which the task does not name" for name in sorted(strangers)]


def _wrong(run: Run, result: Json) -> list[str]:
    found = []
    told = {each["deployment_id"]: each for each in result["deployments"]}
    for item in run.items:
        each = told.get(item.name)
        if each is None:  # the list as a whole was refused
            wrote = any(took_effect(look, item.name) for look in run.looks)
            found += [f"'{item.name}' was changed and is not told of"] if wrote else []
            continue
        found += [f"'{item.name}': {why}" for why in _wrong_of(run, item, each, result)]
    return found


def _wrong_of(run: Run, item: Item, each: Json, result: Json) -> list[str]:
    found = untrue(run.stage, run.looks, item.name, each) if run.alone else []
    kept = [warning for warning in result["warnings"] if "on_unsatisfied is keep" in warning]
    told = {**each, "warnings": kept}
    if each.get("failed") or not (each["skipped_because"] or kept):
        found += unreached(run.stage, run.looks, {**item.options, "deployment_id": item.name}, told)
    wrote = any(took_effect(look, item.name) for look in run.looks)
    if wrote and not each["changed"]:
        found.append(f"it was changed, which is not told: {each.get('msg')}")
    if run.alone and each["changed"] and not wrote and UNKNOWN not in each.get("msg", ""):
        found.append(f"it is told to be changed, and was not: {each.get('msg')}")
    return found


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
    """Whether check mode could not know: the nodes, or a user of the deployment that it was not allowed to read."""
    used = ("as it is referenced by ingest processors", "as it is used by inference endpoint")
    return unforeseen(sentence) or any(each in sentence for each in used)


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
