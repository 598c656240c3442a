# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test nodes that join, leave, shut down and differ (server-behaviour.md 3.1, 4.7 and 5.1), and ``_nodes``."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.inprocess import ConnectionDropped
from emulator_tests.api import Api

SHUTDOWN = {"type": "restart", "reason": "new kernel"}


def shut_down(api: Api, node_id: str, **body: Any) -> None:
    answer = api.send("PUT", f"/_nodes/{node_id}/shutdown", body or SHUTDOWN)
    assert (answer.status, answer.body) == (200, {"acknowledged": True})


def status(api: Api, node_id: str) -> str:
    return str(api.send("GET", f"/_nodes/{node_id}/shutdown").body["nodes"][0]["status"])


# --- graceful shutdown ---


def test_shutdown_drains_after_another_route_has_started() -> None:
    """Test server-behaviour.md 4.7: the route goes to stopping, others are planned, the entry disappears."""
    api = Api()
    api.started(number=3)
    shut_down(api, "n1")
    assert api.assignment()["routing_table"] == {
        "n1": {
            "current_allocations": 3,
            "target_allocations": 3,
            "routing_state": "stopping",
            "reason": "node is shutting down",
        },
        "n2": {"current_allocations": 3, "target_allocations": 3, "routing_state": "starting", "reason": ""},
    }
    assert status(api, "n1") == "IN_PROGRESS"
    api.tick()
    assert set(api.counts()) == {"n1", "n2"}
    api.tick()
    assert api.counts() == {"n2": 3}
    assert status(api, "n1") == "COMPLETE"
    assert api.audit()[-1] == "Rebalanced trained model allocations because [nodes changed]"
    api.effect("remove_node", node_id="n1")
    assert api.counts() == {"n2": 3}


def test_shutdown_while_loading() -> None:
    """Test server-behaviour.md 4.7: a route that is starting drains, too."""
    api = Api()
    api.start()
    shut_down(api, "n1")
    table = api.assignment()["routing_table"]
    assert {node: route["routing_state"] for node, route in table.items()} == {"n1": "stopping", "n2": "starting"}


def test_shutdown_of_the_only_node() -> None:
    """Test server-behaviour.md 4.7.

    It drains as it was the only one; the deployment stays, partial and with a reason.
    """
    api = Api(nodes={"n1": 4})
    api.started(number=2)
    shut_down(api, "n1")
    api.settle()
    left = api.assignment()
    assert left["routing_table"] == {}
    assert (left["assignment_state"], left["reason"]) == ("starting", "No ML nodes exist in the cluster")
    assert left["task_parameters"]["number_of_allocations"] == 2


def test_node_that_comes_back() -> None:
    """Test server-behaviour.md 4.7: it may carry again once its record is gone, not as soon as it has joined."""
    api = Api(nodes={"n1": 4})
    api.started(number=2)
    shut_down(api, "n1")
    api.settle()
    api.effect("remove_node", node_id="n1")
    api.effect("add_node", node_id="n1", processors=4)
    assert api.targets() == {}
    assert api.send("DELETE", "/_nodes/n1/shutdown").body == {"acknowledged": True}
    api.settle()
    assert api.counts() == {"n1": 2}
    again = api.send("DELETE", "/_nodes/n1/shutdown")
    assert (again.status, again.reason) == (404, "node [n1] is not currently shutting down")


def test_no_new_work_for_a_node_that_shuts_down() -> None:
    """Test server-behaviour.md 5.1: only nodes that do not shut down."""
    api = Api()
    api.effect("shut_down_node", node_id="n1")
    api.started(number=4)
    assert api.counts() == {"n2": 4}
    assert api.update(number_of_allocations=5).status == 429
    api.effect("keep_node", node_id="n1")
    assert api.update(number_of_allocations=5).status == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"type": "restart"}, "Required [reason]"),
        ({"reason": "r"}, "Required [type]"),
        ({"type": "nap", "reason": "r"}, "unknown node shutdown type [nap]"),
    ],
)
def test_shutdowns_that_say_too_little(body: dict[str, str], reason: str) -> None:
    answer = Api().send("PUT", "/_nodes/n1/shutdown", body)
    assert (answer.status, answer.reason) == (400, reason)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "remove", "reason": "r", "allocation_delay": "5m"},
        {"type": "replace", "reason": "r"},
        {"type": "sigterm", "reason": "r"},
    ],
)
def test_options_go_with_types(body: dict[str, str]) -> None:
    answer = Api().send("PUT", "/_nodes/n1/shutdown", body)
    assert (answer.status, answer.type) == (400, "action_request_validation_exception")


