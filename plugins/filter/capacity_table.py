# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room on each node as a table for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: capacity_table
version_added: 0.1.0
short_description: Show the room on each ML node as a table
description:
  - Turns the nodes that M(mlops.elasticsearch.ml_capacity_info) returns into the lines of a table for a terminal.
  - Sizes are cut to one decimal. A question mark stands for what could not be read.
options:
  _input:
    description: RV(mlops.elasticsearch.ml_capacity_info#module:nodes).
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
  - module: mlops.elasticsearch.ml_capacity_info
"""

EXAMPLES = r"""
# A task for a play whose module_defaults have the connection.
- name: Read the room on the nodes
  mlops.elasticsearch.ml_capacity_info:
  register: capacity

- name: Show it
  ansible.builtin.debug:
    msg: "{{ capacity.nodes | mlops.elasticsearch.capacity_table }}"
"""

RETURN = r"""
_value:
  description: The lines of the table. It has a column for the zone if a node has one.
  type: list
  elements: str
  sample:
    - node  processors        memory  deployments
    - "       used/free     used/free  current/target"
    - "----  ----------  ------------  --------------------------------"
    - ml-1         6/2  3.1gb/12.8gb  elser-search 1/1, sentiment 4/4
    - ml-2         0/8     0b/15.9gb
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.sizes import human_size
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.table import WIDTH, Cell, Column, as_table

Json = t.Mapping[str, t.Any]
_UNKNOWN = "?"
_NODE = Column("node")
_ZONE = Column("zone")
_REST = (
    Column("processors\nused/free", numbers=True),
    Column("memory\nused/free", numbers=True),
    Column("deployments\ncurrent/target"),
)


def capacity_table(nodes: t.Sequence[Json], width: int = WIDTH) -> list[str]:
    """Return the lines of a table of *nodes*, which are no longer than *width*."""
    zones = any(node["zone"] for node in nodes)
    columns = (_NODE, *((_ZONE,) if zones else ()), *_REST)
    return as_table(columns, [_row(node, zones=zones) for node in nodes], width)


def _row(node: Json, *, zones: bool) -> list[Cell]:
    name = node["node_name"] or node["node_id"]
    processors, memory = node["processors"], node["memory"]
    known = memory["free"] is not None
    used = human_size(memory["total"] - memory["free"]) if known else _UNKNOWN
    return [
        f"{name} (shutting down)" if node["shutting_down"] else name,
        *([", ".join(node["zone"] or ())] if zones else ()),
        "/".join(_UNKNOWN if processors[name] is None else str(processors[name]) for name in ("used", "free")),
        f"{used}/{human_size(memory['free']) if known else _UNKNOWN}",
        [_deployment(each) for each in node["deployments"]],
    ]


def _deployment(each: Json) -> str:
    numbers = (_UNKNOWN if each[name] is None else each[name] for name in ("current_allocations", "target_allocations"))
    return f"{each['deployment_id']} {'/'.join(map(str, numbers))}"


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"capacity_table": capacity_table}
