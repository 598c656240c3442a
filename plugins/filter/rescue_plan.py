# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of the role rescue, from what the modules have read."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rescue_plan
version_added: 0.1.0
short_description: Decide what the role rescue does
description:
  - Used by the role P(mlops.elasticsearch.rescue#role). Finds what is broken among what the modules have read, and says
    what to do about it, and why not. Changes nothing.
options:
  _input:
    description: What P(mlops.elasticsearch.rescue_options#filter) returns.
    type: dict
    required: true
  reads:
    description:
      - The results of M(mlops.elasticsearch.trained_model_deployment_info) and
        M(mlops.elasticsearch.inference_endpoint_info) as C(deployments) and C(endpoints), the text of a record of
        the role P(mlops.elasticsearch.upgrade_guard#role) or null as C(record), and the paths of recovery files as
        C(files).
    type: dict
    required: true
  now:
    description: The time in UTC, such as V(2026-05-04T09:30:00.000000Z).
    type: str
    required: true
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - ref: ansible_collections.mlops.elasticsearch.docsite.rescue
    description: What the role looks for, and how it repairs.
"""

EXAMPLES = r"""
- name: Show what is broken
  ansible.builtin.debug:
    msg: "{{ ({} | mlops.elasticsearch.rescue_options | mlops.elasticsearch.rescue_plan(reads, now)).found }}"
  vars:
    reads: {deployments: "{{ deployments }}", endpoints: "{{ endpoints }}", record: null, files: []}
    now: "{{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%S.%fZ') }}"
"""

RETURN = r"""
_value:
  description:
    - What is broken as V(found), as V(deployments) the list that repairs it, and as V(rehearsal) the one for
      check mode. V(refused) says why nothing is repaired, V(notices) what else is to be known, and V(running) lists the
      deployments that answer.
  type: dict
  sample:
    refused: []
    notices: []
    found:
      - id: sentiment
        kind: failed
        reason: 0 of 2 allocations run; node ml-1 failed (out of memory)
        action: stop it and start it again
        why_not: null
    running: [search]
    deployments:
      - {deployment_id: sentiment, on_failed: recover, on_referenced: force, on_missing: skip}
    rehearsal:
      - {deployment_id: sentiment, on_failed: recover, on_referenced: force, on_missing: skip}
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._rescue.plan import plan
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.pure_filter import pure_filter


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rescue_plan": pure_filter(plan)}
