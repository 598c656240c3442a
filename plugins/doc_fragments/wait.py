# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ``WAIT`` in ``_deployment/options/deployment.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until the change has reached the nodes. Never done in check mode.
      - Without it the task ends as soon as the server has accepted the change.
    type: bool
    default: true
  wait_for:
    description:
      - V(started) is one running allocation.
      - V(fully_allocated) is all of them.
      - V(steady) is all of them on the nodes where they are to stay, with every route started.
    type: str
    choices: [started, fully_allocated, steady]
    default: fully_allocated
  allow_zero:
    description:
      - Whether 0 of 0 allocations counts as ready. Otherwise a deployment that is scaled to zero fails the task.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait in all. When they are over the task fails and says what is missing; see O(on_unsatisfied).
      - Also limits the wait before a write that needs one, such as the end of a stop before a start.
      - A rollback and a recovery have as long once more.
    type: float
    default: 300.0
  wait_sleep:
    description: Seconds between two looks.
    type: float
    default: 2.0
  on_unsatisfied:
    description:
      - What to do if a change was accepted, and what is waited for does not come about.
      - V(fail) fails, and the change stays.
      - V(keep) warns instead of failing, whether this run or an earlier one made the change. A change that is only half
        done, such as a stop before a start, still fails.
      - V(rollback) restores what was before, waits for it, and fails. What somebody else has changed, stopped or
        started meanwhile is not touched. Restored are the count, adaptive allocations and what is fixed at start; what
        did not run before is stopped.
      - Without O(wait) nothing is waited for, and so nothing is missing.
      - A start that is refused after its stop is always answered by a start with the settings of before.
    type: str
    choices: [fail, keep, rollback]
    default: fail
  server_timeout:
    description:
      - How long the server may take to acknowledge a change, as a time of Elasticsearch.
      - Must be shorter than O(request_timeout).
    type: str
    default: 30s
"""
