# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test runs on models that the laws do not have: variants, progress, notifications, mirrors, other clients."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.run import empty_result
from support import model_files
from support.emulated_cluster import Emulator, TurnedClock

Json = dict[str, t.Any]
ELSER, ELSER_X86, RERANK = ".elser_model_2", ".elser_model_2_linux-x86_64", ".rerank-v1"
INPUT = {"input": {"field_names": ["text_field"]}}


class Slow(Emulator):
    """An emulator whose own time passes while the code under test sleeps."""

    def __init__(self, version: str = "9.5.3", **given: t.Any) -> None:
        super().__init__(version, **given)
        self.control("POST", "/clock", {"frozen": True})
        self.effect("set_download_time", seconds=20)

    def pass_time(self) -> None:
        self.control("POST", "/clock", {"advance": 5})
        super().pass_time()

    def answering(self, path: str, answer: Json | int) -> None:
        """Let reads of *path* get this answer, or status."""
        status, body = (200, answer) if isinstance(answer, dict) else (answer, {"error": "planted", "status": answer})
        self.fault("any_read", {"type": "answer", "status": status, "body": body}, times=-1, path=path)

    def failed_download(self) -> None:
        self.control("POST", "/models", {"model_id": RERANK, "fully_defined": False, "missing_parts": "all"})


@pytest.fixture
def emulator() -> t.Iterator[Slow]:
    with Slow() as found:
        yield found


@pytest.fixture
def own(tmp_path: Path) -> Json:
    model_files.write(tmp_path)
    files = {"config": "config.json", "vocabulary": "vocabulary.json", "definition": "model.pt"}
    return {
        "model_id": "own",
        "upload_part_size": "1kb",
        **{name: str(tmp_path / file) for name, file in files.items()},
    }


def code(result: Json) -> str | None:
    return result["failure"] and str(result["failure"]["code"])


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
    assert "may not read which one" in emulator.run_model(True, model_id=RERANK, check_mirror=True)["warnings"][0]


# --- uploads ---


def test_an_upload_from_the_task_itself(emulator: Slow, own: Json) -> None:
    text = json.dumps(model_files.CONFIG)
    for config in (model_files.CONFIG, f" {text}"):
        given = {**own, "config": config, "vocabulary": None}
        result = emulator.run_model(**given)
        assert not result.get("failed"), result["msg"]
        assert [call["path"].rpartition("/")[2] for call in result["api_calls"]][-1:] in (["{part}"], [])
    assert result["model"]["verified"]


def test_a_file_of_another_checksum_changes_nothing(emulator: Slow, own: Json) -> None:
    result = emulator.run_model(**own, checksum="0" * 64)
    assert (code(result), emulator.journal()) == ("wrong_checksum", [])


@pytest.mark.parametrize("name", ["config", "vocabulary", "definition"])
def test_a_file_that_is_not_there(emulator: Slow, own: Json, name: str) -> None:
    result = emulator.run_model(True, **{**own, name: "/nowhere/at/all"})
    assert (code(result), emulator.journal()) == ("unreadable_file", [])


def test_an_empty_definition(emulator: Slow, own: Json) -> None:
    Path(own["definition"]).write_bytes(b"")
    assert code(emulator.run_model(**own)) == "invalid_definition"


def test_a_vocabulary_that_is_refused_ends_the_upload(emulator: Slow, own: Json) -> None:
    refused = {"type": "answer", "status": 400, "body": {"error": {"type": "x", "reason": "planted"}, "status": 400}}
    emulator.fault("any_write", refused, times=-1, path="/_ml/trained_models/own/vocabulary")
    result = emulator.run_model(**own)
    assert (code(result), len(result["api_calls"]), result["changed"]) == ("request_rejected", 1, True)
    assert result["after"]["state"] == "incomplete"


def test_a_vocabulary_that_is_there_already(emulator: Slow, own: Json) -> None:
    reason = "Trained machine learning model vocabulary [own] already exists"
    exists = {"type": "answer", "status": 400, "body": {"error": {"type": "x", "reason": reason}, "status": 400}}
    emulator.fault("any_write", exists, path="/_ml/trained_models/own/vocabulary")
    assert not emulator.run_model(**own).get("failed")


def test_where_an_upload_goes_on_is_known_from_its_journal(emulator: Slow, own: Json, tmp_path: Path) -> None:
    options = {**own, "upload_journal": str(tmp_path / "journal"), "upload_concurrency": 1}
    with emulator.kill(2, sent=True, what="/definition/"):
        emulator.run_model(**options)
    predicted = emulator.run_model(True, **options)
    assert (predicted["operation"], predicted["upload"]["resumed_at"]) == ("resume", 2)
    result = emulator.run_model(**options)
    assert (result["upload"]["sent_parts"], result["upload"]["already_there"]) == (3, 1)
    assert emulator.run_model(**options)["upload"] is None
    assert not (tmp_path / "journal").exists()


