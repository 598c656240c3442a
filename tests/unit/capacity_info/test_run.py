# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what the module reads, says and does not guess, on an emulated cluster."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
GIB, MIB = 1 << 30, 1 << 20
NODES = ("n1=4,4gb,a", "n2=4,3gb,b", "n3=2,2gb,c")
MODELS = (("m", 100 * MIB), ("other", 400 * MIB), (".elser_model_2", 418 * MIB))
KEYS = ["changed", "failure", "fit", "may_grow", "missing", "nodes", "plan", "server", "warnings"]


def start(emulator: Emulator, model_id: str, **query: t.Any) -> int:
    options = "&".join(f"{name}={value}" for name, value in {"wait_for": "starting", **query}.items())
    status = emulator.api("POST", f"/_ml/trained_models/{model_id}/deployment/_start?{options}")
    emulator.settle()
    return status


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    with Emulator("9.1.5", NODES, MODELS) as emulator:
        start(emulator, "other", number_of_allocations=3)
        emulator.forget()
        yield emulator


def fit(emulator: Emulator, **request: t.Any) -> Json:
    return t.cast("Json", emulator.capacity(fit=[request])["fit"][0])


def paths(emulator: Emulator) -> list[str]:
    return [request["path"] for request in emulator.control("GET", "/requests")]


def test_nodes(cluster: Emulator) -> None:
    result = cluster.capacity()
    assert sorted(result) == KEYS
    first, second, third = result["nodes"]
    assert [node["node_name"] for node in result["nodes"]] == ["n1", "n2", "n3"]
    assert (first["node_id"], first["zone"], first["architecture"]) == ("id-n1", ["a"], "linux-x86_64")
    assert "ml" in first["roles"]
    assert first["processors"] == {"total": 4, "used": 1, "free": 3}
    [other] = first["deployments"]
    needs = 240 * MIB + 2 * 400 * MIB
    assert other == {
        "deployment_id": "other",
        "model_id": "other",
        "priority": "normal",
        "routing_state": "started",
        "current_allocations": 1,
        "target_allocations": 1,
        "processors": 1,
        "memory": needs,
        "observed_memory": None,
    }
    assert first["memory"] == {
        "total": 4 * GIB,
        "overhead": 30 * MIB,
        "jobs": 0,
        "deployments": needs,
        "free": 4 * GIB - 30 * MIB - needs,
        "observed": None,
    }
    assert [node["memory"]["free"] for node in (second, third)] == [
        3 * GIB - 30 * MIB - needs,
        2 * GIB - 30 * MIB - needs,
    ]
    assert (result["missing"], result["may_grow"], result["plan"], result["fit"]) == ([], False, None, [])
    assert result["server"]["version"] == "9.1.5"


def test_it_writes_nothing_and_reads_each_once(cluster: Emulator) -> None:
    cluster.capacity(fit=[{"model_id": "m"}, {"model_id": "m", "priority": "low"}, {"model_bytes": "1gb"}])
    assert cluster.journal() == []
    assert sorted(paths(cluster)) == [
        "/",
        "/_cluster/settings",
        "/_cluster/state/metadata,nodes",
        "/_ml/memory/_stats",
        "/_ml/trained_models/_stats",
        "/_ml/trained_models/m",
        "/_nodes/os",
    ]


def test_check_mode_makes_no_difference(cluster: Emulator) -> None:
    given: Json = {"fit": [{"model_id": "m"}], "deployments": [{"model_id": "m"}]}
    assert cluster.capacity(check_mode=True, **given) == cluster.capacity(**given)


def test_what_fits(cluster: Emulator) -> None:
    assert fit(cluster, model_id="m") == {
        "model_id": "m",
        "model_bytes": 100 * MIB,
        "threads_per_allocation": 1,
        "priority": "normal",
        "deployment_id": "m",
        "allocations": 7,
        "at_most": 7,
        "kind": "exact",
        "nodes": [
            {"node_id": "id-n1", "node_name": "n1", "allocations": 3},
            {"node_id": "id-n2", "node_name": "n2", "allocations": 3},
            {"node_id": "id-n3", "node_name": "n3", "allocations": 1},
        ],
        "displaced": [],
        "reasons": [
            "n1: 0 of 4 processors free, 1 needed",
            "n2: 0 of 4 processors free, 1 needed",
            "n3: 0 of 2 processors free, 1 needed",
        ],
    }


