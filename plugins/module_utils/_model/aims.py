# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The aim of a task: what it has to do with a model, from what is there. Pure."""

from __future__ import annotations

from .._core.errors import Difference
from .compare import differences_of
from .records import Aim, Desired, Situation, StoredModel, Upload


def aim_of(desired: Desired, current: Situation) -> Aim:
    """Return what the task has to do; whether it may is another question."""
    stored = current.stored
    if desired.state == "absent":
        return "delete" if stored else "none"
    if desired.files is None:
        if stored is None:
            return "download"
        return "recreate" if current.has_failed_download else "none"
    if stored is None:
        return "upload"
    if differences(current):
        return "recreate"
    if stored.is_complete is not False:
        return "none"
    return "resume" if stored.ours and not _takes_other_parts(desired, stored) else "recreate"


def _takes_other_parts(desired: Desired, stored: StoredModel) -> bool:
    """Return whether a task that may begin again asks for another size of the parts than an upload began with."""
    asked = desired.files.part_size if desired.files else None
    return desired.replace == "recreate" and asked not in (None, stored.ours.get("part_size"))


def differences(current: Situation) -> tuple[Difference, ...]:
    """Return in what the stored model differs from the files of the task; nothing if one of them is missing."""
    if current.stored is None or current.upload is None:
        return ()
    return differences_of(current.upload, current.stored)


def needs_checksum(desired: Desired, upload: Upload, current: Situation) -> bool:
    """Return whether the definition has to be read before a plan: to be compared, or to be sent."""
    stored = current.stored
    if stored is None:
        return True
    if differences_of(upload, stored) or (stored.is_complete is False and not stored.ours):
        return desired.replace == "recreate"
    return bool(stored.ours)
