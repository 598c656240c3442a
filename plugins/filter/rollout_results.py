# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of a rollout, for later tasks and for a person."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_results
version_added: 0.1.0
short_description: Tell what a rollout has done
description:
  - Makes the fact C(model_rollout_results) of the role P(mlops.elasticsearch.model_rollout#role).
options:
  _input:
    description: The plan that the filter P(mlops.elasticsearch.rollout_plan#filter) has made; empty if there is none.
    type: dict
    required: true
  done:
    description: The steps that were taken, or in a dry run rehearsed.
    type: list
    elements: dict
    required: true
  undone:
    description: The steps that were taken to go back.
    type: list
    elements: dict
    required: true
  failed:
    description: What has failed, as C(msg); empty if nothing did.
    type: dict
    required: true
  dry_run:
    description: Whether nothing was sent.
    type: bool
    required: true
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
"""

EXAMPLES = r"""
- name: Show the lines about a plan
  ansible.builtin.debug:
    msg: "{{ (plan | mlops.elasticsearch.rollout_results(done=[], undone=[], failed={}, dry_run=true)).summary }}"
"""

RETURN = r"""
_value:
  description: The results, with C(outcome), C(steps), C(api_calls), and as C(summary) lines for a person.
  type: dict
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.results import results


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rollout_results": results}
