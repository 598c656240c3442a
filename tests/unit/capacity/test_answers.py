# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what the answers about capacity become, and which of them are no answers of Elasticsearch."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.answers import capacity, no_capacity
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.records import (
    Capacity,
    Missing,
    MlNode,
    Settings,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.schemas import (
    MEMORY_STATS,
    NODE_SHUTDOWN,
    SETTINGS,
    STATE_NODES,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.schema import SchemaError

Json = dict[str, t.Any]
GIB, MIB = 1 << 30, 1 << 20
RECORDED = {
    "_nodes": {"total": 2, "successful": 2, "failed": 0},
    "cluster_name": "cl",
    "nodes": {
        "idA": {
            "name": "ml-1",
            "ephemeral_id": "ephA",
            "transport_address": "127.0.0.1:9300",
            "attributes": {
                "ml.allocated_processors": "4",
                "ml.allocated_processors_double": "4.0",
                "ml.config_version": "12.0.0",
                "ml.machine_memory": "8589934592",
                "ml.max_jvm_size": "2147483648",
            },
            "roles": ["ml"],
            "mem": {
                "total_in_bytes": 8589934592,
                "adjusted_total_in_bytes": 8589934592,
                "ml": {
                    "max_in_bytes": 5368709120,
                    "native_code_overhead_in_bytes": 41943040,
                    "anomaly_detectors_in_bytes": 0,
                    "data_frame_analytics_in_bytes": 0,
                    "native_inference_in_bytes": 1610612736,
                },
            },
            "jvm": {
                "heap_max_in_bytes": 2147483648,
                "java_inference_max_in_bytes": 858783744,
                "java_inference_in_bytes": 0,
            },
        },
        "idB": {
            "name": "data-1",
            "ephemeral_id": "ephB",
            "transport_address": "127.0.0.1:9300",
            "attributes": {},
            "roles": ["data", "master"],
            "mem": {
                "total_in_bytes": 4294967296,
                "adjusted_total_in_bytes": 4294967295,
                "ml": {
                    "max_in_bytes": 0,
                    "native_code_overhead_in_bytes": 0,
                    "anomaly_detectors_in_bytes": 0,
                    "data_frame_analytics_in_bytes": 0,
                    "native_inference_in_bytes": 0,
                },
            },
            "jvm": {
                "heap_max_in_bytes": 2147483648,
                "java_inference_max_in_bytes": 0,
                "java_inference_in_bytes": 0,
            },
        },
    },
}
"""The form that the classes of 8.10 to 9.5 gave it (recorded-answers.md 2.2, ``cluster_ml``)."""


def memory_row(**changes: t.Any) -> Json:
    """Return the row of a node in ``_ml/memory/_stats``."""
    sizes = {"max": 8 * GIB, "anomaly_detectors": GIB, "data_frame_analytics": MIB, "native_inference": 2 * GIB}
    ml = {f"{name}_in_bytes": size for name, size in sizes.items()}
    return {"name": "ml-1", "roles": ["ml"], "attributes": attributes(), "mem": {"ml": ml}, **changes}


def attributes(**more: str) -> Json:
    return {"ml.allocated_processors": "4", "ml.allocated_processors_double": "3.5", "ml.machine_memory": "99", **more}


def state_row(**changes: t.Any) -> Json:
    return {"name": "ml-1", "version": "9.1.0", "roles": ["ml"], "attributes": attributes(zone="a"), **changes}


def state(*leaving: str, **nodes: Json) -> Json:
    shutdowns = {node_id: {"type": "RESTART"} for node_id in leaving}
    return {"nodes": nodes, "metadata": {"node_shutdown": {"nodes": shutdowns}} if leaving else {}}


def read(memory: Json | None, found: Json | None, settings: Json | None) -> Capacity:
    return capacity(found, memory, settings, has_memory=True)


def test_all_that_can_be_read() -> None:
    found = read(
        {"nodes": {"b": memory_row(), "a": memory_row(), "data": memory_row(roles=["data"])}},
        state("b", a=state_row(), b=state_row(name="ml-2"), data=state_row(roles=["data"])),
        {"defaults": {"xpack": {"ml": {"max_lazy_ml_nodes": "0"}}}},
    )
    assert found.missing == ()
    assert [node.id for node in found.nodes] == ["a", "b"]
    first, second = found.nodes
    assert first == MlNode("a", "ml-1", ("ml",), attributes(zone="a"), 8 * GIB, GIB + MIB, 2 * GIB, False)
    assert (second.shown_name, second.shutting_down) == ("ml-2", True)
    assert found.assignable == (first,)
    assert found.settings == Settings()


def test_a_recorded_answer() -> None:
    MEMORY_STATS(RECORDED)
    [node] = read(RECORDED, None, None).nodes
    assert (node.id, node.name, node.processors) == ("idA", "ml-1", 4.0)
    assert (node.ml_memory, node.jobs_memory, node.inference_memory) == (5 * GIB, 0, 1610612736)
    assert node.machine_memory == 8 * GIB


WITHOUT_MONITOR = (
    Missing("routing_table", "monitor"),
    Missing("settings", "monitor"),
    Missing("shutdowns", "monitor"),
    Missing("zones", "monitor"),
)


def test_what_needs_the_privilege_monitor() -> None:
    found = read({"nodes": {"a": memory_row()}}, None, None)
    assert found.missing == WITHOUT_MONITOR
    [node] = found.nodes
    assert (node.memory, node.processors, node.shutting_down) == (7 * GIB - MIB - 30 * MIB, 3.5, None)
    assert found.may_grow is None
    assert found.lacks("zones", "memory")
    assert not found.lacks("memory", "nodes")


def test_what_needs_the_privilege_monitor_ml() -> None:
    found = read(None, state(a=state_row()), {})
    assert found.missing == (Missing("memory", "monitor_ml"),)
    [node] = found.nodes
    assert (node.memory, node.processors, node.shutting_down) == (None, 3.5, False)


def test_nothing_can_be_read() -> None:
    expected = (Missing("memory", "monitor_ml"), Missing("nodes", "monitor_ml"), *WITHOUT_MONITOR)
    assert read(None, None, None) == Capacity(missing=expected)
    old = capacity(None, None, None, has_memory=False).missing
    assert old[:2] == (Missing("memory", None), Missing("nodes", "monitor"))


def test_settings_can_be_hidden_alone() -> None:
    found = read({"nodes": {"a": memory_row()}}, state(a=state_row()), None)
    assert found.missing == (Missing("settings", "monitor"), Missing("zones", "monitor"))


def test_serverless_shows_nothing_whatever_the_user_may() -> None:
    assert {(missing.what, missing.privilege) for missing in no_capacity().missing} == {
        (what, None) for what in ("memory", "nodes", "routing_table", "settings", "shutdowns", "zones")
    }


def test_a_node_that_did_not_answer_has_no_memory() -> None:
    memory = {"_nodes": {"failed": 1}, "nodes": {"a": memory_row()}}
    found = read(memory, state(a=state_row(), b=state_row()), {})
    assert found.missing == (Missing("memory", None),)
    assert [node.memory is None for node in found.nodes] == [False, True]
    assert Missing("nodes", "monitor") in read(memory, None, None).missing


def test_more_than_there_is_leaves_nothing() -> None:
    jobs = memory_row()
    jobs["mem"]["ml"]["anomaly_detectors_in_bytes"] = 9 * GIB
    [node] = read({"nodes": {"a": jobs}}, None, None).nodes
    assert node.memory == 0


def test_processors() -> None:
    whole, double = {"ml.allocated_processors": "4"}, {"ml.allocated_processors_double": "7.5"}
    assert MlNode("a", attributes=whole).processors == 4
    assert MlNode("a", attributes={**whole, **double}).processors == 7.5
    assert MlNode("a").processors == 0
    assert [MlNode("a", attributes=double).cores(scale) for scale in (1, 2, 8)] == [8, 4, 1]


def test_zones() -> None:
    node = MlNode("a", attributes={"zone": "b", "rack": "r1"})
    assert node.zone(()) == ()
    assert node.zone(("rack", "zone")) == ("r1", "b")
    assert node.zone(("zone", "row")) is None


@pytest.mark.parametrize("given", ["rack, zone", ["rack", "zone"]])
@pytest.mark.parametrize("kind", ["transient", "persistent", "defaults"])
def test_settings_are_read_wherever_they_stand(given: t.Any, kind: str) -> None:
    ml = {"max_lazy_ml_nodes": "3", "max_ml_node_size": "64gb", "allocated_processors_scale": "2"}
    awareness = {"routing": {"allocation": {"awareness": {"attributes": given}}}}
    raw: Json = {"defaults": {"xpack": {"ml": {"max_lazy_ml_nodes": "0"}}}}
    raw |= {kind: {"xpack": {"ml": ml}, "cluster": awareness}}
    SETTINGS(raw)
    assert read(None, state(), raw).settings == Settings(2, 3, 64 * GIB, ("rack", "zone"))


def test_transient_settings_win() -> None:
    raw = {
        kind: {"xpack": {"ml": {"max_lazy_ml_nodes": number}}}
        for kind, number in (("defaults", "0"), ("persistent", "1"), ("transient", "2"))
    }
    found = read(None, state(), raw).settings
    assert found
    assert found.lazy_nodes == 2


@pytest.mark.parametrize(
    ("settings", "sizes", "expected"),
    [
        (None, [], None),
        (Settings(), [8], False),
        (Settings(), [], False),
        (Settings(lazy_nodes=1), [], True),
        (Settings(lazy_nodes=1), [8], False),
        (Settings(lazy_nodes=2), [8], True),
        (Settings(largest_node=8), [8, 16], False),
        (Settings(largest_node=9), [8, 16], True),
        (Settings(largest_node=9), [], False),
        (Settings(largest_node=9), [None], False),
    ],
)
def test_may_grow(settings: Settings | None, sizes: list[int | None], expected: bool | None) -> None:
    nodes = tuple(
        MlNode(str(index), attributes={} if size is None else {"ml.machine_memory": str(size)})
        for index, size in enumerate(sizes)
    )
    assert Capacity(nodes, settings).may_grow is expected


def test_nodes_that_shut_down_do_not_count() -> None:
    nodes = (MlNode("a", shutting_down=True), MlNode("b", shutting_down=False))
    assert Capacity(nodes, Settings(lazy_nodes=2)).may_grow is True
    assert Capacity(nodes, Settings(lazy_nodes=1)).may_grow is False


def test_what_is_missing_is_named() -> None:
    assert Missing("zones", "monitor").as_result() == {"what": "zones", "privilege": "monitor"}


MEMORY = {"nodes": {"a": memory_row()}}
GOOD = {"xpack": {"ml": {"max_lazy_ml_nodes": "0", "max_ml_node_size": "0b", "allocated_processors_scale": "1"}}}


def changed(raw: Json, value: t.Any, *path: str) -> Json:
    """Return *raw* with another *value* at *path*; ``...`` leaves it out."""
    found = copy.deepcopy(raw)
    inner = found
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = value
    if value is ...:
        del inner[path[-1]]
    return found


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([], ("nodes",)),
        (None, ("nodes", "a")),
        (..., ("nodes", "a", "roles")),
        ("ml", ("nodes", "a", "roles")),
        (7, ("nodes", "a", "name")),
        (..., ("nodes", "a", "mem")),
        (..., ("nodes", "a", "mem", "ml")),
        (..., ("nodes", "a", "mem", "ml", "max_in_bytes")),
        (-2, ("nodes", "a", "mem", "ml", "max_in_bytes")),
        (-1, ("nodes", "a", "mem", "ml", "anomaly_detectors_in_bytes")),
        ("8gb", ("nodes", "a", "mem", "ml", "max_in_bytes")),
        (1.5, ("nodes", "a", "mem", "ml", "native_inference_in_bytes")),
        (True, ("nodes", "a", "mem", "ml", "anomaly_detectors_in_bytes")),
        (8, ("nodes", "a", "attributes", "ml.allocated_processors")),
        ("many", ("nodes", "a", "attributes", "ml.allocated_processors_double")),
        ("nan", ("nodes", "a", "attributes", "ml.allocated_processors_double")),
        ("inf", ("nodes", "a", "attributes", "ml.allocated_processors_double")),
        ("-1.0", ("nodes", "a", "attributes", "ml.allocated_processors_double")),
        ("8gb", ("nodes", "a", "attributes", "ml.machine_memory")),
        ("x", ("_nodes",)),
        ("x", ("_nodes", "failed")),
    ],
)
def test_no_answer_about_memory(value: t.Any, path: tuple[str, ...]) -> None:
    MEMORY_STATS(MEMORY)
    with pytest.raises(SchemaError):
        MEMORY_STATS(changed(MEMORY, value, *path))


