# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test placement by the worked examples of planner.md, and its reasons (server-behaviour.md 5.3)."""

from __future__ import annotations

import functools
import re

import pytest

from emulator.state.nodes import OVERHEAD
from emulator_tests.api import Api
from emulator_tests.recordings import Row, every_row
from emulator_tests.replay import replay
from support.documents import ROOT

PAGE = (ROOT / "docs/development/planner.md").read_text(encoding="utf-8")
WORKED = re.findall(r"^\| ([a-z-]+-\d+) \|", PAGE[PAGE.index("## 11 ") : PAGE.index("## 12 ")], re.MULTILINE)


@functools.cache
def recorded() -> dict[str, list[tuple[Row, str]]]:
    """Return the recorded cases, each with the versions that plan it."""
    found: dict[str, list[tuple[Row, str]]] = {}
    for row, version in every_row():
        if row.data.get("id") in WORKED:
            found.setdefault(row.data["id"], []).append((row, version))
    return found


@pytest.mark.parametrize("case_id", WORKED)
def test_worked_example(case_id: str) -> None:
    """Test planner.md 1.1, 1.2, 2, 3, 4, 5.1, 5.2, 5.3, 5.4, 6, 7, 8, 9, 10 and 11, server-behaviour.md 4.4 and 5.2.

    These are answers of the planner's own classes. All other recorded plans are replayed by test_recorded_rows.
    """
    for row, version in recorded()[case_id]:
        expected, played = replay(row, version)
        assert played == expected, version


def test_worked_examples_are_of_every_kind() -> None:
    kinds = {row.data["kind"] for case_id in WORKED for row, _version in recorded()[case_id]}
    assert kinds == {"planner", "zones", "rebalance", "reduce"}


# --- reasons, through the API ---


def test_no_nodes() -> None:
    """Test server-behaviour.md 5.3."""
    api = Api(nodes={})
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=1)
    answer = api.start(wait_for="started")
    assert answer.status == 200
    assert answer.assignment["reason"] == "No ML nodes exist in the cluster"
    assert answer.assignment["routing_table"] == {}
    assert answer.assignment["assignment_state"] == "starting"


def test_processors_explain_themselves() -> None:
    """Test server-behaviour.md 5.3."""
    api = Api(nodes={"n1": 1, "n2": 2})
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=3)
    answer = api.start(number_of_allocations=4)
    text = (
        "Could not assign (more) allocations on node [{}]. Reason: This node has insufficient allocated processors. "
        "Available processors [{}], free processors [0], processors required for each allocation of this model [1]"
    )
    assert answer.assignment["reason"] == f"{text.format('n1', 1)}|{text.format('n2', 2)}"


def test_memory_explains_itself() -> None:
    """Test server-behaviour.md 5.3."""
    api = Api(nodes={}, models=(("m", 1 << 30),))
    api.effect("add_node", node_id="n1", processors=4, memory=1 << 30)
    api.effect("set_setting", name="xpack.ml.max_ml_node_size", value="64gb")
    answer = api.start()
    # Nothing runs there, so what the node keeps for itself is shown with both figures.
    needed = (240 << 20) + (2 << 30) + OVERHEAD
    assert answer.assignment["reason"] == (
        "Could not assign (more) allocations on node [n1]. Reason: This node has insufficient available memory. "
        f"Available memory for ML [{1 << 30} (1gb)], free memory [{1 << 30} (1gb)], "
        f"estimated memory required for this model [{needed} (2.2gb)]."
    )


def test_low_priority_needs_memory_only_and_comes_last() -> None:
    """Test server-behaviour.md 5.2."""
    api = Api(nodes={"n1": 1})
    api.started("normal", 1)
    low = api.started("low", 1, model_id="other", priority="low")
    assert low["routing_table"]["n1"]["target_allocations"] == 1
    assert api.targets("normal") == {"n1": 1}


def test_memory_by_allocation_is_charged_where_the_allocations_are() -> None:
    """Test server-behaviour.md 5.1."""
    api = Api(nodes={"n1": 2, "n2": 2})
    emulator = api.emulator
    for node in emulator.cluster.nodes.values():
        assert node.memory == 16 << 30
    model = emulator.cluster.models["m"]
    model.config = {"metadata": {"per_deployment_memory_bytes": 1 << 30, "per_allocation_memory_bytes": 6 << 30}}
    # Two allocations take 13 GB on one node; three would not fit on any.
    assert api.started("m", 4)["task_parameters"]["per_allocation_memory_bytes"] == 6 << 30
    assert api.targets() == {"n1": 2, "n2": 2}
