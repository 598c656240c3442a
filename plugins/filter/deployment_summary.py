# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines for people about what a task did to a deployment."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deployment_summary
version_added: 0.1.0
short_description: Say in a few lines what a task did to a deployment
description:
  - Turns the result of M(mlops.elasticsearch.trained_model_deployment), in check mode or for real, into lines for the
    log of a job, which a person reads in ten seconds.
  - The lines say what was done, why not if it failed or was skipped, each setting that differs, each request, and what
    each node has or would have of the deployment.
options:
  _input:
    description: The registered result. That of M(mlops.elasticsearch.survey_answers) may stand for it if that failed.
    type: dict
    required: true
  deployment_id:
    description: Id of the deployment, for the first line. Null if the variables were refused.
    type: str
    required: true
  dry_run:
    description: Whether nothing was sent.
    type: bool
    default: false
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - plugin: mlops.elasticsearch.changes_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Scale
  mlops.elasticsearch.trained_model_deployment:
    model_id: sentiment
    number_of_allocations: 4
  register: scaled

- name: Show what was done
  ansible.builtin.debug:
    msg: "{{ scaled | mlops.elasticsearch.deployment_summary('sentiment', dry_run=ansible_check_mode) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample:
    - "Deployment sentiment: update"
    - "Number of allocations: 2 -> 4"
    - 'Request: POST /_ml/trained_models/sentiment/deployment/_update {"number_of_allocations": 4}'
    - "Node ml-1: started, allocations: 4"
    - "Running: 4 of 4"
"""

import json
import typing as t
from collections.abc import Iterator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import request_line

Json = t.Mapping[str, t.Any]
_UNKNOWN = "not certain"


def deployment_summary(result: Json, deployment_id: str | None, dry_run: bool = False) -> list[str]:
    """Return the lines about the *result* of a task on one deployment."""
    return [_first(result, deployment_id, dry_run), *_why(result), *_changes(result), *_nodes(result, dry_run)]


def _first(result: Json, deployment_id: str | None, dry_run: bool) -> str:
    operation = result.get("operation") or "none"
    outcome = "failed" if result.get("failed") else "unchanged" if operation == "none" else operation
    subject = f"Deployment {deployment_id}" if deployment_id else "No deployment"
    return f"{subject}: {outcome}{' (dry run, nothing was sent)' if dry_run else ''}"


def _why(result: Json) -> Iterator[str]:
    if result.get("failed"):
        yield str(result.get("msg") or "")
    if result.get("skipped_because"):
        yield f"Skipped because {result['skipped_because']}"


def _changes(result: Json) -> Iterator[str]:
    diff = result.get("diff") or {}
    before, after = (diff.get(side) or {} for side in ("before", "after"))
    for name in sorted({*before, *after}):
        label = name.replace("_", " ").capitalize()
        yield f"{label}: {_shown(before.get(name))} -> {_shown(after.get(name))}"
    for call in result.get("api_calls") or ():
        yield f"Request: {request_line(call)}"


def _nodes(result: Json, dry_run: bool) -> Iterator[str]:
    before = result.get("routing_table_before") or {}
    for node_id, route in sorted((result.get("routing_table") or {}).items()):
        name = f"Node {route['node_name'] or node_id}:"
        if result.get("prediction"):
            today = before.get(node_id, {}).get("current_allocations") or 0
            planned = route["target_allocations"]
            yield f"{name} allocations: {today} -> {_UNKNOWN if planned is None else planned}"
        else:
            yield f"{name} {route['routing_state']}, allocations: {route['current_allocations']}"
    allocations = result.get("allocations")
    if allocations and not dry_run:
        yield f"Running: {allocations['running']} of {allocations['wanted']}"


def _shown(value: t.Any) -> str:
    """Return a value as JSON, a text as it is."""
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value)


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"deployment_summary": deployment_summary}
