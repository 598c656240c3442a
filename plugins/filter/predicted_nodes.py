# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes that check mode predicts, beside those of today, as a table for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: predicted_nodes
version_added: 0.1.0
short_description: Show the nodes that check mode predicts as a table
description:
  - Turns the deployments that M(mlops.elasticsearch.trained_model_deployments) returns in check mode into the lines of
    a table for a terminal, with the target allocations of each node today and after the change.
  - Where today's targets cannot be read, the allocations that run stand there. A question mark stands for what is not
    known or not certain.
options:
  _input:
    description: RV(mlops.elasticsearch.trained_model_deployments#module:deployments).
    type: list
    elements: dict
    required: true
  width:
    description: Columns that a line may have. Ansible breaks longer ones where it prints results as YAML.
    type: int
    default: 76
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployments
"""

EXAMPLES = r"""
- name: Plan the changes
  mlops.elasticsearch.trained_model_deployments:
    deployments:
      - {model_id: sentiment, number_of_allocations: 4}
  check_mode: true
  register: planned

- name: Show the nodes of today and those after the change
  ansible.builtin.debug:
    msg: "{{ planned.deployments | mlops.elasticsearch.predicted_nodes }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, with a row for each deployment that would change.
  type: list
  elements: str
  sample:
    - deployment  change  nodes today  nodes after it  certain
    - "----------  ------  -----------  --------------  -------"
    - sentiment   update  ml-1 2       ml-1 2, ml-2 2  exact
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.table import WIDTH, Cell, Column, as_table

Json = t.Mapping[str, t.Any]
_COLUMNS = tuple(map(Column, ("deployment", "change", "nodes today", "nodes after it", "certain")))


def predicted_nodes(items: t.Sequence[Json], width: int = WIDTH) -> list[str]:
    """Return the lines of a table of the *items* that would change, which are no longer than *width*."""
    return as_table(_COLUMNS, [_row(item) for item in items if item.get("changed")], width)


def _row(item: Json) -> list[Cell]:
    kind = (item.get("prediction") or {}).get("kind")
    today, after = item["routing_table_before"], item["routing_table"]
    return [
        item["deployment_id"],
        item["operation"],
        [_node(node_id, route, _today(route)) for node_id, route in today.items()] or "none",
        [_node(node_id, route, route["target_allocations"]) for node_id, route in after.items()]
        or ("none" if kind == "exact" else "?"),
        kind or "?",
    ]


def _today(route: Json) -> int | None:
    """Return the target allocations; where they cannot be read, those that run."""
    number: int | None = route["target_allocations"]
    return route["current_allocations"] if number is None else number


def _node(node_id: str, route: Json, number: int | None) -> str:
    return f"{route['node_name'] or node_id} {'?' if number is None else number}"


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"predicted_nodes": predicted_nodes}
