# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test reads of ``_stats``, cluster state, models and ``/`` (server-behaviour.md 1.4, 1.5, 2.3, 2.4)."""

from __future__ import annotations

import base64

import pytest

from emulator_tests.api import Api


@pytest.fixture
def two() -> Api:
    """Start two deployments of ``m``; ``other`` is idle."""
    api = Api()
    api.started("d1")
    api.started("d2")
    return api


@pytest.mark.parametrize(
    ("expression", "count", "expected"),
    [
        ("m", 1, ["d1", "d2"]),
        ("d1", 1, ["d1"]),
        ("d1,d2", 1, ["d1", "d2"]),
        ("d*", 1, ["d1", "d2"]),
        ("*", 2, ["d1", "d2", "-"]),
        ("_all", 2, ["d1", "d2", "-"]),
        ("other", 1, ["-"]),
        ("d1,m", 1, ["d1", "d2"]),
        ("none*", 0, []),
    ],
)
def test_rows(two: Api, expression: str, count: int, expected: list[str]) -> None:
    """Test server-behaviour.md 1.4."""
    assert two.deployment_ids(expression) == expected
    assert two.stats(expression)["count"] == count


def test_model_wins_over_deployment_of_the_same_id() -> None:
    """Test server-behaviour.md 1.4."""
    api = Api()
    api.started("m")
    api.started("second")
    assert api.deployment_ids("m") == ["m", "second"]


def test_alias_shows_its_model(two: Api) -> None:
    """Test server-behaviour.md 1.4."""
    two.send("PUT", "/_ml/trained_models/m/model_aliases/nick")
    assert two.deployment_ids("nick") == ["d1", "d2"]


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (
            "no_known_trained_model",
            "No known trained model with model_id [x]"
            ", you may need to create it or load it into the cluster with eland",
        ),
        ("could_not_find_trained_model", "Could not find trained model [x]"),
    ],
)
def test_missing(choice: str, reason: str) -> None:
    """Test server-behaviour.md 1.4."""
    api = Api()
    api.emulator.control("POST", "/unknowns", {"stats_missing_text": choice})
    answer = api.send("GET", "/_ml/trained_models/x/_stats")
    assert (answer.status, answer.type, answer.reason) == (404, "resource_not_found_exception", reason)
    assert api.send("GET", "/_ml/trained_models/x*/_stats", None, allow_no_match="false").status == 404


def test_pages(two: Api) -> None:
    """Test server-behaviour.md 1.4."""
    first = two.send("GET", "/_ml/trained_models/_stats", None, size=1).body
    assert (first["count"], {row["model_id"] for row in first["trained_model_stats"]}) == (2, {"m"})
    second = two.send("GET", "/_ml/trained_models/_stats", None, size=1, **{"from": 1}).body
    assert [row["model_id"] for row in second["trained_model_stats"]] == ["other"]
    assert two.send("GET", "/_ml/trained_models/_stats", None, size=-1).status == 400


def test_page_holds_a_hundred_models() -> None:
    """Test server-behaviour.md 1.4."""
    api = Api(models=tuple((f"model-{number:03}", 1) for number in range(120)))
    body = api.stats("*")
    assert (body["count"], len(body["trained_model_stats"])) == (120, 100)
    assert len(api.stats("*", size=1000)["trained_model_stats"]) == 120


def test_inferences_are_counted_where_they_run() -> None:
    """Test server-behaviour.md 2.3."""
    api = Api()
    api.started(number=6)
    api.effect("infer", deployment_id="m", count=60, time_ms=20)
    stats = api.deployment_stats()
    assert stats["inference_count"] == 60
    assert sum(node["inference_count"] for node in stats["nodes"]) == 60
    assert {node["average_inference_time_ms"] for node in stats["nodes"]} == {20.0}
    api.clock(advance=60)
    assert api.deployment_stats()["peak_throughput_per_minute"] == 60
    row = api.stats("m")["trained_model_stats"][0]
    assert row["inference_stats"]["inference_count"] == 60


