# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document the options of ``GUARD`` in ``_deployment/options/guard.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  guard:
    description:
      - Limits for a change of the number of allocations. If the change exceeds them, the task does not make it at all,
        and never reduces it to what is allowed. Check mode decides in the same way.
      - A deployment that does not exist has V(0) allocations, so a start and a stop change the number. What
        Elasticsearch changes within the bounds of adaptive allocations is not limited.
    type: dict
    suboptions:
      number_of_allocations:
        description: The number that you expect before the change.
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
      on_violation:
        description:
          - What to do if the change exceeds a limit.
          - V(fail) fails and names every limit that the change exceeds. V(skip) changes nothing, not even other
            settings, warns, and gives the reason in RV(skipped_because).
        type: str
        choices: [fail, skip]
        default: fail
"""