def test_shutdown_of_a_node_that_is_not_there() -> None:
    api = Api()
    shut_down(api, "gone")
    assert [each["node_id"] for each in api.send("GET", "/_nodes/shutdown").body["nodes"]] == ["gone"]
    assert api.send("GET", "/_nodes/n1/shutdown").body == {"nodes": []}


# --- nodes that differ ---


@pytest.mark.parametrize("choice", ["stopping", "not_found"])
def test_several_architectures(choice: str) -> None:
    """Test server-behaviour.md 3.1: the assignment is put to stopping, with the reason; or it is not found [U]."""
    api = Api(clock="eager")
    api.emulator.control("POST", "/unknowns", {"several_architectures": choice})
    api.effect("add_node", node_id="n3", architecture="linux-aarch64")
    answer = api.start()
    if choice == "not_found":
        assert (answer.status, answer.reason) == (404, "assignment with id [m] not found")
        assert not api.emulator.cluster.assignments
        return
    assert answer.assignment["assignment_state"] == "stopping"
    assert answer.assignment["reason"] == (
        "ML nodes in this cluster have multiple platform architectures, but can only have one for this model ([m]); "
        "detected architectures: [linux-aarch64, linux-x86_64]"
    )
    api.settle()
    assert not api.emulator.cluster.assignments


def test_architecture_of_a_node_without_machine_learning_does_not_matter() -> None:
    """Test server-behaviour.md 3.1: detected are those of ML nodes."""
    api = Api(clock="eager")
    api.effect("add_node", node_id="n3", architecture="linux-aarch64", roles=["data", "master"])
    assert api.start(wait_for="started").assignment["assignment_state"] == "started"


def test_only_ml_nodes_carry() -> None:
    """Test server-behaviour.md 5.1: only nodes with the role."""
    api = Api(nodes={})
    api.effect("add_node", node_id="d1", roles=["data", "master"])
    answer = api.start()
    assert answer.status == 429
    assert "allocation explanation [No ML nodes exist in the cluster]" in str(answer.body["error"]["caused_by"])


def test_node_without_processors_attribute() -> None:
    """Test server-behaviour.md 5.1: no attribute, no cores."""
    api = Api(nodes={"n1": 4})
    api.emulator.cluster.nodes["n1"] = type(api.emulator.cluster.nodes["n1"])("n1", 4, plugin=False)
    assert api.start().status == 429


def test_load_that_cannot_be_detected() -> None:
    """Test server-behaviour.md 5.1 and 5.3: the node is no input of the plan; its error is the reason."""
    api = Api()
    api.effect("set_node", node_id="n1", load_error="failed to detect load")
    assert api.started(number=4)["routing_table"].keys() == {"n2"}
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    grown = api.update(number_of_allocations=5).assignment
    assert grown["reason"].startswith(
        "Could not assign (more) allocations on node [n1]. Reason: failed to detect load|"
        "Could not assign (more) allocations on node [n2]. Reason: This node has insufficient allocated processors."
    )
    api.effect("set_node", node_id="n1", load_error=None)


def test_memory_of_other_jobs() -> None:
    """Test server-behaviour.md 4.3 and 5.1: it is taken off; the end of a job plans again."""
    api = Api(nodes={"n1": 4}, models=(("m", 1 << 30),))
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    api.effect("set_node", node_id="n1", jobs_memory="14gb")
    api.start()
    free = (16 << 30) - (14 << 30) - (30 << 20)
    assert f"free memory [{free} (1.9gb)]" in api.assignment()["reason"]
    api.effect("set_node", node_id="n1", jobs_memory=0)
    assert api.targets() == {"n1": 1}
    assert api.audit()[-1].startswith("Rebalanced trained model allocations because [ML [")


def test_processors_scale() -> None:
    """Test server-behaviour.md 5.1: the setting scales what the planner counts."""
    api = Api(nodes={"n1": 4})
    settings = {"persistent": {"xpack.ml.allocated_processors_scale": 2}}
    assert api.send("PUT", "/_cluster/settings", settings).status == 200
    assert api.start(number_of_allocations=3).status == 429
    assert api.start(number_of_allocations=2).status == 200


# --- zones ---


@pytest.mark.parametrize(
    ("attributes", "targets"),
    [
        (None, {"a1": 2, "b1": 2}),
        ("zone", {"a1": 2, "b1": 2}),
        ("rack", {"a1": 2, "a2": 2}),
        ("zone,rack", {"a1": 1, "a2": 1, "b1": 1, "b2": 1}),
        ("", {"a1": 4}),
    ],
)
def test_awareness_attributes_make_the_zones(attributes: str | None, targets: dict[str, int]) -> None:
    """Test planner.md 7: distinct combinations of their values; one zone if there are none."""
    api = Api(nodes={})
    for zone in "ab":
        for rack in "12":
            api.effect(
                "add_node", node_id=zone + rack, processors=4, zone=zone, attributes={"rack": rack, "size": "big"}
            )
    if attributes is not None:
        name = "cluster.routing.allocation.awareness.attributes"
        assert api.send("PUT", "/_cluster/settings", {"persistent": {name: attributes}}).status == 200
    api.started(number=4)
    assert api.counts() == targets


