# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments before and after a task, as a table for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: changes_table
version_added: 0.1.0
short_description: Show deployments before and after a task as a table
description:
  - Turns the deployments that M(mlops.elasticsearch.trained_model_deployments) returns, in check mode or for real, into
    the lines of a table for a terminal. A list of results of M(mlops.elasticsearch.trained_model_deployment) may stand
    for it.
  - A deployment that changes has a row with its allocations, threads, adaptive allocations, state and nodes, before and
    after. What stays has one value. Where Elasticsearch sets the number of allocations, it is that of the nodes.
  - A question mark stands for what is not known, or in check mode not certain; the reasons follow below the table.
  - Deployments that stay are in one sentence. Those that were skipped or failed have a sentence each.
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
  - plugin: mlops.elasticsearch.predicted_nodes
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Apply the deployments
  mlops.elasticsearch.trained_model_deployments:
    deployments:
      - {model_id: sentiment, number_of_allocations: 4}
      - {model_id: elser-search}
  register: applied

- name: Show them before and after
  ansible.builtin.debug:
    msg: "{{ applied.deployments | mlops.elasticsearch.changes_table }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, and the sentences below it. Without deployments there are no lines.
  type: list
  elements: str
  sample:
    - deployment  change  allocations  threads  adaptive  state and nodes
    - "----------  ------  -----------  -------  --------  -----------------------------"
    - sentiment   update       2 -> 4        1       off  started, ml-1 2, ml-2 0 -> 2
    - "1 unchanged: elser-search."
"""

import textwrap
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.table import WIDTH, Cell, Column, as_table

Json = t.Mapping[str, t.Any]
_UNKNOWN = "?"
_COLUMNS = (
    Column("deployment"),
    Column("change"),
    *(Column(title, numbers=True) for title in ("allocations", "threads", "adaptive")),
    Column("state and nodes"),
)


def changes_table(items: t.Sequence[Json], width: int = WIDTH) -> list[str]:
    """Return the lines about *items* before and after their task, which are no longer than *width*."""
    changed = [item for item in items if item.get("changed")]
    lines = as_table(_COLUMNS, map(_row, changed), width) if changed else []
    for sentence in _sentences(items):
        lines += textwrap.wrap(sentence, width, subsequent_indent="  ", break_on_hyphens=False)
    return lines


def _sentences(items: t.Sequence[Json]) -> t.Iterator[str]:
    """Yield why predictions are not certain, what stays, and why items were skipped or failed."""
    for item in items:
        for reason in (item.get("prediction") or {}).get("reasons") or ():
            yield f"{_id(item)}, not certain: {reason}"
    same = [_id(item) for item in items if not any(map(item.get, ("changed", "failed", "skipped_because")))]
    if same:
        yield f"{len(same)} unchanged: {', '.join(same)}."
    for item in items:
        if item.get("skipped_because"):
            yield f"{_id(item)} skipped: {item['skipped_because']}."
        if item.get("failed"):
            yield f"{_id(item)} failed: {' '.join(item.get('msg', _UNKNOWN).split())}"


def _id(item: Json) -> str:
    """Return the id, which the result of a single deployment has only in its settings."""
    settings = (item.get(name) or {} for name in ("deployment", "before", "after"))
    found = (each["deployment_id"] for each in (item, *settings) if each.get("deployment_id"))
    return str(next(found, _UNKNOWN))


def _row(item: Json) -> list[Cell]:
    before, after = (item.get(name) or {} for name in ("before", "after"))
    stopped, gone = (each.get("state") == "stopped" for each in (before, after))
    return [
        _id(item),
        item["operation"],
        _both(0 if stopped else _number_before(item), 0 if gone else _number_after(item)),
        _both(*_of_running(before, after, lambda each: each.get("threads_per_allocation"))),
        _both(*_of_running(before, after, _adaptive)),
        [_both(before.get("state"), _state(item)), *_nodes(item)],
    ]


def _both(before: object, after: object) -> str:
    """Return a value that stays, or the one before and the one after."""
    old, new = (_UNKNOWN if value is None else str(value) for value in (before, after))
    return new if old == new else f"{old} -> {new}"


def _of_running(before: Json, after: Json, read: t.Callable[[Json], object]) -> tuple[object, object]:
    """Return what *read* says of the settings; that of the other where the deployment does not run."""
    runs = [each for each in (before, after) if each.get("state") != "stopped"] or [before]
    return read(runs[0]), read(runs[-1])


def _adaptive(settings: Json) -> str | None:
    """Return the bounds of adaptive allocations."""
    if not settings:
        return None
    adaptive = settings.get("adaptive_allocations") or {}
    if not adaptive.get("enabled"):
        return "off"
    lowest, highest = (adaptive.get(f"{end}_number_of_allocations") for end in ("min", "max"))
    return f"{lowest or 0}..{'' if highest is None else highest}"


def _number_before(item: Json) -> int | None:
    number = (item.get("before") or {}).get("number_of_allocations")
    routes = item.get("routing_table_before")
    return _sum(routes) if number is None and routes is not None else number


def _number_after(item: Json) -> int | None:
    number: int | None = (item.get("after") or {}).get("number_of_allocations")
    return (item.get("deployment") or {}).get("number_of_allocations") if number is None else number


def _sum(routes: Json) -> int | None:
    known = [number for number in map(_target_or_running, routes.values()) if number is not None]
    return sum(known) if len(known) == len(routes) else None


def _state(item: Json) -> str | None:
    """Return the state of the assignment, which says more than that of the settings."""
    state: str | None = (item.get("deployment") or {}).get("assignment_state")
    return state or (item.get("after") or {}).get("state")


def _nodes(item: Json) -> list[str]:
    """Return the allocations on each node before and after."""
    before, after = (item.get(name) for name in ("routing_table_before", "routing_table"))
    predicted = item.get("routing_source") == "prediction"
    exact = (item.get("prediction") or {}).get("kind") == "exact"
    if before is None or after is None or (predicted and not exact and not after and _number_after(item)):
        return [_UNKNOWN]
    read_after = _target if predicted else _target_or_running
    names = {node_id: route["node_name"] or node_id for node_id, route in {**before, **after}.items()}
    return [
        f"{name} {_both(_target_or_running(before.get(node_id)), read_after(after.get(node_id)))}"
        for node_id, name in names.items()
    ]


def _target(route: Json | None) -> int | None:
    """Return the target allocations on a node; without a route none."""
    return route["target_allocations"] if route else 0


def _target_or_running(route: Json | None) -> int | None:
    """Return the target allocations on a node; where they cannot be read, those that run."""
    target = _target(route)
    return route["current_allocations"] if route and target is None else target


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"changes_table": changes_table}
