# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a rollout, decided from what is there."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_plan
version_added: 0.1.0
short_description: Decide the steps of a rollout
description:
  - Decides for the role P(mlops.elasticsearch.model_rollout#role) what is refused, what is to be done, and how to go
    back. It reads nothing itself.
options:
  _input:
    description: The variable C(model_rollout) of the role.
    type: dict
    required: true
  seen:
    description:
      - What the role has read. C(deployments) and C(models) are what
        M(mlops.elasticsearch.trained_model_deployment_info) with C(references) and
        M(mlops.elasticsearch.trained_model_info) return; C(endpoints) is what
        M(mlops.elasticsearch.inference_endpoint_info) returns, or empty. C(state) is the text of the file in which the
        role keeps its state, or empty, and C(now) a time as text.
    type: dict
    required: true
  undo:
    description: C(state) of the plan of a rollout that has failed. If it is given, the plan goes back.
    type: dict
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - module: mlops.elasticsearch.trained_model_alias
"""

EXAMPLES = r"""
- name: Read what is there
  mlops.elasticsearch.trained_model_deployment_info:
    gather: [routing, references]
  register: deployments

- name: Read the models
  mlops.elasticsearch.trained_model_info:
  register: models

- name: Show the steps of a rollout
  ansible.builtin.debug:
    msg: "{{ (rollout | mlops.elasticsearch.rollout_plan(seen)).steps | map(attribute='title') }}"
  vars:
    rollout:
      model_alias: search-model
      new: {model_id: sentiment-v2, deployment_id: sentiment-v2}
    seen: {deployments: "{{ deployments }}", models: "{{ models }}", state: "", now: "2026-12-01T09:00:00Z"}
"""

RETURN = r"""
_value:
  description:
    - C(refused) has the reasons why nothing is done, and is empty if all may go on. C(notices) has what a person should
      know.
    - C(steps) are all steps in order, C(rehearsal) those that check mode can play. Each has C(do), C(title) and
      C(arguments). C(state) is what the role keeps in its file.
  type: dict
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.plan import plan


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rollout_plan": plan}
