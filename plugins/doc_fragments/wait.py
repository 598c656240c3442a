# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document the options of ``WAIT`` in ``_deployment/options/deployment.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until the nodes have applied the change. Check mode never waits.
      - Without it the task ends as soon as the server has accepted the change.
    type: bool
    default: true
  wait_for:
    description:
      - V(started) waits for one running allocation.
      - V(fully_allocated) waits for all allocations.
      - V(steady) waits for all allocations on the nodes where they will stay, with every route started.
      - V(answering) waits for all allocations, and then for the answer to one tiny inference, also if the task changes
        nothing. A deployment with 0 allocations that the task accepts is not asked, because that would wake it.
    type: str
    choices: [started, fully_allocated, steady, answering]
    default: fully_allocated
  wait_docs:
    description:
      - Document for the inference of O(wait_for=answering), as a dictionary, or a list of which the first one counts.
      - If it is left out, the model gets a document by its task, see
        R(Try a model,ansible_collections.mlops.elasticsearch.docsite.trying).
    type: raw
  allow_zero:
    description:
      - Whether a deployment with 0 of 0 allocations is ready. If not, the task fails for a deployment that is scaled to
        zero.
      - A task that gives C(min_number_of_allocations=0) in C(adaptive_allocations) accepts 0 allocations, whatever this
        is.
    type: bool
    default: false
  wait_timeout:
    description:
      - Time that the task may take from its start on, as a number of seconds or a time such as V(500ms), V(90s), V(5m)
        or V(1h); at most V(168h). After that it fails, and reports what was accepted and what is missing; see
        O(on_unsatisfied).
      - It covers the reads before the first write request, and waits before a write request, also with O(wait=false).
        Rollback and recovery each get the same time again.
    type: raw
    default: 300
  wait_sleep:
    description:
      - Time between polls, as a number of seconds or a time such as V(500ms).
      - The first polls come earlier, after 0.2, 0.5 and 1 second.
    type: raw
    default: 2
  on_unsatisfied:
    description:
      - What to do if the server has accepted a change, and the deployment does not meet the condition of O(wait_for).
      - V(fail) fails, and the change stays. V(keep) warns instead, unless only half of the change is done, such as a
        stop before a start. V(rollback) restores the previous settings, waits for them, and fails; it does not touch
        what another client has changed meanwhile.
      - If O(wait) is V(false), this option has no effect.
    type: str
    choices: [fail, keep, rollback]
    default: fail
  server_timeout:
    description:
      - How long the server may take to acknowledge a change, as a number of seconds or a time such as V(500ms), V(90s)
        or V(1m).
      - Must be shorter than O(request_timeout).
    type: raw
    default: 30s
"""