@pytest.mark.parametrize(("choice", "number", "targets"), [("left_out", 4, {"b1": 4}), ("one_zone", 8, {"a1": 8})])
def test_nodes_without_the_attributes(choice: str, number: int, targets: dict[str, int]) -> None:
    """Give them nothing, or make one zone of all: planner.md 7 does not say [U]."""
    api = Api(nodes={})
    api.emulator.control("POST", "/unknowns", {"missing_attributes": choice})
    api.effect("add_node", node_id="a1", processors=8)
    api.effect("add_node", node_id="b1", processors=4, zone="b")
    api.effect("set_setting", name="cluster.routing.allocation.awareness.attributes", value="zone")
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    api.started(number=8)
    assert api.targets() == targets
    reason = api.assignment().get("reason", "")
    assert ("on node [a1]. Reason: This node has insufficient available memory" in reason) is (number < 8)
    assert ("free memory [0 (0b)]" in reason) is (number < 8)


@pytest.mark.parametrize("choice", ["hangs", "answers_400"])
def test_decrease_with_a_route_in_no_zone(choice: str) -> None:
    """Test server-behaviour.md 3.2: the reducer refuses, perhaps without an error."""
    api = Api()
    api.emulator.control("POST", "/unknowns", {"reducer_refusal": choice})
    api.started(number=8)
    api.effect("remove_node", node_id="n1", plan=False)
    if choice == "hangs":
        with pytest.raises(ConnectionDropped):
            api.update(number_of_allocations=5)
    else:
        answer = api.update(number_of_allocations=5)
        assert (answer.status, answer.type) == (400, "illegal_argument_exception")
        assert answer.reason.startswith("request to reduce allocations is greater than or equal to")
    assert api.assignment()["task_parameters"]["number_of_allocations"] == 8
    assert api.update(number_of_allocations=2).status == 200
    assert api.targets() == {"n1": 4, "n2": 2}


# --- what the APIs say ---


def test_node_info() -> None:
    api = Api(nodes={"n1": 3})
    body = api.send("GET", "/_nodes").body
    assert body["_nodes"] == {"total": 1, "successful": 1, "failed": 0}
    node = body["nodes"]["n1"]
    assert (node["name"], node["version"], node["http"]["publish_address"]) == ("name-n1", "9.5.3", "127.0.0.1:9200")
    assert node["attributes"]["ml.allocated_processors_double"] == "3.0"
    assert node["attributes"]["ml.machine_memory"] == str(16 << 30)
    assert node["os"]["arch"] == "amd64"
    assert set(api.send("GET", "/_nodes/os,jvm").body["nodes"]["n1"]) & {"os", "jvm", "http"} == {"os", "jvm"}
    assert set(api.send("GET", "/_nodes/n1/http").body["nodes"]["n1"]) & {"os", "jvm", "http"} == {"http"}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("_all", ["d1", "n1", "n2"]),
        ("n1", ["n1"]),
        ("name-n*", ["n1", "n2"]),
        ("ml:true", ["n1", "n2"]),
        ("_all,ml:false", ["d1"]),
        ("data:true", ["d1", "n1", "n2"]),
        ("zone:z1", ["n2"]),
        ("zon*:z*", ["n2"]),
        ("master:true", ["n1", "n2"]),
        ("coordinating_only:true", []),
        ("127.0.0.1", ["d1", "n1", "n2"]),
        ("_master", ["n1"]),
        ("nosuch", []),
    ],
)
def test_node_filters(expression: str, found: list[str]) -> None:
    api = Api(nodes={"n1": 4})
    api.effect("add_node", node_id="n2", zone="z1")
    api.effect("add_node", node_id="d1", name="d1", roles=["data_hot"])
    assert sorted(api.send("GET", f"/_nodes/{expression}").body["nodes"]) == found


