# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that grow: results of earlier tasks and loop items of this run are kept beside new ones."""

from __future__ import annotations

import typing as t

Json = dict[str, t.Any]

# The items of a loop run in one worker process, forked for one task and host, and each gets the facts from before the
# loop: what earlier items returned is kept here. Key: task, host that gets the fact, fact.
_of_this_loop: dict[tuple[str, str, str], Json] = {}


def run_id(task_uuid: str) -> str:
    """Return what the ids of all tasks of one run of Ansible share, and of no other run: all but their counter."""
    return task_uuid.rpartition("-")[0]


def merge_facts(
    key: tuple[str, str, str], run: str, known: t.Any, new: Json, deployment_ids: t.Collection[str]
) -> Json:
    """Return the value of the fact after a task on the deployments *deployment_ids*.

    *known*: its value before the task, perhaps with entries of an earlier run from a fact cache, which are dropped.
    *new*: the entries of those deployments that run.
    """
    earlier = known if isinstance(known, dict) else {}
    kept = {name: entry for name, entry in earlier.items() if isinstance(entry, dict) and entry.get("run") == run}
    kept = _of_this_loop.get(key, kept)
    merged = {name: entry for name, entry in kept.items() if name not in deployment_ids}
    merged.update({name: {**entry, "run": run} for name, entry in new.items()})
    _of_this_loop[key] = merged
    return merged