def test_no_route_allocations_in_stats() -> None:
    """Test server-behaviour.md 2.3."""
    api = Api()
    api.start(number_of_allocations=5)
    node = api.deployment_stats()["nodes"][0]
    assert set(node) == {"node", "routing_state", "peak_throughput_per_minute", "throughput_last_minute"}


def test_human() -> None:
    """Test server-behaviour.md 2.3."""
    api = Api()
    api.started()
    row = api.stats("m", human="true")["trained_model_stats"][0]
    assert row["model_size_stats"]["model_size"] == "1000b"
    assert "start_time_string" in row["deployment_stats"]


# --- cluster state ---


def test_assignments_in_cluster_state() -> None:
    """Test server-behaviour.md 2.4."""
    api = Api()
    path = "/_cluster/state/metadata"
    query = {"filter_path": "metadata.trained_model_assignment"}
    assert api.send("GET", path, None, **query).body == {}
    api.started()
    assert api.send("GET", path, None, **query).body == {
        "metadata": {"trained_model_assignment": {"m": api.assignment()}}
    }
    api.effect("remove_deployment", deployment_id="m")
    assert api.send("GET", path, None, **query).body == {"metadata": {"trained_model_assignment": {}}}


def test_nodes_in_cluster_state() -> None:
    """Test server-behaviour.md 4.8: in one read with the metadata, each with the version it has."""
    api = Api(nodes={"n1": 3})
    api.effect("add_node", node_id="n2", zone="a", roles=["data", "ml"])
    query = {"filter_path": "nodes,metadata.trained_model_assignment,metadata.node_shutdown"}
    body = api.send("GET", "/_cluster/state/metadata,nodes", None, **query).body
    assert set(body) == {"nodes"}
    assert body["nodes"]["n2"] | {"attributes": {}} == {
        "name": "name-n2", "ephemeral_id": "eph-n2", "transport_address": "127.0.0.1:9300", "external_id": "name-n2",
        "attributes": {}, "roles": ["data", "ml"], "version": "9.5.3", "min_index_version": 7000099,
        "max_index_version": 8521000,
    }  # fmt: skip
    assert (body["nodes"]["n2"]["attributes"]["zone"], "zone" in body["nodes"]["n1"]["attributes"]) == ("a", False)
    api.effect("set_setting", name="mixed_versions", value=True)
    nodes = api.send("GET", "/_cluster/state/nodes").body["nodes"]
    assert {key: node["version"] for key, node in nodes.items()} == {"n1": "9.5.3", "n2": "9.4.3"}


@pytest.mark.parametrize(("version", "more"), [("9.5.3", {"node_ephemeral_id": "eph-n1"}), ("8.17.0", {})])
def test_shutdowns_in_cluster_state(version: str, more: dict[str, str]) -> None:
    """Test server-behaviour.md 4.8."""
    api = Api(version)
    path = "/_cluster/state/metadata,nodes"
    query = {"filter_path": "metadata.node_shutdown"}
    assert api.send("GET", path, None, **query).body == {}
    body = {"type": "restart", "reason": "upgrade", "allocation_delay": "5m"}
    assert api.send("PUT", "/_nodes/n1/shutdown", body).status == 200
    shown = api.send("GET", path, None, **query).body["metadata"]["node_shutdown"]["nodes"]
    started = shown["n1"].pop("shutdown_startedmillis")
    assert started == api.send("GET", "/_nodes/n1/shutdown").body["nodes"][0]["shutdown_startedmillis"]
    known = {"node_id": "n1", "type": "RESTART", "reason": "upgrade", "node_seen": True, "allocation_delay": "5m"}
    assert shown == {"n1": known | more}
    assert api.send("DELETE", "/_nodes/n1/shutdown").status == 200
    assert api.send("GET", path, None, **query).body == {"metadata": {"node_shutdown": {"nodes": {}}}}


