# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ``GUARD`` in ``_deployment/options/guard.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  guard:
    description:
      - How far the task may move the number of allocations. A change beyond it is not made at all, and never cut down
        to what is allowed. Check mode decides the same.
      - Looked at only if the task would change the number. A deployment that is not there has V(0), so a start and a
        stop change it, too; a restart and a replacement only if they come back with another number.
      - While adaptive allocations are enabled the scaler moves the number, within bounds of its own.
      - The number is the one that was read before the change. The server has no way to tie a change to it.
    type: dict
    suboptions:
      number_of_allocations:
        description: The number that is expected before the change.
        type: int
      min:
        description: The lowest number that the task may set. A value above V(0) forbids a stop.
        type: int
      max:
        description: The highest number that the task may set.
        type: int
      max_step:
        description: By how much the task may change the number, up or down.
        type: int
  on_guarded:
    description:
      - What to do if the change breaks O(guard).
      - V(fail) fails and names everything that is broken. V(skip) changes nothing, not even other settings, and says
        so in RV(skipped_because).
    type: str
    choices: [fail, skip]
    default: fail
"""
