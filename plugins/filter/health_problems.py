# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say what is wrong with deployments and inference endpoints, and what to do, in sentences for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: health_problems
version_added: 0.1.0
short_description: Say what is wrong with deployments and inference endpoints, and what to do
description:
  - Finds among what M(mlops.elasticsearch.trained_model_deployment_info) and
    M(mlops.elasticsearch.inference_endpoint_info) return what cannot answer, or not with all of its allocations.
  - A deployment that adaptive allocations have scaled to zero is well, and so is an endpoint that Elasticsearch brings
    along and has not been used yet. Nothing is said of services outside of the cluster.
  - What is wrong with a deployment is said once, with the endpoints that use it.
options:
  _input:
    description: RV(mlops.elasticsearch.trained_model_deployment_info#module:deployments).
    type: list
    elements: dict
    required: true
  endpoints:
    description:
      - RV(mlops.elasticsearch.inference_endpoint_info#module:inference_endpoints), read with V(deployment) in
        O(mlops.elasticsearch.inference_endpoint_info#module:gather). Null counts as none.
    type: list
    elements: dict
    default: []
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - plugin: mlops.elasticsearch.health_table
    plugin_type: filter
  - ref: ansible_collections.mlops.elasticsearch.docsite.rescue
    description: The playbooks that report health, and that repair.
"""

EXAMPLES = r"""
- name: Fail if a deployment or an endpoint cannot answer
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Read the deployments
      mlops.elasticsearch.trained_model_deployment_info:
      register: found

    - name: Read the endpoints
      mlops.elasticsearch.inference_endpoint_info:
      register: all_endpoints

    - name: Fail unless all is well
      ansible.builtin.assert:
        that: problems is falsy
        fail_msg: "{{ problems | map(attribute='why') | list }}"
      vars:
        problems: "{{ found.deployments | mlops.elasticsearch.health_problems(all_endpoints.inference_endpoints) }}"
"""

RETURN = r"""
_value:
  description:
    - One item for each problem, the worst first. V(kind) is C(deployment) or C(endpoint), V(health) is C(lost),
      C(failed), C(degraded), C(starting) or C(zero).
  type: list
  elements: dict
  sample:
    - kind: deployment
      id: sentiment
      health: failed
      why: "Deployment 'sentiment' has failed: 0 of 2 allocations run; node ml-1 failed (out of memory)."
      what_to_do: Read the reasons. The playbook rescue starts it again.
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import quoted_ids

Json = t.Mapping[str, t.Any]
WORST_FIRST = ("lost", "failed", "degraded", "starting", "zero")
WORDS = {
    "lost": "is lost",
    "failed": "has failed",
    "degraded": "is degraded",
    "starting": "is starting",
    "zero": "has no allocation",
}
_ADVICE = {
    "lost": "The playbook rescue starts its deployment again.",
    "failed": "Read the reasons. The playbook rescue starts it again.",
    "degraded": "Look at the nodes that it names, and at the room on all of them with the playbook capacity.",
    "starting": "Wait. If it stays so, the playbook rescue starts it again.",
    "zero": "Give it allocations, for instance with the playbook scale.",
}
_STOPPING = "If that is a mistake, wait until it is gone, and start it again."


class Problem(t.NamedTuple):
    """One item of what the filter returns."""

    kind: str
    id: str
    health: str
    why: str
    what_to_do: str


def health_problems(deployments: t.Sequence[Json], endpoints: t.Sequence[Json] | None = None) -> list[dict[str, str]]:
    """Return what is wrong with *deployments* and *endpoints*, the worst first."""
    shown = {each["deployment_id"] for each in deployments}
    found = [_of_deployment(each, users(each["deployment_id"], endpoints)) for each in deployments if not is_well(each)]
    found += [_of_endpoint(each) for each in on_their_own(shown, endpoints) if not is_well(each)]
    return [each._asdict() for each in sorted(found, key=lambda each: (rank(each.health), each.kind, each.id))]


def rank(health: str) -> int:
    """Return the place of a state of health among all of them, the worst first."""
    return WORST_FIRST.index(health) if health in WORST_FIRST else len(WORST_FIRST)


def is_well(item: Json) -> bool:
    """Return whether a deployment or an endpoint is as it should be, as far as Elasticsearch shows that."""
    if item["health"] == "zero":
        # An endpoint shows the allocations of its deployment, a deployment its own.
        adaptive = (item.get("deployment") or item).get("adaptive_allocations") or {}
        return bool(adaptive.get("enabled"))
    return item["health"] not in WORST_FIRST


def users(deployment_id: str, endpoints: t.Sequence[Json] | None) -> list[str]:
    """Return the ids of the *endpoints* whose inferences a deployment does."""
    return [each["inference_id"] for each in endpoints or () if _deployment_id(each) == deployment_id]


def on_their_own(shown: t.Collection[str], endpoints: t.Sequence[Json] | None) -> list[Json]:
    """Return the *endpoints* that no deployment among those *shown* stands for."""
    return [each for each in endpoints or () if _deployment_id(each) not in shown]


def _deployment_id(endpoint: Json) -> str | None:
    found: str | None = (endpoint["deployment"] or {}).get("deployment_id")
    return found


def _of_deployment(deployment: Json, inference_ids: t.Sequence[str]) -> Problem:
    name, health = deployment["deployment_id"], deployment["health"]
    why = f"Deployment '{name}' {WORDS[health]}: {_reason(deployment)}."
    if inference_ids:
        why += f" Inference endpoints that need it: {quoted_ids(inference_ids)}."
    stopping = deployment["assignment_state"] == "stopping"
    return Problem("deployment", name, health, why, _STOPPING if stopping else _ADVICE[health])


def _of_endpoint(endpoint: Json) -> Problem:
    name, health = endpoint["inference_id"], endpoint["health"]
    why = f"Inference endpoint '{name}' {WORDS[health]}: {_reason(endpoint)}."
    return Problem("endpoint", name, health, why, _ADVICE[health])


def _reason(item: Json) -> str:
    return str(item["health_reason"]).rstrip(".")


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"health_problems": health_problems}
