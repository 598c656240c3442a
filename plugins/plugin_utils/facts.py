# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that grow: what earlier tasks and loop items of this run returned is kept beside what is new."""

from __future__ import annotations

import typing as t

Json = dict[str, t.Any]

# A loop's items run in one worker process, forked for one task and host, and each sees the facts from before the loop:
# what the items before this one returned is kept here. Key: task, host that gets the fact, fact.
_of_this_loop: dict[tuple[str, str, str], Json] = {}


def run_id(task_uuid: str) -> str:
    """What the ids of all tasks of one run of Ansible share, and no other run has: all but their counter."""
    return task_uuid.rpartition("-")[0]


def merge_facts(
    key: tuple[str, str, str], run: str, known: t.Any, new: Json, deployment_ids: t.Collection[str]
) -> Json:
    """The value of the fact after a task on the deployments *deployment_ids*.

    *known*: its value before the task, perhaps with entries of an earlier run out of a fact cache, which are dropped.
    *new*: the entries of those of them that run.
    """
    earlier = known if isinstance(known, dict) else {}
    kept = {name: entry for name, entry in earlier.items() if isinstance(entry, dict) and entry.get("run") == run}
    kept = _of_this_loop.get(key, kept)
    merged = {name: entry for name, entry in kept.items() if name not in deployment_ids}
    merged.update({name: {**entry, "run": run} for name, entry in new.items()})
    _of_this_loop[key] = merged
    return merged
