# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of the role upgrade_guard, for playbooks and for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: upgrade_guard_results
version_added: 0.1.0
short_description: Sum up what the role upgrade_guard did
description:
  - Used by the role P(mlops.elasticsearch.upgrade_guard#role), which returns it as C(upgrade_guard_results).
options:
  _input:
    description: What P(mlops.elasticsearch.upgrade_guard_options#filter) returns.
    type: dict
    required: true
  planned:
    description: What P(mlops.elasticsearch.upgrade_guard_plan#filter) returns.
    type: dict
    required: true
  runs:
    description: The results of the tasks of the role.
    type: dict
    required: true
  check_mode:
    description: Whether it was a dry run.
    type: bool
    required: true
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - ref: ansible_collections.mlops.elasticsearch.docsite.upgrades
    description: Record, quiesce and restore a cluster.
"""

EXAMPLES = r"""
- name: Show the results in a few lines
  ansible.builtin.debug:
    msg: "{{ (options | mlops.elasticsearch.upgrade_guard_results(planned, runs, ansible_check_mode)).summary }}"
  vars:
    options: "{{ upgrade_guard | mlops.elasticsearch.upgrade_guard_options }}"
"""

RETURN = r"""
_value:
  description: The results. The documentation of the role lists the keys.
  type: dict
  sample: {differences: 0, failed: [], summary: ["Restore: 0 differences from the record"]}
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_guard.results import results
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.pure_filter import pure_filter


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"upgrade_guard_results": pure_filter(results)}