def test_a_definition_behind_a_url_that_is_another_one(emulator: Slow, own: Json) -> None:
    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(model_files.DEFINITION)))
            self.end_headers()
            self.wfile.write(model_files.DEFINITION)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        options = {**own, "definition": f"http://127.0.0.1:{server.server_port}/model.pt"}
        wrong = emulator.run_model(**options, checksum="0" * 64)
        assert code(wrong) == "wrong_checksum"
        assert "The task has deleted the incomplete model" in wrong["msg"]
        assert wrong["model"] is None
        assert [call["method"] for call in wrong["api_calls"]] == ["PUT", "PUT", "DELETE"]
        assert not emulator.run_model(**options).get("failed")
        server.shutdown()


def test_the_server_s_own_model_and_an_alias_are_not_deleted(emulator: Slow) -> None:
    emulator.control("POST", "/models", {"model_id": "lang_ident_model_1", "model_type": "lang_ident"})
    assert code(emulator.run_model(model_id="lang_ident_model_1", state="absent", force=True)) == "model_required"
    emulator.api("PUT", "/_ml/trained_models/m/model_aliases/a")
    result = emulator.run_model(model_id="a", state="absent")
    assert (result["changed"], "is an alias of model 'm', which stays" in result["warnings"][0]) == (False, True)


def test_unreadable_users_are_said_and_left_to_elasticsearch(emulator: Slow) -> None:
    emulator.allow("manage_ml")
    result = emulator.run_model(True, model_id="m", state="absent")
    assert result["api_calls"][0]["query"] == {}
    assert any("may not read ingest pipelines" in text for text in result["warnings"])
    forced = emulator.run_model(True, model_id="m", state="absent", force=True)
    assert forced["api_calls"][0]["query"] == {"force": "true"}


# --- rules, which the laws try in turns ---


def _put(emulator: Slow, path: str, body: Json | None = None) -> None:
    assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200, path


MAKES: dict[str, t.Callable[[Slow], object]] = {
    "upgrade_mode": lambda emulator: emulator.effect("set_setting", name="upgrade_mode", value=True),
    "missing_licence": lambda emulator: emulator.effect("set_setting", name="license", value="basic"),
    "is an alias of model 'm'": lambda emulator: _put(emulator, "/_ml/trained_models/m/model_aliases/own"),
    "is the id of a deployment of model 'm'": lambda emulator: emulator.effect(
        "start_deployment", model_id="m", deployment_id="own"
    ),
    "is a tag of model 'tagged'": lambda emulator: _put(
        emulator, "/_ml/trained_models/tagged", {**model_files.CONFIG, "tags": ["own"]}
    ),
    "have ids of other models: 'small'": lambda emulator: emulator.control("POST", "/models", {"model_id": "small"}),
}


@pytest.mark.parametrize("says", MAKES)
def test_what_elasticsearch_would_refuse_is_refused_before(emulator: Slow, own: Json, says: str) -> None:
    MAKES[says](emulator)
    emulator.forget()
    result = emulator.run_model(**own)
    assert says in (code(result), *([says] if says in result["msg"] else [])), result["msg"]
    assert emulator.journal() == []


def test_all_users_are_looked_up_before_a_deletion(emulator: Slow) -> None:
    for deployment_id in ("m", "second"):
        emulator.effect("start_deployment", model_id="m", deployment_id=deployment_id)
    emulator.settle()
    _put(emulator, "/_ml/trained_models/m/model_aliases/a")
    _put(emulator, "/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": "a"}}]})
    settings = {"deployment_id": "m", "model_id": "m", "num_allocations": 1, "num_threads": 1}
    _put(emulator, "/_inference/sparse_embedding/e", {"service": "elasticsearch", "service_settings": settings})
    emulator.forget()
    refused = emulator.run_model(model_id="m", state="absent")
    assert (code(refused), emulator.journal()) == ("model_in_use", [])
    assert refused["used_by"] == {
        "deployments": ["m", "second"],
        "inference_endpoints": ["e"],
        "ingest_pipelines": ["p"],
        "model_aliases": ["a"],
        "semantic_text_indices": [],
    }
    gone = emulator.run_model(model_id="m", state="absent", force=True)
    assert [call["path"].rpartition("/")[2] for call in gone["api_calls"]] == ["_stop", "_stop", "m"]
    assert emulator.control("GET", "/state")["deployments"] == {}
    assert any("The task stops all deployments of model 'm' ('m', 'second')." in text for text in gone["warnings"])
    assert any("these do not work" in text for text in gone["warnings"])


