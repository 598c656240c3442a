# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health of deployments and inference endpoints as a table for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: health_table
version_added: 0.1.0
short_description: Show the health of deployments and inference endpoints as a table
description:
  - Turns what M(mlops.elasticsearch.trained_model_deployment_info) and M(mlops.elasticsearch.inference_endpoint_info)
    return into the lines of a table for a terminal, the worst first, and sentences that say what is wrong and what to
    do.
  - An endpoint stands in the row of its deployment. One whose deployment is gone has a row of its own. Those of
    services outside of the cluster, and those that have not been used yet, are only counted.
  - A question mark stands for what is not known.
options:
  _input:
    description:
      - RV(mlops.elasticsearch.trained_model_deployment_info#module:deployments), read with V(usage) in
        O(mlops.elasticsearch.trained_model_deployment_info#module:gather).
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
  only_problems:
    description: Whether to leave out what is well.
    type: bool
    default: false
  width:
    description: Columns that a line may have. The default leaves room for what Ansible puts around it, in a terminal of
      100 columns.
    type: int
    default: 88
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - plugin: mlops.elasticsearch.health_problems
    plugin_type: filter
  - ref: ansible_collections.mlops.elasticsearch.docsite.rescue
    description: The playbook that shows this table.
"""

EXAMPLES = r"""
# Tasks for a play whose module_defaults have the connection.
- name: Read the deployments
  mlops.elasticsearch.trained_model_deployment_info:
    gather: [usage]
  register: found

- name: Read the endpoints
  mlops.elasticsearch.inference_endpoint_info:
  register: all_endpoints

- name: Show their health
  ansible.builtin.debug:
    msg: "{{ found.deployments | mlops.elasticsearch.health_table(all_endpoints.inference_endpoints) }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, and the sentences below it.
  type: list
  elements: str
  sample:
    - deployment  health   running  nodes       requests  rejected  endpoints
    - "(model)             /desired              last min   /failed"
    - "----------  ------  --------  ----------  --------  --------  ---------"
    - search      failed       0/2  ml-1, ml-2         0       3/1  search
    - "(elser)"
    - ""
    - "Deployment 'search' has failed: 0 of 2 allocations run; node ml-1 failed (out of memory)."
    - "  Read the reasons. The playbook rescue starts it again."
"""

import collections
import textwrap
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.filter.health_problems import (
    health_problems,
    is_well,
    on_their_own,
    rank,
    users,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.table import Cell, Column, as_table

Json = t.Mapping[str, t.Any]
WIDTH = 88
_UNKNOWN = "?"
_COUNTED = {
    "unknown": "of services outside of the cluster, of which Elasticsearch shows nothing",
    "idle": "that have not been used yet",
}
_COLUMNS = (
    Column("deployment\n(model)"),
    Column("health"),
    Column("running\n/desired", numbers=True),
    Column("nodes"),
    Column("requests\nlast min", numbers=True),
    Column("rejected\n/failed", numbers=True),
    Column("endpoints"),
)


def health_table(
    deployments: t.Sequence[Json],
    endpoints: t.Sequence[Json] | None = None,
    only_problems: bool = False,
    width: int = WIDTH,
) -> list[str]:
    """Return the lines about the health of *deployments* and *endpoints*, which are no longer than *width*."""
    shown = {each["deployment_id"] for each in deployments}
    alone = on_their_own(shown, endpoints)
    judged = [each for each in (*deployments, *alone) if each["health"] not in _COUNTED]
    chosen = [each for each in judged if not (only_problems and is_well(each))]
    chosen.sort(key=lambda each: (is_well(each), rank(each["health"]), _name(each)))
    rows = [_endpoint(each) if "inference_id" in each else _deployment(each, endpoints) for each in chosen]
    table = as_table(_COLUMNS, rows, width) if rows else []
    sentences = [*_problems(deployments, endpoints, width), *_counted(alone, width)]
    return [*table, *([""] if table and sentences else ()), *sentences]


def _name(item: Json) -> str:
    return str(item.get("deployment_id") or item["inference_id"])


def _deployment(item: Json, endpoints: t.Sequence[Json] | None) -> list[Cell]:
    name, model, usage = item["deployment_id"], item["model_id"], item["usage"] or {}
    counts = item["allocations"]
    return [
        [name] if model == name else [f"{name} ({model})"],
        "being stopped" if item["assignment_state"] == "stopping" else item["health"],
        f"{_number(counts['running'])}/{_number(counts['wanted'])}",
        [route["node_name"] or node_id for node_id, route in (item["routing_table"] or {}).items()],
        _number(usage.get("requests_last_minute")),
        f"{_number(usage.get('rejected_execution_count'))}/{_failed(usage)}",
        users(name, endpoints),
    ]


def _endpoint(item: Json) -> list[Cell]:
    deployment = item["deployment"]
    return [deployment["deployment_id"] if deployment else "none", item["health"], "", "", "", "", item["inference_id"]]


def _failed(usage: Json) -> str:
    """Return the number of inferences that failed, or had no answer in time."""
    counts = [usage[name] for name in ("error_count", "timeout_count") if name in usage]
    return str(sum(counts)) if counts else _UNKNOWN


def _number(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)


def _problems(deployments: t.Sequence[Json], endpoints: t.Sequence[Json] | None, width: int) -> list[str]:
    """Return what is wrong, and below it what to do."""
    found = []
    for each in health_problems(deployments, endpoints):
        found += [*textwrap.wrap(each["why"], width), *_below(each["what_to_do"], width)]
    return found


def _below(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ")


def _counted(endpoints: t.Sequence[Json], width: int) -> list[str]:
    """Return a sentence for each kind of endpoints that have no row."""
    numbers = collections.Counter(each["health"] for each in endpoints)
    return [
        line
        for health, which in _COUNTED.items()
        if numbers[health]
        for line in textwrap.wrap(f"Not shown: {numbers[health]} inference endpoint(s) {which}.", width)
    ]


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"health_table": health_table}
