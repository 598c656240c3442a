# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of the role rescue."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rescue_results
version_added: 0.1.0
short_description: Say what the role rescue has repaired
description:
  - Used by the role P(mlops.elasticsearch.rescue#role). Says what was repaired, what is still broken and why,
    and what was not touched.
options:
  _input:
    description: What P(mlops.elasticsearch.rescue_plan#filter) returns. Empty if the role did not come so far.
    type: dict
    required: true
  runs:
    description:
      - What P(mlops.elasticsearch.rescue_rehearsed#filter) returns as C(rehearsal), the result of the repair as
        C(repair), and the plan that was made afterwards as C(after). Empty ones did not run.
    type: dict
    required: true
  check_mode:
    description: Whether this is a dry run, in which the rehearsal is all there is.
    type: bool
    required: true
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - ref: ansible_collections.mlops.elasticsearch.docsite.rescue
    description: What the role looks for, and how it repairs.
"""

EXAMPLES = r"""
- name: Show what would be repaired
  ansible.builtin.debug:
    msg: "{{ plan | mlops.elasticsearch.rescue_results(runs, true) }}"
  vars:
    plan: {found: []}
    runs: {rehearsal: {}, repair: {}, after: {}}
"""

RETURN = r"""
_value:
  description: The results of the role.
  type: dict
  sample:
    check_mode: false
    found: []
    repaired: [sentiment]
    broken: []
    untouched: []
    notices: []
    api_calls: []
    failed: []
    msg: ""
    changed: true
    summary: ["1 broken: 1 repaired, 0 left"]
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._rescue.results import results
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.pure_filter import pure_filter


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rescue_results": pure_filter(results)}
