# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rehearsal of a repair by the role rescue."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rescue_rehearsed
version_added: 0.1.0
short_description: Decide which repairs of the role rescue are tried
description:
  - Used by the role P(mlops.elasticsearch.rescue#role). Leaves out of the plan what its rehearsal says that
    Elasticsearch will not take.
options:
  _input:
    description: What P(mlops.elasticsearch.rescue_plan#filter) returns.
    type: dict
    required: true
  together:
    description: The result of M(mlops.elasticsearch.trained_model_deployments) in check mode. Empty if there was none.
    type: dict
    required: true
  alone:
    description: The results for each deployment by itself, which are there only if the list as a whole has no room.
    type: list
    elements: dict
    required: true
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - ref: ansible_collections.mlops.elasticsearch.docsite.rescue
    description: What the role looks for, and how it repairs.
"""

EXAMPLES = r"""
- name: Show what would be tried
  ansible.builtin.debug:
    msg: "{{ {'deployments': []} | mlops.elasticsearch.rescue_rehearsed({}, []) }}"
"""

RETURN = r"""
_value:
  description:
    - The list to apply as V(deployments), by id why something is not taken as V(not_taken), or left alone as
      V(skipped), and why nothing is tried as V(refused).
  type: dict
  sample:
    deployments:
      - {deployment_id: sentiment, on_failed: recover, on_referenced: force, on_missing: skip}
    refused: []
    not_taken: {}
    skipped: {}
    api_calls: []
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._rescue.rehearsal import rehearsed
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.pure_filter import pure_filter


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rescue_rehearsed": pure_filter(rehearsed)}
