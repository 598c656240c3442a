# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test downloads beside those of the laws: variants, progress, notifications, mirrors, other clients."""

from __future__ import annotations

import http.server
import threading
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.run import empty_result
from support.emulated_cluster import TurnedClock
from support.model_runs import ELSER, ELSER_X86, RERANK, Json, Slow, code

INPUT = {"input": {"field_names": ["text_field"]}}


# --- variants ---


def _nodes(*kinds: tuple[str, str]) -> Json:
    nodes = {
        str(number): {"roles": ["ml"], "os": {"name": name, "arch": arch}} for number, (name, arch) in enumerate(kinds)
    }
    return {"nodes": {**nodes, "data": {"roles": ["data"], "os": {"name": "Linux", "arch": "aarch64"}}}}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (_nodes(("Linux", "amd64"), ("Linux", "x86_64")), ELSER_X86),
        (_nodes(("Linux", "amd64"), ("Linux", "aarch64")), ELSER),
        (_nodes(("Mac OS X", "amd64")), ELSER),
    ],
)
def test_before_9_5_the_nodes_say_which_variant_they_run(nodes: Json, expected: str) -> None:
    with Slow("8.19.21") as emulator:
        emulator.answering("/_nodes", nodes)
        result = emulator.run_model(True, model_id=ELSER)
        assert (result["model"]["model_id"], result["warnings"]) == (expected, [])


@pytest.mark.parametrize("nodes", [_nodes(), 403])
def test_without_ml_nodes_the_task_takes_what_runs_everywhere_and_says_so(nodes: Json | int) -> None:
    with Slow("8.19.21") as emulator:
        emulator.answering("/_nodes", nodes)
        result = emulator.run_model(True, model_id=ELSER)
        assert result["model"]["model_id"] == ELSER
        assert "Which variant the ML nodes can run is not known" in result["warnings"][0]


@pytest.mark.parametrize(("variant", "expected"), [("linux-x86_64", ELSER_X86), ("platform_agnostic", ELSER)])
def test_9_5_names_the_variant(emulator: Slow, variant: str, expected: str) -> None:
    emulator.answering("/_ml/info", {"defaults": {"model_platform_variant": variant}, "upgrade_mode": False})
    assert emulator.run_model(True, model_id=ELSER)["model"]["model_id"] == expected


def test_a_variant_that_is_there_satisfies(emulator: Slow) -> None:
    emulator.control("POST", "/models", {"model_id": ELSER})
    result = emulator.run_model(model_id=ELSER)
    assert (result["changed"], result["model"]["model_id"]) == (False, ELSER)
    emulator.control("POST", "/models", {"model_id": ELSER_X86})
    assert emulator.run_model(model_id=ELSER)["model"]["model_id"] == ELSER_X86, "that of the nodes comes first"
    assert emulator.run_model(model_id=ELSER, variant="platform_agnostic")["model"]["model_id"] == ELSER


# --- downloads ---


def test_a_model_that_the_repository_does_not_have(emulator: Slow) -> None:
    result = emulator.run_model(model_id=".elsr_model_2")
    assert (code(result), result["changed"]) == ("request_rejected", False)
    assert "metadata.json not found. Check model_id, and the repository" in result["msg"]


def test_a_download_is_shown_while_it_goes_on(emulator: Slow) -> None:
    result = emulator.run_model(model_id=RERANK, wait_sleep=1)
    assert (result["operation"], result["model"]["fully_defined"]) == ("download", True)
    assert result["download"]["downloaded_parts"] == result["download"]["total_parts"] > 0
    assert (result["waited"]["reached"], result["waited"]["polls"] > 1) == (True, True)
    assert "parts)" in emulator.reported[0]


def test_a_download_of_another_client_is_waited_for(emulator: Slow) -> None:
    assert emulator.send({"method": "PUT", "path": f"/_ml/trained_models/{RERANK}", "query": {}, "body": INPUT}) == 200
    emulator.forget()
    predicted = emulator.run_model(True, model_id=RERANK)
    assert predicted["ansible_facts"]["elasticsearch_ml_models"][RERANK]["predicted"], "later tasks find it complete"
    result = emulator.run_model(model_id=RERANK)
    assert (result["changed"], result["waited"]["reached"], emulator.journal()) == (False, True, [])


def test_a_download_that_takes_too_long(emulator: Slow) -> None:
    emulator.effect("set_download_time", seconds=100_000)
    result = emulator.run_model(model_id=RERANK, wait_timeout=10)
    assert (code(result), result["changed"], result["waited"]["reached"]) == ("not_ready_in_time", True, False)
    assert "is not ready after 10 seconds: Elasticsearch downloads it (" in result["msg"]