def test_an_incomplete_model_of_another_program(emulator: Slow, own: Json) -> None:
    _put(emulator, "/_ml/trained_models/own", model_files.CONFIG)
    refused = emulator.run_model(**own)
    assert (code(refused), "no task of this collection has begun it" in refused["msg"]) == ("model_incomplete", True)
    result = emulator.run_model(**own, replace="recreate")
    assert (result["operation"], result["model"]["verified"]) == ("recreate", True)


def test_a_model_of_another_type_has_the_id(emulator: Slow, own: Json) -> None:
    emulator.control("POST", "/models", {"model_id": "own", "model_type": "tree_ensemble"})
    result = emulator.run_model(**own)
    assert (code(result), result["model"]["fully_defined"]) == ("model_differs", None)
    assert {"name": "model_type", "current": "tree_ensemble", "desired": "pytorch"} in result["differences"]


def test_a_model_of_another_program_is_not_verified(emulator: Slow, own: Json) -> None:
    emulator.control("POST", "/models", {"model_id": "own", "bytes": len(model_files.DEFINITION)})
    result = emulator.run_model(**{**own, "config": {"model_type": "pytorch", "inference_config": {"ner": {}}}})
    assert code(result) == "model_differs", "it has no task"


def test_where_downloads_cannot_be_read_that_is_said(emulator: Slow) -> None:
    emulator.control("POST", "/models", {"model_id": RERANK, "fully_defined": False, "downloading": True})
    emulator.allow("manage_ml")
    checked = emulator.run_model(True, model_id=RERANK)
    assert "whether Elasticsearch still downloads it cannot be read" in checked["warnings"][0]
    late = emulator.run_model(model_id=RERANK, wait_timeout=10)
    assert (code(late), late["download"]) == ("not_ready_in_time", None)
    assert "how far it is cannot be read" in late["msg"]
    made = emulator.run_model(True, model_id=ELSER, variant="platform_agnostic")
    assert "is left to Elasticsearch" in made["warnings"][0]


# --- dry runs ---


def _predicted(result: Json, kind: str, fact: str) -> Json:
    return {kind: {name: [entry] for name, entry in result["ansible_facts"][fact].items()}}


def test_later_tasks_of_a_dry_run_find_the_model(emulator: Slow, own: Json) -> None:
    emulator.read_only()
    made = emulator.run_model(True, **own)
    known = _predicted(made, "models", "elasticsearch_ml_models")
    deployed = emulator.run(True, model_id="own", predictions=known)
    assert (deployed["failure"], deployed["operation"], deployed["prediction"]["kind"]) == (None, "start", "exact")
    aliased = emulator.run_alias(True, model_alias="a", model_id="own", predictions=known)
    assert (aliased["failure"], aliased["operation"]) == (None, "set")
    again = emulator.run_model(True, **own, predictions=known)
    assert (again["changed"], again["model"]["definition_sha256"]) == (False, made["model"]["definition_sha256"])


def test_what_is_not_known_of_a_package_before_it_is_there_is_said(emulator: Slow) -> None:
    made = emulator.run_model(True, model_id=ELSER)
    known = _predicted(made, "models", "elasticsearch_ml_models")
    deployed = emulator.run(True, model_id=ELSER_X86, predictions=known)
    assert (deployed["failure"], deployed["prediction"]["kind"]) == (None, None)
    assert deployed["prediction"]["reasons"] == [
        f"The size of model '{ELSER_X86}' is not known before the model is there."
    ]
    assert emulator.run_model(True, model_id=ELSER, predictions=known)["model"]["model_id"] == ELSER_X86


def test_later_tasks_of_a_dry_run_miss_the_deleted_model(emulator: Slow) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="m")
    emulator.settle()
    gone = emulator.run_model(True, model_id="m", state="absent", force=True)
    known = _predicted(gone, "models", "elasticsearch_ml_models")
    assert code(emulator.run(True, model_id="m", predictions=known)) == "model_missing"
    assert code(emulator.run_alias(True, model_alias="a", model_id="m", predictions=known)) == "model_missing"
    assert emulator.run_model(True, model_id="m", state="absent", predictions=known)["changed"] is False
    assert emulator.run(True, deployment_id="m", state="stopped", predictions=known)["changed"] is False


def test_the_result_of_a_task_that_read_nothing_has_all_keys(emulator: Slow) -> None:
    result = emulator.run_model(model_id=RERANK)
    assert empty_result().keys() | {"ansible_facts", "warnings"} == result.keys()
