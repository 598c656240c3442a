# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that grow: results of earlier tasks and loop items of this run are kept beside new ones."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.warning import WarningText
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import quoted_ids
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.predictions import (
    KINDS,
    ends_deployments,
    entry_of_deployment,
    entry_of_download,
    entry_of_gone,
)

Json = dict[str, t.Any]
Variables = t.Mapping[str, t.Any]
Key = tuple[str, str, str]
"""A fact while one task runs: the task, the host that gets the fact, and the name."""

# The items of a loop run in one worker process, forked for one task and host, and each gets the facts from before the
# loop: what earlier items returned is kept here.
_of_this_loop: dict[Key, Json] = {}


def run_id(task_uuid: str) -> str:
    """Return what the ids of all tasks of one run of Ansible share, and of no other run: all but their counter."""
    return task_uuid.rpartition("-")[0]


def fact_in(variables: Variables, name: str) -> t.Any:
    """Return the value of a fact among the *variables* of a host, ``None`` if there is none.

    Ansible removes the prefix ``ansible_`` from the names of facts.
    """
    return (variables.get("ansible_facts") or {}).get(name.removeprefix("ansible_"))


def would_hide(key: Key, variables: Variables) -> bool:
    """Return whether the fact *key* would hide a variable of the user: one that no task of the collection has made.

    *variables*: of the host that gets the fact. On ansible-core 2.18 and 2.19 the items of a loop see what earlier ones
    returned as a variable, and not as a fact.
    """
    name = key[2]
    if name not in variables:
        return False
    fact = fact_in(variables, name)
    if variables[name] == {} and _is_ours(fact):
        return False  # a role has emptied its fact by set_fact, and what that sets stays above all later facts
    made_by_us = [value for value in (fact if _is_ours(fact) else None, _of_this_loop.get(key)) if value is not None]
    return variables[name] not in made_by_us


def _is_ours(fact: t.Any) -> bool:
    """Return whether tasks of this collection have made the *fact*, in this run or in an earlier one."""
    return isinstance(fact, dict) and all(
        isinstance(entry, dict) and kind_of(entry) is not None and isinstance(entry.get("run"), str)
        for entry in fact.values()
    )


def kind_of(entry: Json) -> str | None:
    """Return the kind of resource of an *entry*, ``None`` if it is of no fact."""
    return next((kind for kind, key in KINDS.items() if key in entry), None)


def other_kind(kind: str, fact: t.Any) -> str | None:
    """Return the kind of resource of the *fact*, if it is one of ours and not of *kind*."""
    kinds = {str(kind_of(entry)) for entry in fact.values()} - {kind} if _is_ours(fact) else set[str]()
    return min(kinds, default=None)


def entries_of_run(key: Key, run: str, fact: t.Any) -> Json:
    """Return the entries that earlier tasks and loop items of this *run* have made.

    *fact*: its value before the task, perhaps with entries of an earlier run from a fact cache.
    """
    earlier = fact if isinstance(fact, dict) else {}
    found = {name: entry for name, entry in earlier.items() if isinstance(entry, dict) and entry.get("run") == run}
    return _of_this_loop.get(key, found)


def merge_facts(key: Key, run: str, known: Json, new: Json, order: int) -> Json:
    """Return the value of the fact after a task.

    *known*: the entries of this run before the task. *new*: an entry for each resource of the task, also if it is not
    there. *order*: of :func:`next_order`.
    """
    merged = dict(known)
    for name, entry in new.items():
        if _stays(entry):
            merged[name] = _with_download({**entry, "run": run, "order": order}, merged.get(name))
        elif name in merged and not _is_other(merged[name], entry):
            del merged[name]
    _of_this_loop[key] = merged
    return merged