def test_a_node_whose_memory_elasticsearch_cannot_tell() -> None:
    answer = changed(MEMORY, -1, "nodes", "a", "mem", "ml", "max_in_bytes")
    MEMORY_STATS(answer)
    found = read(answer, None, None)
    assert [node.memory for node in found.nodes] == [None]
    assert Missing("memory", None) in found.missing


def test_an_answer_that_names_no_node() -> None:
    """Elasticsearch leaves an empty object out of what filter_path selects."""
    answer = {"_nodes": {"failed": 1}}
    MEMORY_STATS(answer)
    assert read(answer, {}, {}).missing == ()
    assert read(answer, state(a=state_row()), {}).missing == (Missing("memory", None),)
    for memory in (answer, {}):
        assert Missing("nodes", "monitor") in read(memory, None, None).missing


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (0, ("xpack", "ml", "max_lazy_ml_nodes")),
        ("-1", ("xpack", "ml", "max_lazy_ml_nodes")),
        ("many", ("xpack", "ml", "max_lazy_ml_nodes")),
        ("9" * 30, ("xpack", "ml", "max_lazy_ml_nodes")),
        ("12", ("xpack", "ml", "max_ml_node_size")),
        ("0", ("xpack", "ml", "allocated_processors_scale")),
        ("1.5", ("xpack", "ml", "allocated_processors_scale")),
        (7, ("cluster", "routing", "allocation", "awareness", "attributes")),
        ([7], ("cluster", "routing", "allocation", "awareness", "attributes")),
        ([None], ("cluster", "routing", "allocation", "awareness", "attributes")),
    ],
)
@pytest.mark.parametrize("kind", ["transient", "persistent", "defaults"])
def test_no_answer_about_settings(value: t.Any, path: tuple[str, ...], kind: str) -> None:
    SETTINGS({kind: GOOD})
    with pytest.raises(SchemaError):
        SETTINGS({kind: changed(GOOD, value, *path)})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (7, ("a", "version")),
        (7, ("a", "attributes", "zone")),
        (None, ("a", "attributes", "zone")),
        ("x", ("a", "attributes", "ml.allocated_processors")),
    ],
)
def test_no_answer_about_nodes(value: t.Any, path: tuple[str, ...]) -> None:
    nodes = {"a": state_row()}
    STATE_NODES(nodes)
    with pytest.raises(SchemaError):
        STATE_NODES(changed(nodes, value, *path))


