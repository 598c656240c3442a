# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what a plan reckons with, and its reasons (server-behaviour.md 5).

The worked examples are in test_planner_examples.
"""

from __future__ import annotations

from typing import Any

import pytest

from emulator.planner.records import Plan
from emulator.state import planning
from emulator.state.rebalance import explain
from emulator_tests.api import Api

MB = 1 << 20
LAZY = "xpack.ml.max_lazy_ml_nodes"


def alone(version: str = "9.5.3", model: str = "m", size: int = 100 * MB, memory: int = 0, cores: int = 4) -> Api:
    """Return one node of so much memory, with one model of that size, and room to grow."""
    api = Api(version, nodes={}, models=((model, size),))
    api.effect("add_node", node_id="n1", processors=cores, memory=memory)
    api.effect("set_setting", name=LAZY, value=9)
    return api


# --- what goes in ---


@pytest.mark.parametrize(
    ("processors", "scale", "cores"), [(4, None, 4), (3.5, None, 4), (4, 2, 2), (5, 2, 3), (0.5, None, 1), (0, None, 0)]
)
def test_cores(processors: float, scale: int | None, cores: int) -> None:
    """Test server-behaviour.md 5.1: processors by scale, rounded up."""
    api = Api(nodes={})
    api.effect("set_setting", name="xpack.ml.allocated_processors_scale", value=scale)
    api.effect("set_setting", name=LAZY, value=9)
    api.effect("add_node", node_id="n1", processors=processors)
    api.start(number_of_allocations=10)
    assert sum(api.targets().values()) == cores


@pytest.mark.parametrize(
    ("version", "model", "settings", "needed"),
    [
        ("9.5.3", "m", {}, 440),
        ("9.5.3", "m", {"cache_size": "150mb"}, 440),
        ("8.16.0", "m", {"cache_size": "150mb"}, 440),
        ("8.11.4", "m", {"cache_size": "150mb"}, 490),
        ("8.10.4", "m", {"cache_size": "50mb"}, 440),
        ("9.5.3", ".elser_model_2", {}, 2004),
        ("8.19.1", ".elser_model_1", {}, 2004),
        ("8.19.0", ".elser_model_2", {}, 440),
        ("8.16.0", ".elser_model_2", {}, 440),
        ("8.11.4", ".elser_model_2", {}, 2004),
        ("8.10.4", ".elser_model_2", {}, 440),
        ("8.10.4", ".elser_model_1", {}, 2004),
    ],
)
def test_memory_of_a_deployment(version: str, model: str, settings: dict[str, Any], needed: int) -> None:
    """Test server-behaviour.md 5.1 and around-deployments.md 6.2: 240 MB and twice the model; ELSER by itself.

    A larger cache counts up to 8.11; in between ELSER was looked for in the deployment's id. 30 MB are the node's own.
    """
    low = alone(version, model, memory=(needed + 29) * MB)
    low.start(model, deployment_id="d", **settings)
    assert low.targets("d") == {}
    enough = alone(version, model, memory=(needed + 30) * MB)
    enough.start(model, deployment_id="d", **settings)
    assert enough.targets("d") == {"n1": 1}


@pytest.mark.parametrize("version", ["8.19.0", "9.5.3"])
def test_memory_of_elser_under_its_own_name(version: str) -> None:
    """Test around-deployments.md 6.2: in every version."""
    api = alone(version, ".elser_model_2", memory=(2004 + 29) * MB)
    api.start(".elser_model_2")
    assert api.targets(".elser_model_2") == {}


@pytest.mark.parametrize(
    ("figures", "number", "fit"),
    [
        ({"per_deployment_memory_bytes": 500 * MB, "per_allocation_memory_bytes": 300 * MB}, 2, 2),
        ({"per_deployment_memory_bytes": 501 * MB, "per_allocation_memory_bytes": 600 * MB}, 1, 0),
        ({"per_deployment_memory_bytes": 1101 * MB}, 4, 0),
        ({"per_deployment_memory_bytes": 1100 * MB}, 4, 4),
        ({"per_deployment_memory_bytes": 10 * MB, "per_allocation_memory_bytes": MB}, 4, 4),
    ],
)
def test_memory_by_allocation(figures: dict[str, int], number: int, fit: int) -> None:
    """Test server-behaviour.md 5.1: the larger of the two estimates, if the model has either figure."""
    api = alone(memory=(500 + 2 * 300 + 100 + 30) * MB)
    api.emulator.cluster.models["m"].config = {"metadata": figures}
    api.start(number_of_allocations=number)
    assert sum(api.targets().values()) == fit


def test_memory_is_charged_once_by_node() -> None:
    """Test server-behaviour.md 5.1: allocations on a node share the model."""
    api = alone(memory=470 * MB)
    api.start(number_of_allocations=4)
    assert api.targets() == {"n1": 4}


@pytest.mark.parametrize(("version", "needed"), [("8.16.0", 0), ("8.15.3", 440 * MB)])
def test_zero_allocations_need_nothing(version: str, needed: int) -> None:
    """Test server-behaviour.md 5.1: from 8.16.0; before, the estimate was that of one that runs."""
    api = alone(version, memory=16000 * MB)
    api.started()
    each = api.emulator.cluster.assignments["m"]
    each.params.number_of_allocations = 0
    assert planning.estimate(each) == needed


def test_processors_are_not_over_subscribed() -> None:
    """Test server-behaviour.md 5.1: threads times allocations."""
    api = alone(memory=16000 * MB, cores=7)
    api.start(number_of_allocations=9, threads_per_allocation=2)
    assert api.targets() == {"n1": 3}


def test_what_stops_holds_its_room() -> None:
    """Test server-behaviour.md 5.2: until its routes are gone."""
    api = Api()
    api.started("a", 4)
    api.effect("stop_deployment", deployment_id="a")
    api.start("other", number_of_allocations=4)
    assert (api.targets("a"), api.targets("other")) == ({"n1": 4}, {"n2": 4})


# --- order ---


def test_low_priority_comes_after_normal() -> None:
    """Test server-behaviour.md 5.2.

    It gets what memory is left, no matter the processors, and never blocks the others.
    """
    api = alone(memory=(440 + 30 + 300) * MB, cores=1)
    api.started("low", 1, priority="low")
    assert api.targets("low") == {"n1": 1}
    api.start("m", deployment_id="normal")
    assert (api.targets("normal"), api.targets("low")) == ({"n1": 1}, {})
    api.effect("add_node", node_id="n2", processors=1, memory=1000 * MB)
    assert api.targets("low") == {"n2": 1}


# --- placement ---


def test_packed_not_spread() -> None:
    """Test server-behaviour.md 5.2: the first node is filled before the next; a second deployment joins the first."""
    api = Api(nodes={"n2": 4, "n1": 4})
    api.started("a", 2)
    api.started("b", 2, model_id="other")
    assert (api.targets("a"), api.targets("b")) == ({"n1": 2}, {"n1": 2})


@pytest.mark.parametrize(("threads", "size"), [(8, 1000), (1, 17 << 30)])
def test_what_fits_nowhere_is_left_out(threads: int, size: int) -> None:
    """Test server-behaviour.md 5.2: others are placed as if it were not there."""
    api = Api(models=(("m", size), ("other", 1000)))
    api.effect("set_setting", name=LAZY, value=9)
    api.start(threads_per_allocation=threads)
    api.started("b", 8, model_id="other")
    assert (api.targets("m"), api.targets("b")) == ({}, {"n1": 4, "n2": 4})


# --- reasons ---


def test_no_reason_when_all_is_placed() -> None:
    """Test server-behaviour.md 5.3."""
    assert "reason" not in Api().start(number_of_allocations=8).assignment


def test_nodes_with_something_left_say_nothing() -> None:
    """Test server-behaviour.md 5.3.

    Too few processors for one more allocation is an explanation, room for one is none.
    """
    api = Api(nodes={"n1": 3, "n2": 4})
    api.effect("set_setting", name=LAZY, value=9)
    reason = api.start(number_of_allocations=4, threads_per_allocation=2).assignment["reason"]
    assert [part.split("[", 1)[1][:2] for part in reason.split("|")] == ["n1", "n2"]
    cluster = api.emulator.cluster
    room = {"n1": cluster.nodes["n1"].available(), "n2": 0}
    planned = Plan({"m": {}}, room, {"n1": 3, "n2": 4})
    reason = explain(cluster, cluster.assignments["m"], planned)
    assert reason is not None
    assert "[n1]" not in reason
    assert "insufficient available memory" in reason
    ample = Plan({"m": {}}, dict.fromkeys(room, 1 << 40), {"n1": 2, "n2": 2})
    assert explain(cluster, cluster.assignments["m"], ample) is None


@pytest.mark.parametrize(
    ("version", "named", "with_overhead"),
    [("8.11.4", 440, True), ("8.16.0", 100, False), ("9.1.10", 100, False), ("9.2.0", 440, True)],
)
def test_need_that_a_reason_names(version: str, named: int, with_overhead: bool) -> None:
    """Test server-behaviour.md 5.3: of 8.16 to 9.1 the model's size, which is also what is compared."""
    api = alone(version, memory=130 * MB)
    api.effect("set_node", node_id="n1", jobs_memory=50 * MB)
    reason = api.start().assignment["reason"]
    assert f"free memory [{50 * MB} (50mb)], estimated memory required for this model [{named * MB} (" in reason
    api = alone(version, memory=200 * MB)
    assert ("reason" in api.start().assignment) is with_overhead
