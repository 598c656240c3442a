# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that grow: results of earlier tasks and loop items of this run are kept beside new ones."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.warning import WarningText

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
    made_by_us = [value for value in (fact if _is_ours(fact) else None, _of_this_loop.get(key)) if value is not None]
    return variables[name] not in made_by_us


def _is_ours(fact: t.Any) -> bool:
    """Return whether tasks of this collection have made the *fact*, in this run or in an earlier one."""
    return isinstance(fact, dict) and all(
        isinstance(entry, dict) and "deployment" in entry and isinstance(entry.get("run"), str)
        for entry in fact.values()
    )


def entries_of_run(key: Key, run: str, fact: t.Any) -> Json:
    """Return the entries that earlier tasks and loop items of this *run* have made.

    *fact*: its value before the task, perhaps with entries of an earlier run from a fact cache.
    """
    earlier = fact if isinstance(fact, dict) else {}
    found = {name: entry for name, entry in earlier.items() if isinstance(entry, dict) and entry.get("run") == run}
    return _of_this_loop.get(key, found)


def merge_facts(key: Key, run: str, known: Json, new: Json, deployment_ids: t.Collection[str]) -> Json:
    """Return the value of the fact after a task on the deployments *deployment_ids*.

    *known*: the entries of this run before the task. *new*: the entries of those deployments that run.
    """
    merged = {name: entry for name, entry in known.items() if name not in deployment_ids}
    merged.update({name: {**entry, "run": run} for name, entry in new.items()})
    _of_this_loop[key] = merged
    return merged


def predictions(loop: Key, run: str, facts: t.Mapping[str, t.Any]) -> Json:
    """Return the entries that earlier tasks and loop items of this *run* have predicted, by deployment id.

    *facts*: all of the host. Those of the fact of *loop* win over those of others.
    """
    found: Json = {}
    for name in [name for name in facts if _is_ours(facts[name])] + [loop[2]]:
        entries = entries_of_run((*loop[:2], name), run, facts.get(name.removeprefix("ansible_")))
        found |= {each: entry for each, entry in entries.items() if entry.get("predicted")}
    return found


def other_cluster_warning(fact_name: str, known: Json, new: Json) -> tuple[WarningText, ...]:
    """Return a warning if *new* entries of the fact *fact_name* take the place of *known* ones of another cluster."""
    replaced = [
        f"'{each}' of cluster {_cluster_of(known[each])['name']}"
        for each, entry in new.items()
        if each in known and _is_other(_cluster_of(known[each]), _cluster_of(entry))
    ]
    named = ", ".join(sorted(replaced))
    text = (
        f"The fact {fact_name} no longer has {named}: this task has replaced it with what has the same id in another "
        "cluster. Give the tasks of each cluster a fact_name of their own."
    )
    return (WarningText(text),) if named else ()


def _cluster_of(entry: Json) -> Json:
    return entry.get("cluster") or {"name": None, "uuid": None}


def _is_other(known: Json, new: Json) -> bool:
    """Return whether two clusters are different ones for sure."""
    return None not in (known["uuid"], new["uuid"]) and known["uuid"] != new["uuid"]