def test_node_stats() -> None:
    api = Api(nodes={"n1": 4}, models=(("m", 1 << 30),))
    before = api.send("GET", "/_nodes/stats/os").body["nodes"]["n1"]["os"]["mem"]["free_in_bytes"]
    api.started()
    node = api.send("GET", "/_nodes/n1/stats").body["nodes"]["n1"]
    needed = (240 << 20) + (2 << 30)
    assert before - node["os"]["mem"]["free_in_bytes"] == needed
    assert node["jvm"]["mem"]["heap_max_in_bytes"] == int(node["attributes"]["ml.max_jvm_size"])


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ("jvn", "contains unrecognized metric: [jvn] -> did you mean [jvm]?"),
        ("foo,bar", "contains unrecognized metrics: [bar], [foo]"),
        ("_all,jvm", "contains _all and individual metrics [_all,jvm]"),
    ],
)
def test_unknown_metrics(metrics: str, reason: str) -> None:
    answer = Api().send("GET", f"/_nodes/stats/{metrics}")
    assert (answer.status, answer.reason) == (400, f"request [/_nodes/stats/{metrics}] {reason}")


def test_tables() -> None:
    api = Api(nodes={"n1": 4, "node2": 4})
    found = api.emulator.request("GET", "/_cat/nodes?h=id,master,node.role&v&s=id:desc")
    assert found[2].decode() == "id    master node.role\nnode2 -      cdfhilmrstw\nn1    *      cdfhilmrstw\n"
    assert ("content-type", "text/plain; charset=UTF-8") in found[1]
    assert b"| r,role,nodeRole" in api.emulator.request("GET", "/_cat/nodes?help")[2]
    models = api.send("GET", "/_cat/ml/trained_models", None, format="json", h="id,type")
    assert models.body == [{"id": "m", "type": "pytorch"}, {"id": "other", "type": "pytorch"}]
    assert api.send("GET", "/_cat/ml/trained_models/nosuch", None, format="json").status == 404
    health = api.send("GET", "/_cat/health", None, format="json", ts="false").body[0]
    assert "epoch" not in health
    assert health["node.total"] == "2"


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"xpack.ml.max_lazy_ml_nodes": -1}, "[-1] for setting [xpack.ml.max_lazy_ml_nodes] must be >= 0"),
        (
            {"xpack.ml.models.default_allocations.max": 33},
            "[33] for setting [xpack.ml.models.default_allocations.max] must be <= 32",
        ),
        ({"xpack.ml.max_lazy_ml_nodes": "abc"}, "[abc] for setting [xpack.ml.max_lazy_ml_nodes]"),
        ({"xpack.ml.use_auto_machine_memory_percent": "yes"}, "[yes] as only [true] or [false] are allowed."),
    ],
)
def test_values_of_settings(settings: dict[str, Any], reason: str) -> None:
    """Test server-behaviour.md 6 and http:277: types and ranges; nothing is taken over."""
    api = Api()
    answer = api.send("PUT", "/_cluster/settings", {"persistent": {**settings, "cluster.max_shards_per_node": 9}})
    assert (answer.status, answer.reason) == (400, f"Failed to parse value {reason}")
    assert api.send("GET", "/_cluster/settings").body["persistent"] == {}


def test_settings_that_cannot_be_set() -> None:
    api = Api()
    for name, why in (("xpack.ml.enabled", "not dynamically updateable"), ("xpack.ml.nosuch", "not recognized")):
        answer = api.send("PUT", "/_cluster/settings", {"transient": {name: True}})
        assert (answer.status, answer.reason) == (400, f"transient setting [{name}], {why}")


def test_node_size_is_a_size() -> None:
    api = Api()
    answer = api.send("PUT", "/_cluster/settings", {"persistent": {"xpack.ml.max_ml_node_size": "big"}})
    assert answer.status == 400
    assert answer.body["error"]["caused_by"]["type"] == "parse_exception"
    assert api.send("PUT", "/_cluster/settings", {"persistent": {"xpack.ml.max_ml_node_size": "64gb"}}).status == 200
    assert api.send("PUT", "/_cluster/settings", {"persistent": {"xpack.ml.*": None}}).status == 200
    assert api.emulator.cluster.settings == {}


# --- time ---


def test_frozen_time() -> None:
    api = Api()
    frozen = api.emulator.control("POST", "/clock", {"frozen": True})
    assert frozen["frozen"]
    api.started()
    first = api.deployment_stats()["start_time"]
    assert api.deployment_stats()["start_time"] == first == frozen["now"]
    moved = api.clock(advance=60)
    assert moved["now"] == frozen["now"] + 60_000
    gone_on = api.emulator.control("POST", "/clock", {"frozen": False})
    assert not gone_on["frozen"]
    assert moved["now"] <= gone_on["now"] < moved["now"] + 30_000
    with pytest.raises(ValueError, match="advance must be a number of seconds, 0 or more"):
        api.clock(advance=-1)
    api.emulator.control("POST", "/reset")
    assert not api.emulator.cluster.now.frozen
