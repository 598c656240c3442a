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
  - A question mark stands for what is not known or not certain.
options:
  _input:
    description: RV(mlops.elasticsearch.trained_model_deployments#module:deployments).
    type: list
    elements: dict
    required: true
  today:
    description: RV(mlops.elasticsearch.trained_model_deployment_info#module:deployments).
    type: list
    elements: dict
    required: true
  width:
    description: Columns that a line may have. The default fits into a terminal of 100 if Ansible prints the list.
    type: int
    default: 88
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployments
  - module: mlops.elasticsearch.trained_model_deployment_info
"""

EXAMPLES = r"""
- name: Plan the changes
  mlops.elasticsearch.trained_model_deployments:
    deployments:
      - {model_id: sentiment, number_of_allocations: 4}
  check_mode: true
  register: planned

- name: Read what runs
  mlops.elasticsearch.trained_model_deployment_info:
  register: running

- name: Show both
  ansible.builtin.debug:
    msg: "{{ planned.deployments | mlops.elasticsearch.predicted_nodes(running.deployments) }}"
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


def predicted_nodes(items: t.Sequence[Json], today: t.Sequence[Json], width: int = WIDTH) -> list[str]:
    """Return the lines of a table of the *items* that would change, which are no longer than *width*."""
    running = {each["deployment_id"]: each["routing_table"] or {} for each in today}
    changed = [item for item in items if item.get("changed")]
    return as_table(_COLUMNS, [_row(item, running.get(item["deployment_id"], {})) for item in changed], width)


def _row(item: Json, now: Json) -> list[Cell]:
    kind = (item.get("prediction") or {}).get("kind")
    return [
        item["deployment_id"],
        item["operation"],
        _nodes(now) or "none",
        _nodes(item["routing_table"]) or ("none" if kind == "exact" else "?"),
        kind or "?",
    ]


def _nodes(table: Json) -> list[str]:
    """Return each node with its target allocations; without them with what runs now."""
    return [f"{route['node_name'] or node_id} {_number(route)}" for node_id, route in table.items()]


def _number(route: Json) -> str:
    target = route["target_allocations"]
    return "?" if target is None else str(target)


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"predicted_nodes": predicted_nodes}
