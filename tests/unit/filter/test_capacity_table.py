# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the filter that shows the room on each node."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.filter.capacity_table import FilterModule

Json = dict[str, t.Any]
GIB = 1 << 30
capacity_table = FilterModule().filters()["capacity_table"]


def node(name: str, **changes: t.Any) -> Json:
    return {
        "node_id": f"id-{name}",
        "node_name": name,
        "zone": [],
        "shutting_down": False,
        "processors": {"total": 8, "used": 6, "free": 2},
        "memory": {"total": 16 * GIB, "free": 12 * GIB},
        "deployments": [
            {"deployment_id": "sentiment", "current_allocations": 1, "target_allocations": 4},
            {"deployment_id": "search", "current_allocations": 2, "target_allocations": 2},
        ],
        **changes,
    }


def test_nodes() -> None:
    assert capacity_table([node("ml-1"), node("ml-2", deployments=[])]) == [
        "node  processors     memory  deployments",
        "       used/free  used/free  current/target",
        "----  ----------  ---------  -------------------------",
        "ml-1         6/2   4gb/12gb  sentiment 1/4, search 2/2",
        "ml-2         6/2   4gb/12gb",
    ]


def test_zones_are_shown_where_there_are_any() -> None:
    lines = capacity_table([node("ml-1", zone=["eu", "a"], deployments=[]), node("ml-2", zone=None, deployments=[])])
    assert lines[0].split() == ["node", "zone", "processors", "memory", "deployments"]
    assert lines[3].split() == ["ml-1", "eu,", "a", "6/2", "4gb/12gb"]
    assert lines[4].split() == ["ml-2", "6/2", "4gb/12gb"]


def test_what_is_not_known_is_no_number() -> None:
    deployments = [{"deployment_id": "sentiment", "current_allocations": 2, "target_allocations": None}]
    unread = node("ml-1", node_name=None, memory={"total": None, "free": None}, deployments=deployments)
    assert capacity_table([unread])[3].split() == ["id-ml-1", "6/2", "?/?", "sentiment", "2/?"]


def test_a_node_that_shuts_down_is_marked() -> None:
    assert capacity_table([node("ml-1", shutting_down=True)])[3].startswith("ml-1 (shutting down)  ")


def test_lines_are_no_longer_than_they_may_be() -> None:
    wide = node("ml-1", deployments=node("x")["deployments"] * 9)
    for width in (60, 88, 120):
        assert max(map(len, capacity_table([wide], width))) <= width