def test_no_answer_about_shutdowns() -> None:
    NODE_SHUTDOWN({"nodes": {"a": {"type": "RESTART"}}})
    wrong: list[t.Any] = [{"nodes": {"a": "RESTART"}}, {"nodes": ["a"]}, []]
    for value in wrong:
        with pytest.raises(SchemaError):
            NODE_SHUTDOWN(value)


def test_roles_that_the_cluster_state_of_an_old_release_does_not_show() -> None:
    row = {name: value for name, value in state_row().items() if name not in ("roles", "version")}
    memory = {"nodes": {"a": memory_row(), "data": memory_row(roles=["data"])}}
    found = capacity(state(a=row, data=row), memory, None, has_memory=True)
    assert [node.id for node in found.nodes] == ["a"]


def test_a_privilege_is_named_only_where_it_would_help() -> None:
    nodes = state(a=state_row())
    broken = capacity(nodes, None, None, has_memory=True, broken=("/_ml/memory/_stats", "/_cluster/settings"))
    assert broken.missing == (Missing("memory", None), Missing("settings", None), Missing("zones", None))
    hidden = capacity(None, None, None, has_memory=True, broken=("/_ml/memory/_stats",))
    assert hidden.missing == (Missing("memory", None), Missing("nodes", "monitor"), *WITHOUT_MONITOR)