def test_shutdown_of_a_node_that_has_not_been_seen() -> None:
    """Test server-behaviour.md 4.8."""
    api = Api()
    api.send("PUT", "/_nodes/late/shutdown", {"type": "remove", "reason": "r"})
    nodes = api.send("GET", "/_cluster/state/metadata").body["metadata"]["node_shutdown"]["nodes"]
    assert (nodes["late"]["node_seen"], nodes["late"]["node_ephemeral_id"]) == (False, None)
    api.effect("add_node", node_id="late")
    nodes = api.send("GET", "/_cluster/state/metadata").body["metadata"]["node_shutdown"]["nodes"]
    assert (nodes["late"]["node_seen"], nodes["late"]["node_ephemeral_id"]) == (True, "eph-late")


def test_default_settings() -> None:
    """Test around-deployments.md 6.1: defaults are there on request; what was set is not among them."""
    api = Api()
    names = ("xpack.ml.allocated_processors_scale", "xpack.ml.max_lazy_ml_nodes", "xpack.ml.max_ml_node_size")
    awareness = "cluster.routing.allocation.awareness.attributes"
    assert "defaults" not in api.send("GET", "/_cluster/settings").body
    query = {"include_defaults": "true", "flat_settings": "true"}
    body = api.send("GET", "/_cluster/settings", None, **query).body
    assert [body["defaults"][name] for name in (*names, awareness)] == ["1", "0", "0b", []]
    desired = {names[0]: 2, awareness: ["zone", "rack"]}
    assert api.send("PUT", "/_cluster/settings", {"persistent": desired}).status == 200
    body = api.send("GET", "/_cluster/settings", None, **query).body
    assert body["persistent"] == {names[0]: "2", awareness: ["zone", "rack"]}
    assert set(body["defaults"]) & set(desired) == set()
    nested = api.send("GET", "/_cluster/settings", None, include_defaults="").body
    assert nested["defaults"]["xpack"]["ml"]["max_lazy_ml_nodes"] == "0"
    assert nested["persistent"]["cluster"]["routing"]["allocation"]["awareness"] == {"attributes": ["zone", "rack"]}


def test_awareness_with_which_the_nodes_were_started() -> None:
    """Test around-deployments.md 6.1: nodes that all have a zone were started with it; it is among the defaults."""
    api = Api(nodes={})
    for name in ("a", "b"):
        api.effect("add_node", node_id=name, zone=name)
    path = "defaults.cluster.routing"
    body = api.send("GET", "/_cluster/settings", None, include_defaults="true", filter_path=path).body
    assert body["defaults"]["cluster"]["routing"]["allocation"] == {"awareness": {"attributes": ["zone"]}}
    without = Api(without=frozenset({"ml"})).send("GET", "/_cluster/settings", None, include_defaults="true").body
    assert "xpack" not in without["defaults"]


def test_older_key() -> None:
    api = Api("8.2.3")
    api.start()
    assert "trained_model_allocation" in api.send("GET", "/_cluster/state").body["metadata"]


def test_filter_path_takes_patterns_and_exclusions() -> None:
    api = Api()
    api.started()
    wild = api.send("GET", "/_cluster/state", None, filter_path="**.assignment_state").body
    assert wild == {"metadata": {"trained_model_assignment": {"m": {"assignment_state": "started"}}}}
    less = api.send(
        "GET", "/_cluster/state", None, filter_path="-metadata,-nodes,-version,-state_uuid,-master_node,-blocks"
    ).body
    assert set(less) == {"cluster_name", "cluster_uuid"}


def test_serverless() -> None:
    """Test server-behaviour.md 2.4."""
    api = Api(flavor="serverless")
    api.emulator.control("POST", "/unknowns", {"serverless_missing_api_status": "410"})
    answer = api.send("GET", "/_cluster/state")
    assert answer.status == 410
    assert answer.reason == (
        "Request for uri [/_cluster/state] with method [GET] exists "
        "but is not available when running in serverless mode"
    )
    api.emulator.control("POST", "/unknowns", {"serverless_missing_api_status": "404"})
    assert api.send("GET", "/_cluster/state").status == 404
    root = api.send("GET", "/").body
    assert root["name"] == "serverless"
    assert (root["version"]["number"], root["version"]["build_flavor"]) == ("8.11.0", "serverless")
    assert api.start(number_of_allocations=2).assignment["adaptive_allocations"]["enabled"]


