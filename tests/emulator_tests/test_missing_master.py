# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test a cluster without master or recovered state, and one with blocks (server-behaviour.md 0 and 3.2)."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest

from emulator_tests.api import Api
from emulator_tests.process import running

START = ("POST", "/_ml/trained_models/other/deployment/_start")
UPDATE = ("POST", "/_ml/trained_models/m/deployment/_update", {"number_of_allocations": 2})
STOP = ("POST", "/_ml/trained_models/m/deployment/_stop")
ALIAS = ("PUT", "/_ml/trained_models/m/model_aliases/nick")
SETTINGS = ("PUT", "/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": 7}})
PART = (
    "PUT",
    "/_ml/trained_models/m/definition/0",
    {"definition": "YWE=", "total_definition_length": 2, "total_parts": 1},
)
WRITES = [START, UPDATE, ALIAS, SETTINGS]
NOT_FOUND = {"type": "master_not_discovered_exception", "reason": None}


@pytest.mark.parametrize("request_", [*WRITES, STOP], ids=lambda each: each[1])
def test_writes_without_a_master(request_: tuple[Any, ...]) -> None:
    """Test server-behaviour.md 0 and 3.2: 503 and nothing changed; no Retry-After."""
    api = Api(clock="eager")
    api.started()
    api.effect("lose_master")
    before = api.state_version
    answer = api.send(*request_)
    assert answer.status == 503
    assert answer.body["error"] == {"root_cause": [NOT_FOUND], **NOT_FOUND}
    assert "retry-after" not in answer.headers
    assert api.state_version == before
    api.effect("elect_master")
    assert api.send(*request_).status == 200


def test_reads_without_a_master() -> None:
    """Test server-behaviour.md 0: what any node knows is answered, what the master knows only with local=true."""
    api = Api()
    api.started()
    api.effect("lose_master")
    assert api.deployment_stats()["state"] == "started"
    assert api.send("GET", "/_ml/trained_models/m").status == 200
    assert api.send("GET", "/_nodes").body["_nodes"]["total"] == 2
    for path in ("/_cluster/health", "/_cluster/state", "/_cluster/settings"):
        assert api.send("GET", path).status == 503
    assert api.send("GET", "/_cluster/health", None, local="true").body["status"] == "red"
    state = api.send("GET", "/_cluster/state", None, local="true").body
    assert list(state["blocks"]["global"]) == ["2"]
    assert state["master_node"] is None
    assert list(state["metadata"]["trained_model_assignment"]) == ["m"]


def test_part_of_a_definition_without_a_master() -> None:
    """Test server-behaviour.md 0: what is written to an index is blocked."""
    api = Api()
    api.effect("lose_master")
    answer = api.send(*PART)
    assert (answer.status, answer.reason) == (503, "blocked by: [SERVICE_UNAVAILABLE/2/no master];")


def test_block_without_a_master_can_be_set() -> None:
    api = Api()
    settings = {"persistent": {"cluster.no_master_block": "all"}}
    assert api.send("PUT", "/_cluster/settings", settings).status == 200
    api.effect("lose_master")
    assert api.send("GET", "/_ml/trained_models/_stats").status == 503


def test_unrecovered_state() -> None:
    """Test server-behaviour.md 0: reads of models are blocked, writes of the master name the block."""
    api = Api()
    api.started()
    api.effect("lose_state")
    text = "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];"
    stats = api.send("GET", "/_ml/trained_models/_stats")
    assert (stats.status, stats.type, stats.reason) == (503, "cluster_block_exception", text)
    update = api.send(*UPDATE)
    assert (update.status, update.type) == (503, "master_not_discovered_exception")
    assert update.body["error"]["root_cause"] == [{"type": "cluster_block_exception", "reason": text}]
    api.effect("recover_state")
    assert api.send(*UPDATE).status == 200


def test_nodes_wait_for_the_master() -> None:
    """Take no report of a node and plan nothing; do both once a master is elected (server-behaviour.md 4)."""
    api = Api()
    api.started(number=3)
    api.start("other")
    api.effect("lose_master")
    assert not api.tick()
    api.effect("remove_node", node_id="n1")
    assert "n1" in api.targets()
    api.effect("elect_master")
    api.settle()
    assert api.counts() == {"n2": 3}
    assert api.assignment("other")["assignment_state"] == "started"


def test_request_waits_for_the_master() -> None:
    """Test server-behaviour.md 3.2: as long as master_timeout says; elected in time, it is done."""
    with running("--clock", "manual") as process, concurrent.futures.ThreadPoolExecutor() as pool:
        process.control("POST", "/effects", {"do": "lose_master"})
        assert process.api("PUT", "/_cluster/settings?master_timeout=10ms", SETTINGS[2])[0] == 503
        waiting = pool.submit(process.api, "PUT", "/_cluster/settings?master_timeout=60s", SETTINGS[2])
        process.control("POST", "/effects", {"do": "elect_master"})
        assert waiting.result()[0] == 200


@pytest.mark.parametrize("request_", WRITES[:3], ids=lambda each: each[1])
def test_metadata_write_block(request_: tuple[Any, ...]) -> None:
    """Test server-behaviour.md 3.2: 403, and only the block itself can be lifted."""
    api = Api(clock="eager")
    api.started()
    blocked = {"persistent": {"cluster.blocks.read_only": True}}
    assert api.send("PUT", "/_cluster/settings", blocked).status == 200
    answer = api.send(*request_)
    assert (answer.status, answer.type) == (403, "cluster_block_exception")
    assert answer.reason == "blocked by: [FORBIDDEN/6/cluster read-only (api)];"
    assert api.send(*SETTINGS).status == 403
    assert api.deployment_stats()["state"] == "started"
    assert api.send("PUT", "/_cluster/settings", {"persistent": {"cluster.blocks.read_only": None}}).status == 200
    assert api.send(*request_).status == 200


def test_stop_under_a_block() -> None:
    """Test server-behaviour.md 3.3: nodes stop, but no master can remove the assignment."""
    api = Api(clock="eager")
    api.started()
    api.effect("set_setting", name="cluster.blocks.read_only", value=True)
    answer = api.stop()
    assert answer.status == 500
    assert answer.reason == (
        "failed to delete model assignment after nodes unallocated the deployment. Attempt to stop again"
    )
    assert api.assignment()["assignment_state"] == "stopping"
    api.effect("set_setting", name="cluster.blocks.read_only", value=None)
    assert api.stop().body == {"stopped": True}


@pytest.mark.parametrize(
    ("version", "status", "marks"),
    [
        ("8.19.21", 503, {}),
        ("9.1.10", 429, {"timed_out": True, "header": {"X-Timed-Out": "?1"}}),
        ("9.5.3", 429, {"timed_out": True}),
    ],
)
def test_update_that_waits_too_long_in_the_queue(version: str, status: int, marks: dict[str, Any]) -> None:
    """Test server-behaviour.md 3.2: process_cluster_event_timeout_exception by version; not a capacity error."""
    api = Api(version)
    api.started()
    api.effect("time_events_out")
    answer = api.send(*UPDATE, master_timeout="5s")
    error = {
        "type": "process_cluster_event_timeout_exception",
        "reason": "failed to process cluster event (update model deployment) within 5s",
        **marks,
    }
    assert (answer.status, answer.body["error"]) == (status, {"root_cause": [error], **error})
    assert api.assignment()["task_parameters"]["number_of_allocations"] == 1
    assert api.send(*UPDATE).status == 200