def _with_download(entry: Json, earlier: Json | None) -> Json:
    """Return *entry* with the moment of the download that it predicts, or with that of the *earlier* entry it replaces.

    In a dry run the model stays, whatever becomes of the endpoint that has brought it.
    """
    if entry.get("downloads"):
        return {**entry, "downloads": {**entry["downloads"], "order": entry["order"]}}
    if not entry["predicted"] or earlier is None or not earlier.get("downloads") or _is_other(earlier, entry):
        return entry
    return {**entry, "downloads": earlier["downloads"]}


def _stays(entry: Json) -> bool:
    """Return whether the fact has an *entry* for long: one of what a real task has removed only removes another."""
    return entry.get(KINDS[str(kind_of(entry))]) is not None or bool(entry["predicted"])


def next_order(loop: Key, run: str, facts: t.Mapping[str, t.Any]) -> int:
    """Return a number above those of all entries that this *run* has made. *facts*: all of the host."""
    return 1 + max((entry["order"] for _name, entry in _all_entries(loop, run, facts)), default=0)


def predictions(loop: Key, run: str, facts: t.Mapping[str, t.Any]) -> dict[str, dict[str, list[Json]]]:
    """Return what this *run* has said of each resource that an earlier task or loop item has predicted, by kind and id.

    *facts*: all of the host. The entries of an id are in the order in which they were made; they may be of several
    clusters.
    """
    found: dict[str, dict[str, list[Json]]] = {}
    for name, entry in sorted(_all_entries(loop, run, facts), key=lambda pair: int(pair[1]["order"])):
        for kind, named, each in [*_followed(name, entry, found.get("deployments", {}))]:
            found.setdefault(kind, {}).setdefault(named, []).append(each)
    predicted = {
        kind: {name: entries for name, entries in by_id.items() if any(entry["predicted"] for entry in entries)}
        for kind, by_id in found.items()
    }
    return {kind: by_id for kind, by_id in predicted.items() if by_id}


def _followed(name: str, entry: Json, deployments: t.Mapping[str, list[Json]]) -> t.Iterator[tuple[str, str, Json]]:
    """Yield kind, id and *entry*, and what it predicts of deployments at the same moment.

    An inference endpoint has one of its own; a model that is deleted has none any more. *deployments*: entries that
    were made before.
    """
    kind = str(kind_of(entry))
    yield kind, name, entry
    if not entry["predicted"]:
        return
    if kind == "endpoints":
        yield "deployments", name, entry_of_deployment(entry)
    if kind == "models" and ends_deployments(entry):
        for deployment_id, known in deployments.items():
            last = [each for each in known if not _is_other(each, entry)][-1:]
            if any((each["deployment"] or {}).get("model_id") == name for each in last):
                yield "deployments", deployment_id, entry_of_gone(entry)


def _all_entries(loop: Key, run: str, facts: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, Json]]:
    """Yield the entries of this *run* in all facts of the host: those of other names count, too."""
    of_loop = {name for *scope, name in _of_this_loop if scope == [*loop[:2]]}
    for name in {name for name in facts if _is_ours(facts[name])} | of_loop:
        entries = entries_of_run((*loop[:2], name), run, facts.get(name.removeprefix("ansible_")))
        yield from entries.items()
        for model in filter(None, map(entry_of_download, entries.values())):
            yield model["model"]["model_id"], model


def other_cluster_warning(fact_name: str, known: Json, new: Json) -> tuple[WarningText, ...]:
    """Return a warning if *new* entries of the fact *fact_name* take the place of *known* ones of another cluster."""
    replaced = [
        each for each, entry in new.items() if each in known and _stays(entry) and _is_other(known[each], entry)
    ]
    named = quoted_ids(sorted(replaced))
    text = (
        f"The fact {fact_name} no longer has {named} of another cluster: this task has replaced it with what has the "
        "same id in its own. Give the tasks of each cluster a fact_name of their own."
    )
    return (WarningText(text),) if named else ()


def _is_other(known: Json, new: Json) -> bool:
    """Return whether two entries are of different clusters for sure."""
    uuids = [(entry.get("cluster") or {}).get("uuid") for entry in (known, new)]
    return None not in uuids and uuids[0] != uuids[1]
