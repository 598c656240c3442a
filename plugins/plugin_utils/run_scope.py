# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scope of one run of Ansible, whose tasks are processes of their own."""

from __future__ import annotations

from pathlib import Path

from ansible import constants
from ansible.playbook.task import Task

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import run_id


def first_in_run(task_uuid: str, what: str) -> bool:
    """Return whether this is the first time that a task of this run asks about *what*.

    The processes of a run share a folder that Ansible makes for the run, and removes with its end.
    """
    try:
        folder = Path(constants.DEFAULT_LOCAL_TMP)  # type: ignore[attr-defined]
        (folder / f"mlops.elasticsearch-{run_id(task_uuid)}-{what}").touch(exist_ok=False)
    except OSError as exc:
        # Without the folder it is better to say a thing again than not at all.
        return not isinstance(exc, FileExistsError)
    return True


def is_rehearsal(task: Task) -> bool:
    """Return whether *task*, in check mode, says that its change is none: a part of a real run only looks by it."""
    return bool(task.check_mode) and task.changed_when == [False]