def test_a_model_that_is_not_there_yet(cluster: Emulator) -> None:
    found = fit(cluster, model_bytes="800mb", threads_per_allocation=2)
    assert (found["model_id"], found["model_bytes"], found["deployment_id"]) == (None, 800 * MIB, "model")
    assert (found["allocations"], found["at_most"]) == (2, 2)
    assert found["reasons"][2] == ("n3: 1 of 2 processors free, 2 needed; 978mb of 1.9gb of memory free, 1.7gb needed")
    assert fit(cluster, model_bytes=str(800 * MIB), threads_per_allocation=2) == found
    assert fit(cluster, model_bytes="64gb")["allocations"] == 0


def test_a_new_deployment_has_an_id_of_its_own(cluster: Emulator) -> None:
    start(cluster, "m")
    assert fit(cluster, model_id="m")["deployment_id"] == "m-1"


def test_an_alias_names_its_model(cluster: Emulator) -> None:
    cluster.api("PUT", "/_ml/trained_models/m/model_aliases/search")
    assert fit(cluster, model_id="search")["model_id"] == "m"


def test_low_priority_is_counted_in_deployments(cluster: Emulator) -> None:
    found = fit(cluster, model_id="m", priority="low")
    assert (found["allocations"], found["kind"]) == (12, "exact")
    assert [node["allocations"] for node in found["nodes"]] == [6, 4, 2]
    assert found["reasons"][1] == "n2: 242mb of 2.9gb of memory free, 440mb needed"


def test_low_priority_takes_memory_and_no_processors() -> None:
    with Emulator("9.1.5", ("n1=4,4gb",), MODELS) as emulator:
        start(emulator, "m", priority="low")
        [node] = emulator.capacity()["nodes"]
        assert node["processors"] == {"total": 4, "used": 0, "free": 4}
        assert [(each["processors"], each["memory"]) for each in node["deployments"]] == [(0, 440 * MIB)]


def test_a_cluster_takes_so_many_deployments() -> None:
    with Emulator("9.1.5", ("n1=4,64gb",), (("m", MIB),)) as emulator:
        for number in range(98):
            assert start(emulator, "m", deployment_id=f"d{number}", priority="low") == 200
        assert fit(emulator, model_id="m", priority="low")["allocations"] == 2
        assert fit(emulator, model_id="m")["allocations"] == 4
        for number in (98, 99):
            start(emulator, "m", deployment_id=f"d{number}", priority="low")
        for priority in ("low", "normal"):
            found = fit(emulator, model_id="m", priority=priority)
            assert (found["allocations"], found["at_most"]) == (0, 0)
            assert found["reasons"] == ["Elasticsearch takes at most 100 deployments."]


def test_no_model_and_no_size(cluster: Emulator) -> None:
    result = cluster.capacity(fit=[{"model_id": "n"}])
    assert result["failure"] == {"code": "model_missing"}
    assert "The cluster has no trained model 'n'" in result["msg"]
    assert "The models are '.elser_model_2', 'm', 'other'." in result["msg"]
    assert len(result["nodes"]) == 3, "what was read stays in the result"
    wrong = cluster.capacity(fit=[{"model_id": "m"}, {"model_bytes": "much"}])
    assert wrong["failure"] == {"code": "invalid_value"}
    assert wrong["msg"].startswith("fit[1].model_bytes 'much' is not the size of a model")


WITHOUT_MONITOR = "Not read without the cluster privilege monitor: routing table, settings, shutdowns, zones"


