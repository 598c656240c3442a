# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ``WAIT`` in ``_options/deployment.py``."""

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
      - Seconds to wait in all. When they are over the task fails, says what is missing, and the change stays.
      - Also limits the wait before a write that needs one, such as the end of a stop before a start.
    type: float
    default: 300.0
  wait_sleep:
    description: Seconds between two looks.
    type: float
    default: 2.0
  server_timeout:
    description:
      - How long the server may take to acknowledge a change, as a time of Elasticsearch.
      - Must be shorter than O(request_timeout).
    type: str
    default: 30s
"""
