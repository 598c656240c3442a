# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test whether a whole list fits, against what the emulated cluster then does with it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
MODELS = (("m", 100 << 20), ("other", 400 << 20))


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    with Emulator("9.1.0", ("n1=4,4gb,a", "n2=4,3gb,b"), MODELS) as emulator:
        emulator.run(model_id="other", number_of_allocations=2)
        emulator.forget()
        yield emulator


def item(model_id: str, number: int, **changes: t.Any) -> Json:
    return {"model_id": model_id, "number_of_allocations": number, **changes}


def targets(table: Json) -> dict[str, int]:
    return {node: route["target_allocations"] for node, route in table.items()}


def test_a_list_that_fits(cluster: Emulator) -> None:
    desired = [item("m", 4), item("other", 3), item("m", 1, deployment_id="search")]
    plan = cluster.capacity(deployments=desired)["plan"]
    assert cluster.journal() == []
    assert (plan["fits"], plan["kind"], plan["reasons"]) == (True, "exact", [])
    assert [
        (each["deployment_id"], each["wanted"], each["placed"], each["missing"]) for each in plan["deployments"]
    ] == [
        ("m", 4, 4, 0),
        ("other", 3, 3, 0),
        ("search", 1, 1, 0),
    ]
    assert not cluster.run_many(desired).get("failed")
    real = cluster.deployments()
    for each in plan["deployments"]:
        assert targets(each["routing_table"]) == targets(real[each["deployment_id"]]["routing_table"])


def test_a_list_that_is_already_there_fits(cluster: Emulator) -> None:
    plan = cluster.capacity(deployments=[item("other", 2)])["plan"]
    assert (plan["fits"], plan["kind"]) == (True, "exact")
    assert cluster.capacity(deployments=[])["plan"] == {"fits": True, "kind": "exact", "deployments": [], "reasons": []}


def test_a_list_that_does_not_fit(cluster: Emulator) -> None:
    result = cluster.capacity(deployments=[item("m", 4), item("m", 9, deployment_id="search")])
    plan = result["plan"]
    assert plan["fits"] is False
    assert "deployment 'search'" in plan["reasons"][0]
    assert "processors free" in plan["reasons"][0]
    assert result["warnings"] == []
    assert result["failure"] is None


@pytest.mark.parametrize("preflight", ["fail", "off"])
def test_the_item_decides_nothing_about_that(cluster: Emulator, preflight: str) -> None:
    plan = cluster.capacity(deployments=[item("m", 90, preflight=preflight)])["plan"]
    assert plan["fits"] is False


def test_where_not_all_can_be_read_it_is_not_certain(cluster: Emulator) -> None:
    cluster.allow("monitor_ml")
    plan = cluster.capacity(deployments=[item("m", 1)])["plan"]
    assert plan["fits"] is None
    assert plan["kind"] != "exact"
    assert cluster.capacity(deployments=[item("m", 90)])["plan"]["fits"] is not True


def test_a_wrong_list_fails_with_what_was_read(cluster: Emulator) -> None:
    result = cluster.capacity(deployments=[item("nope", 1), item("other", 3)])
    assert result["failure"] == {"code": "deployments_failed"}
    assert result["msg"].startswith("The list in deployments cannot be planned. ")
    assert "the cluster has no trained model 'nope'" in result["msg"]
    assert "changed" not in result["msg"]
    assert (len(result["nodes"]), result["plan"]) == (2, None)


def test_a_list_that_is_refused_as_a_whole(cluster: Emulator) -> None:
    result = cluster.capacity(deployments=[item("m", 1), item("m", 2)])
    assert result["msg"].startswith("The list in deployments cannot be planned. Deployment 'm' is listed 2 times")


def test_a_list_that_waits_until_the_cluster_grows(cluster: Emulator) -> None:
    cluster.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    plan = cluster.capacity(deployments=[item("m", 4), item("m", 9, deployment_id="search")])["plan"]
    assert plan["fits"] is False
    assert "of the 9 allocations of deployment 'search'" in plan["reasons"][0]