def test_root_and_info() -> None:
    api = Api("8.9.2")
    assert api.send("GET", "/").body["version"]["number"] == "8.9.2"
    assert api.send("HEAD", "/").status == 200
    assert api.send("GET", "/_ml/info").body["native_code"]["version"] == "8.9.2"


# --- models ---


def test_upload() -> None:
    api = Api(clock="eager")
    base = "/_ml/trained_models/new"
    config = {"model_type": "pytorch", "inference_config": {"text_embedding": {}}}
    assert api.send("PUT", base, config).status == 200
    assert "already exists" in api.send("PUT", base, config).reason
    status = {"include": "definition_status"}
    assert api.send("GET", base, None, **status).body["trained_model_configs"][0]["fully_defined"] is False
    assert api.start("new").reason == "Could not find trained model definition [new]"
    assert api.send("PUT", f"{base}/vocabulary", {"vocabulary": ["a"]}).status == 200
    for part in range(2):
        body = {
            "definition": base64.b64encode(b"x" * 500).decode(),
            "total_definition_length": 1000,
            "total_parts": 2,
        }
        assert api.send("PUT", f"{base}/definition/{part}", body).status == 200
        expected = "Model definition truncated" if part == 0 else None
        answer = api.start("new")
        assert answer.reason.startswith(expected) if expected else answer.status == 200, answer.body
    assert api.send("GET", base, None, **status).body["trained_model_configs"][0]["fully_defined"] is True
    assert api.assignment("new")["task_parameters"]["model_bytes"] == 1000


def test_packaged_model() -> None:
    api = Api()
    answer = api.send("PUT", "/_ml/trained_models/.elser_model_2", {"input": {"field_names": ["input"]}})
    assert answer.status == 200
    assert api.start(".elser_model_2").status == 200


def test_delete() -> None:
    """Test server-behaviour.md 1.5."""
    api = Api(clock="eager")
    api.started()
    refused = api.send("DELETE", "/_ml/trained_models/m")
    assert (refused.status, refused.reason) == (
        409,
        "Cannot delete model [m] as it is currently deployed; use force to delete the model",
    )
    assert api.send("DELETE", "/_ml/trained_models/m", None, force="true").body == {"acknowledged": True}
    assert api.send("GET", "/_ml/trained_models/m").status == 404
    assert api.emulator.control("GET", "/state")["deployments"] == {}


def test_alias_moves_only_on_request() -> None:
    api = Api()
    assert api.send("PUT", "/_ml/trained_models/m/model_aliases/nick").status == 200
    refused = api.send("PUT", "/_ml/trained_models/other/model_aliases/nick")
    assert refused.status == 400
    moved = api.send("PUT", "/_ml/trained_models/other/model_aliases/nick", None, reassign="true")
    assert moved.body == {"acknowledged": True}
    found = api.send("GET", "/_ml/trained_models/nick").body["trained_model_configs"]
    assert [each["model_id"] for each in found] == ["other"]
    assert api.send("DELETE", "/_ml/trained_models/m/model_aliases/nick").status == 409
    assert api.send("DELETE", "/_ml/trained_models/other/model_aliases/nick").status == 200


def test_settings_through_the_api() -> None:
    api = Api(nodes={"n1": 1})
    body = {"persistent": {"xpack": {"ml": {"max_lazy_ml_nodes": 2}}}}
    assert api.send("PUT", "/_cluster/settings", body).body["acknowledged"]
    assert api.start(number_of_allocations=2).status == 200
    shown = api.send("GET", "/_cluster/settings", None, flat_settings="true").body["persistent"]
    assert shown == {"xpack.ml.max_lazy_ml_nodes": "2"}
    api.send("PUT", "/_cluster/settings", {"persistent": {"xpack.ml.max_lazy_ml_nodes": None}})
    assert api.send("GET", "/_cluster/settings").body["persistent"] == {}