def test_a_failed_download_is_said_with_the_notification(emulator: Slow) -> None:
    emulator.failed_download()
    hits = {"hits": {"hits": [{"_source": {"message": "planted: no route to host", "level": "error"}}]}}
    emulator.answering("/.ml-notifications-*/_search", hits)
    for check_mode in (True, False):
        result = emulator.run_model(check_mode, model_id=RERANK)
        assert code(result) == "download_failed"
        assert "Elasticsearch says: planted: no route to host" in result["msg"]
    assert emulator.journal() == []
    again = emulator.run_model(model_id=RERANK, replace="recreate")
    assert (again["operation"], again["model"]["fully_defined"]) == ("recreate", True)


@pytest.mark.parametrize("answer", [403, 400, {}])
def test_a_notification_that_cannot_be_read(emulator: Slow, answer: Json | int) -> None:
    emulator.failed_download()
    emulator.answering("/.ml-notifications-*/_search", answer)
    result = emulator.run_model(model_id=RERANK)
    assert (code(result), "Elasticsearch says" in result["msg"]) == ("download_failed", False)


def test_a_fault_while_notifications_are_read(emulator: Slow) -> None:
    emulator.failed_download()
    emulator.answering("/.ml-notifications-*/_search", 500)
    assert code(emulator.run_model(model_id=RERANK)) == "request_rejected"


def _at_poll(emulator: Slow, act: t.Callable[[], object]) -> None:
    """Let another client act while the task waits."""
    pass_time, polls = emulator.pass_time, iter(range(1000))

    def acting() -> None:
        if next(polls) == 1:
            act()
        pass_time()

    emulator.clock = TurnedClock(acting)


def test_a_download_that_fails_while_it_is_waited_for(emulator: Slow) -> None:
    def fail() -> None:
        emulator.control("POST", "/models", {"model_id": RERANK, "fully_defined": False, "missing_parts": "all"})

    _at_poll(emulator, fail)
    result = emulator.run_model(model_id=RERANK)
    assert (code(result), result["changed"]) == ("download_failed", True)
    assert "its download has failed" in result["msg"]
    assert result["before"]["state"] == "absent"
    assert result["after"]["state"] == "incomplete"


def test_another_client_deletes_what_is_waited_for(emulator: Slow) -> None:
    _at_poll(emulator, lambda: emulator.api("DELETE", f"/_ml/trained_models/{RERANK}?force=true"))
    result = emulator.run_model(model_id=RERANK)
    assert (code(result), result["model"]) == ("conflict", None)
    assert "another client has deleted it" in result["msg"]


def test_a_read_that_fails_while_waiting_is_repeated(emulator: Slow) -> None:
    lost = {"type": "drop"}
    _at_poll(emulator, lambda: emulator.fault("any_read", lost, times=3, path="/_ml/**"))
    assert emulator.run_model(model_id=RERANK, request_retries=0)["waited"]["reached"]


def test_a_read_that_is_refused_while_waiting_ends_the_wait(emulator: Slow) -> None:
    _at_poll(emulator, lambda: emulator.answering("/_ml/**", 500))
    assert code(emulator.run_model(model_id=RERANK)) == "request_rejected"


def test_a_package_that_the_version_does_not_know() -> None:
    with Slow("8.12.2") as emulator:
        result = emulator.run_model(model_id=RERANK)
        assert (code(result), emulator.journal()) == ("unsupported_version", [])


# --- the mirror ---


class _Mirror(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        there = self.path == "/models/rerank-v1.metadata.json"
        self.send_response(200 if there else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def mirror() -> t.Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Mirror) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/models/"
        server.shutdown()


def _repository(emulator: Slow, place: str, kind: str = "defaults") -> None:
    emulator.answering("/_cluster/settings", {kind: {"xpack": {"ml": {"model_repository": place}}}})


def test_a_package_that_the_mirror_has(emulator: Slow, mirror: str) -> None:
    _repository(emulator, mirror)
    result = emulator.run_model(True, model_id=RERANK, check_mirror=True)
    assert (result["changed"], result["warnings"]) == (True, [])


def test_a_package_that_the_mirror_lacks(emulator: Slow, mirror: str) -> None:
    _repository(emulator, mirror, "persistent")
    result = emulator.run_model(model_id=ELSER, variant="platform_agnostic", check_mirror=True)
    assert (code(result), emulator.journal()) == ("url_unreadable", [])
    assert "elser_model_2.metadata.json" in result["msg"]


def test_a_mirror_that_cannot_be_looked_at(emulator: Slow) -> None:
    _repository(emulator, "file:///usr/share/elasticsearch/config/models", "transient")
    assert "is a folder on the nodes" in emulator.run_model(True, model_id=RERANK, check_mirror=True)["warnings"][0]
    emulator.control("DELETE", "/faults")
    emulator.answering("/_cluster/settings", 403)
    assert (
        "which one the cluster has cannot be read"
        in emulator.run_model(True, model_id=RERANK, check_mirror=True)["warnings"][0]
    )


def test_the_result_of_a_task_that_read_nothing_has_all_keys(emulator: Slow) -> None:
    result = emulator.run_model(model_id=RERANK)
    assert empty_result().keys() | {"ansible_facts", "warnings"} == result.keys()
