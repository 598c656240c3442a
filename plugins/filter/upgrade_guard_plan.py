# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of the role upgrade_guard, from what the modules have read."""

from __future__ import annotations

DOCUMENTATION = r"""
name: upgrade_guard_plan
version_added: 0.1.0
short_description: Decide what the role upgrade_guard does
description:
  - Used by the role P(mlops.elasticsearch.upgrade_guard#role). Compares a record with what the modules have read, and
    returns what to write, stop, start and put back. Changes nothing.
options:
  _input:
    description: What P(mlops.elasticsearch.upgrade_guard_options#filter) returns.
    type: dict
    required: true
  reads:
    description:
      - The results of M(mlops.elasticsearch.trained_model_deployment_info),
        M(mlops.elasticsearch.inference_endpoint_info), M(mlops.elasticsearch.trained_model_info),
        M(mlops.elasticsearch.ml_upgrade_mode) and M(mlops.elasticsearch.ml_capacity_info), as C(deployments),
        C(endpoints), C(models), C(mode) and C(nodes).
      - C(path), if it is known, says of the file whether C(is_folder), and C(has_folder).
    type: dict
    required: true
  text:
    description: The text of the record. Null if there is none.
    type: str
    required: true
  now:
    description: The time, as a record has it.
    type: str
    required: true
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - ref: ansible_collections.mlops.elasticsearch.docsite.upgrades
    description: Record, quiesce and restore a cluster.
"""

EXAMPLES = r"""
- name: Show where the cluster differs from a record
  ansible.builtin.debug:
    msg: "{{ (options | mlops.elasticsearch.upgrade_guard_plan(reads, text, now)).drift }}"
  vars:
    options: "{{ {'action': 'restore', 'file': 'shop.json'} | mlops.elasticsearch.upgrade_guard_options }}"
    text: "{{ lookup('ansible.builtin.file', 'shop.json') }}"
    now: "{{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ') }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  sample:
    refused: []
    drift:
      - {kind: deployment, id: search, setting: number_of_allocations, recorded: 2, now: 4, accepted: false}
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_guard.plan import plan
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.pure_filter import pure_filter


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"upgrade_guard_plan": pure_filter(plan)}