def test_without_the_privilege_monitor(cluster: Emulator) -> None:
    cluster.allow("monitor_ml")
    result = cluster.capacity(fit=[{"model_id": "m"}, {"model_id": "m", "priority": "low"}])
    normal, low = result["fit"]
    assert (normal["allocations"], normal["at_most"], normal["kind"]) == (0, 7, "bounds")
    assert (low["allocations"], low["at_most"]) == (0, 19)
    assert normal["reasons"] == [WITHOUT_MONITOR]
    first = result["nodes"][0]
    assert first["processors"] == {"total": 4, "used": 1, "free": 3}
    assert first["memory"]["free"] == 4 * GIB - 30 * MIB - (240 + 800) * MIB
    assert (first["zone"], first["architecture"], first["shutting_down"], result["may_grow"]) == (None,) * 4
    assert first["deployments"][0]["target_allocations"] is None
    assert {each["what"] for each in result["missing"]} == {"routing_table", "settings", "shutdowns", "zones"}


def test_without_memory_there_are_bounds() -> None:
    with Emulator("8.1.3", NODES, MODELS) as emulator:
        result = emulator.capacity(fit=[{"model_id": "m"}])
        assert result["missing"] == [{"what": "memory", "privilege": None}]
        [found] = result["fit"]
        assert (found["allocations"], found["kind"], found["reasons"]) == (0, "bounds", ["Not shown: memory"])
        assert result["nodes"][0]["memory"]["free"] is None


def test_serverless_shows_nothing() -> None:
    with Emulator("9.1.5", NODES, MODELS, flavor="serverless") as emulator:
        result = emulator.capacity(fit=[{"model_id": "m"}])
        assert (result["nodes"], result["may_grow"]) == ([], None)
        [found] = result["fit"]
        assert (found["allocations"], found["at_most"], found["kind"]) == (None, None, None)
        assert found["reasons"] == ["Not shown: memory, nodes, routing table, settings, shutdowns, zones"]


def test_a_cluster_that_may_grow(cluster: Emulator) -> None:
    cluster.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=4)
    assert cluster.capacity()["may_grow"] is True


def test_a_node_that_shuts_down_gets_nothing(cluster: Emulator) -> None:
    cluster.effect("shut_down_node", node_id="id-n1")
    result = cluster.capacity(fit=[{"model_id": "m"}])
    assert [node["shutting_down"] for node in result["nodes"]] == [True, False, False]
    assert "n1" not in [node["node_name"] for node in result["fit"][0]["nodes"]]


def test_observed_memory() -> None:
    with Emulator("9.5.3", ("n1=8,16gb",), MODELS) as emulator:
        start(emulator, "m")
        start(emulator, "other")
        emulator.effect("set_process_memory", deployment_id="m", node_id="id-n1", bytes=7 * MIB)
        [node] = emulator.capacity()["nodes"]
        assert node["memory"]["observed"] == 7 * MIB
        assert [each["observed_memory"] for each in node["deployments"]] == [7 * MIB, None]


def test_elser_that_the_server_does_not_see() -> None:
    with Emulator("8.18.1", ("n1=16,8gb",), MODELS) as emulator:
        start(emulator, ".elser_model_2", deployment_id="search", number_of_allocations=6)
        [warning] = emulator.capacity()["warnings"]
        assert "6 allocations of 'search' there need about 9gb" in warning, warning
        assert warning.endswith("By the id of the deployment, Elasticsearch does not know that it is ELSER.")


def test_elser_needs_more_than_is_reckoned(cluster: Emulator) -> None:
    with Emulator("9.1.5", ("n1=16,7gb",), MODELS) as emulator:
        start(emulator, ".elser_model_2", number_of_allocations=5)
        running = emulator.capacity()
        assert running["warnings"] == [
            "Node 'n1' may run out of memory: 5 allocations of '.elser_model_2' there need about 7.5gb, and it has "
            "7gb for machine learning. Elasticsearch reckons with 1.9gb for ELSER, whatever the number."
        ]
        planned = emulator.capacity(fit=[{"model_id": ".elser_model_2"}])
        assert len(planned["warnings"]) == 2
        assert "11 allocations of '.elser_model_2-1'" in planned["warnings"][1]
    assert cluster.capacity(fit=[{"model_id": "m"}])["warnings"] == []
