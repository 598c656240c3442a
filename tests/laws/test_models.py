# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws on all pairs of situations and desired states of a trained model.

Each pair runs three times: in check mode on an emulator that refuses every write, for real, and for real once more.
Uploads are interrupted at each request, and go on with and without a journal.
"""

from __future__ import annotations

import base64
import json
import re
import typing as t
from pathlib import Path

import pytest

from support import model_files
from support.emulated_cluster import Emulator
from support.random_search import has_turn

Json = dict[str, t.Any]
VERSIONS = {
    "8.0.1": "default",
    "8.9.2": "default",
    "8.16.0": "default",
    "8.19.21": "default",
    "9.5.3": "default",
    "9.5.2": "serverless",
}
ACCESS = {"full": ("manage_ml", "monitor", "read_pipeline", "monitor_inference"), "least": ("manage_ml",)}
PREDICTED = (
    *("changed", "operation", "skipped_because", "diff", "before", "after", "api_calls", "server", "failure"),
    *("differences", "used_by"),
)
E5, E5_X86, RERANK = ".multilingual-e5-small", ".multilingual-e5-small_linux-x86_64", ".rerank-v1"
CONFIG, VOCABULARY = model_files.CONFIG, model_files.VOCABULARY
DEFINITION = model_files.DEFINITION
PARTS = 5
BASE = "/_ml/trained_models"


class Models(Emulator):
    """An emulator whose own time passes while the code under test sleeps."""

    def __init__(self, version: str, access: str = "full") -> None:
        super().__init__(version, models=(("other", 1 << 20),), flavor=VERSIONS[version])
        self.control("POST", "/clock", {"frozen": True})
        self.effect("set_download_time", seconds=3)
        self.access = access

    def pass_time(self) -> None:
        self.control("POST", "/clock", {"advance": 1})
        super().pass_time()

    def model(self, model_id: str, **given: t.Any) -> Json:
        return t.cast(Json, self.control("POST", "/models", {"model_id": model_id, "bytes": len(DEFINITION), **given}))

    def put(self, path: str, body: Json | None = None) -> None:
        assert self.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200, path


@pytest.fixture(scope="module", autouse=True)
def folder() -> None:
    model_files.write(model_files.FOLDER)
    (model_files.FOLDER / "other.pt").write_bytes(DEFINITION[::-1])
    (model_files.FOLDER / "other.json").write_text(json.dumps({**CONFIG, "tags": ["large"]}))
    (model_files.FOLDER / "other-vocabulary.json").write_text(json.dumps({"vocabulary": ["x"]}))


OWN: Json = {"model_id": "own", **model_files.OPTIONS, "upload_part_size": "1kb"}
OTHER_FILE: Json = {**OWN, "definition": str(model_files.FOLDER / "other.pt")}


def by_eland(emulator: Models, parts: t.Iterable[int] = range(PARTS), definition: bytes = DEFINITION) -> None:
    """Upload the model as eland does: without a checksum, and the vocabulary last."""
    emulator.put(f"{BASE}/own", CONFIG)
    for part in parts:
        content = base64.b64encode(definition[part * 1024 : (part + 1) * 1024]).decode()
        body = {"definition": content, "total_definition_length": len(definition), "total_parts": PARTS}
        emulator.put(f"{BASE}/own/definition/{part}", body)
    emulator.put(f"{BASE}/own/vocabulary", VOCABULARY)


def interrupted(emulator: Models, survived: int = 2, **options: t.Any) -> None:
    """Let a task die when some parts are there."""
    with emulator.kill(survived, sent=True, what="/definition/"):
        emulator.run_model(**{**OWN, "upload_concurrency": 1, **options})


def uploaded(emulator: Models, **options: t.Any) -> None:
    result = emulator.run_model(**{**OWN, **options})
    assert not result.get("failed"), result["msg"]


def deployed(emulator: Models, deployment_id: str = "own") -> None:
    uploaded(emulator)
    emulator.effect("start_deployment", model_id="own", deployment_id=deployment_id)
    emulator.settle()


def _used(emulator: Models) -> None:
    deployed(emulator)
    emulator.effect("start_deployment", model_id="own", deployment_id="second")
    emulator.settle()
    emulator.put(f"{BASE}/own/model_aliases/alias")
    emulator.put("/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": "alias"}}]})


def _endpoint(emulator: Models) -> None:
    uploaded(emulator)
    settings = {"model_id": "own", "num_allocations": 1, "num_threads": 1}
    body = {"service": "elasticsearch", "service_settings": settings}
    emulator.put("/_inference/text_embedding/e", body)


def _setting(name: str, value: t.Any) -> t.Callable[[Models], None]:
    return lambda emulator: emulator.effect("set_setting", name=name, value=value)


class Situation(t.NamedTuple):
    make: t.Callable[[Models], object]
    since: tuple[int, int] = (8, 8)
    serverless: bool = True


SITUATIONS = {
    "nothing": Situation(lambda emulator: None, (8, 0)),
    "plain package": Situation(lambda emulator: emulator.model(E5)),
    "package for x86": Situation(lambda emulator: emulator.model(E5_X86)),
    "failed download": Situation(lambda emulator: emulator.model(E5, fully_defined=False, missing_parts="all")),
    "download for x86": Situation(
        lambda emulator: emulator.put(f"{BASE}/{E5_X86}", {"input": {"field_names": ["text_field"]}}), (8, 12)
    ),
    "ours": Situation(uploaded),
    "ours, another file": Situation(lambda emulator: uploaded(emulator, **OTHER_FILE)),
    "ours, another vocabulary": Situation(
        lambda emulator: uploaded(emulator, vocabulary=str(model_files.FOLDER / "other-vocabulary.json"))
    ),
    "ours, another configuration": Situation(
        lambda emulator: uploaded(emulator, config=str(model_files.FOLDER / "other.json"))
    ),
    "ours, some parts": Situation(interrupted),
    "ours, some parts of another file": Situation(lambda emulator: interrupted(emulator, **OTHER_FILE)),
    "ours, no part": Situation(lambda emulator: interrupted(emulator, 0)),
    "by eland": Situation(by_eland),
    "by eland, larger": Situation(lambda emulator: by_eland(emulator, definition=DEFINITION[:-7])),
    "by eland, some parts": Situation(lambda emulator: by_eland(emulator, (0, 1))),
    "deployed": Situation(deployed),
    "deployed under another id": Situation(lambda emulator: deployed(emulator, "second")),
    "deployed twice, with alias and pipeline": Situation(_used),
    "with an endpoint": Situation(_endpoint, (8, 15)),
    "an alias has the id": Situation(lambda emulator: emulator.put(f"{BASE}/other/model_aliases/own")),
    "a deployment has the id": Situation(
        lambda emulator: emulator.effect("start_deployment", model_id="other", deployment_id="own")
    ),
    "a tag has the id": Situation(lambda emulator: emulator.put(f"{BASE}/tagged", {**CONFIG, "tags": ["own"]})),
    "a model has the tag": Situation(lambda emulator: emulator.model("small")),
    "upgrade mode": Situation(_setting("upgrade_mode", True), serverless=False),
    "basic licence": Situation(_setting("license", "basic"), serverless=False),
}
FORCED: Json = {"replace": "recreate", "on_referenced": "force"}
DESIRED: dict[str, Json] = {
    "package": {"model_id": E5},
    "plain package": {"model_id": E5, "variant": "platform_agnostic"},
    "package for x86": {"model_id": E5, "variant": "linux-x86_64"},
    "package again": {"model_id": E5, "variant": "platform_agnostic", "replace": "recreate"},
    "rerank": {"model_id": RERANK, "wait": False},
    "own": OWN,
    "own, replaced": {**OWN, "replace": "recreate"},
    "own, replaced by force": {**OWN, **FORCED},
    "own, gone": {"model_id": "own", "state": "absent"},
    "own, gone by force": {"model_id": "own", "state": "absent", "force": True},
    "package gone": {"model_id": E5_X86, "state": "absent"},
    "managed, gone": {"model_id": "lang_ident_model_1", "state": "absent", "force": True},
}


def prepared(version: str, situation: str, access: str = "full") -> Models:
    """Return a new cluster in a *situation*, with an empty journal."""
    emulator = Models(version)
    emulator.control("POST", "/models", {"model_id": "lang_ident_model_1", "model_type": "lang_ident"})
    SITUATIONS[situation].make(emulator)
    emulator.forget()
    emulator.allow(*ACCESS[access])
    return emulator


def pairs() -> t.Iterator[tuple[str, str]]:
    for version, flavor in VERSIONS.items():
        release = tuple(int(part) for part in version.split("."))
        for name, situation in SITUATIONS.items():
            if release >= situation.since and (situation.serverless or flavor == "default"):
                yield version, name


def options_of(name: str) -> Json:
    return {"wait_timeout": 60, **DESIRED[name]}


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize(("version", "situation"), list(pairs()))
def test_every_law_holds(version: str, situation: str, access: str) -> None:
    turn = len(ACCESS) * [*VERSIONS].index(version) + [*ACCESS].index(access) + [*SITUATIONS].index(situation)
    for number, name in enumerate(DESIRED):
        if not has_turn(turn + number, len(VERSIONS) * len(ACCESS)):
            continue
        options, where = options_of(name), f"{version}, {situation}, {access}, {name}"
        with prepared(version, situation, access) as checked, prepared(version, situation, access) as real:
            checked.read_only()
            predicted = checked.run_model(True, **options)
            assert checked.journal() == [], where
            happened = real.run_model(**options)
            _is_true(real, happened, where)
            if predicted.get("failed"):
                assert (predicted["msg"], predicted["failure"]) == (happened["msg"], happened["failure"]), where
                assert real.journal() == [], f"{where}: refused after a write"
            elif happened.get("failed"):
                _is_announced(predicted, happened, access, where)
            else:
                assert {key: predicted[key] for key in PREDICTED} == {key: happened[key] for key in PREDICTED}, where
                assert predicted["warnings"] == happened["warnings"], where
                _is_reached(real, options, happened, where)
                _second_run(real, options, where)


def _is_announced(predicted: Json, happened: Json, access: str, where: str) -> None:
    """Require that a dry run has said what it could not know: of the licence, downloads and pipelines."""
    assert access == "least" or "9.5.2" in where, f"{where}: {happened['msg']}"
    said = ("is left to Elasticsearch", "cannot be read", "may not read")
    assert any(text in warning for text in said for warning in predicted["warnings"]), f"{where}: {happened['msg']}"


def _stored(emulator: Models, model_id: str) -> Json | None:
    models: dict[str, Json] = emulator.control("GET", "/state")["models"]
    return models.get(model_id)


def _is_reached(emulator: Models, options: Json, result: Json, where: str) -> None:
    if options.get("state") == "absent":
        assert _stored(emulator, result["before"]["model_id"] or options["model_id"]) is None, where
        return
    assert _stored(emulator, result["model"]["model_id"]) is not None, where
    assert result["model"]["fully_defined"] is not False or not options.get("wait", True), where


def _is_true(emulator: Models, result: Json, where: str) -> None:
    """Require that the result shows the writes that took effect; all parts are one entry, a vocabulary is counted.

    A vocabulary that an earlier task has sent is shown, too: a dry run cannot know that it is there.
    """
    committed = [entry for entry in emulator.journal() if entry["status"] == 200]
    there = [entry for entry in emulator.journal() if entry["status"] == 400 and entry["path"].endswith("/vocabulary")]
    sent = dict.fromkeys((entry["method"], _common(entry["path"])) for entry in (*committed, *there))
    reported = [(call["method"], call["path"]) for call in result["api_calls"]]
    assert sorted(set(reported)) == sorted(sent), where
    assert result["changed"] == bool(committed), where


def _common(path: str) -> str:
    return re.sub(r"/definition/\d+$", "/definition/{part}", path)


def _second_run(emulator: Models, options: Json, where: str) -> None:
    emulator.forget()
    again = emulator.run_model(**options)
    assert not again.get("failed"), f"{where}: {again.get('msg')}"
    assert (again["changed"], again["operation"], emulator.journal()) == (False, "none", []), where


# --- uploads that break ---


def writes() -> int:
    """Return the number of writes of an upload."""
    with prepared("9.5.3", "nothing") as emulator:
        uploaded(emulator)
        return len(emulator.journal())


@pytest.mark.parametrize("with_journal", [False, True])
@pytest.mark.parametrize("sent", [False, True])
def test_a_killed_upload_is_finished_by_the_next_task(tmp_path: Path, with_journal: bool, sent: bool) -> None:
    """Test a kill at each write, and another one at each write of the task that goes on."""
    for first in range(writes()):
        for second in range(writes()):
            if not has_turn(first + second, 4):
                continue
            with prepared("9.5.3", "nothing") as emulator:
                path = tmp_path / f"{first}-{second}-{sent}.journal"
                options = {**OWN, "upload_concurrency": 1, **({"upload_journal": str(path)} if with_journal else {})}
                for survived in (first, second):
                    with emulator.kill(_reads_and(survived, emulator, options), sent=sent, what=""):
                        emulator.run_model(**options)
                predicted = emulator.run_model(True, **options)
                happened = emulator.run_model(**options)
                assert not happened.get("failed"), happened["msg"]
                assert {key: predicted[key] for key in PREDICTED} == {key: happened[key] for key in PREDICTED}
                _is_whole(emulator)
                assert not path.exists(), "the journal stays, though the model is complete"
                _second_run(emulator, options, f"{first}, {second}")


def _reads_and(survived: int, emulator: Models, options: Json) -> int:
    """Return the number of requests before the write number *survived*: reads come first, and after each write."""
    return survived * 2 + 3


def _is_whole(emulator: Models) -> None:
    """Require that Elasticsearch has each part once, and the vocabulary."""
    paths = [entry["path"] for entry in emulator.journal() if entry["committed"]]
    parts = [int(path.rpartition("/")[2]) for path in paths if "/definition/" in path]
    assert sorted(parts) == list(range(PARTS))
    assert any(entry["committed"] and entry["path"].endswith("/vocabulary") for entry in emulator.journal())


HTML = {"type": "answer", "status": 502, "headers": {"content-type": "text/html"}, "body": "<html>Bad Gateway</html>"}


def _answer(status: int, reason: str) -> Json:
    error = {"error": {"type": "exception", "reason": reason}, "status": status}
    return {"type": "answer", "status": status, "body": error}


FAULTS: dict[str, tuple[Json, str]] = {
    "dropped before": ({"type": "drop"}, "before"),
    "dropped after": ({"type": "drop"}, "after"),
    "gateway before": (HTML, "before"),
    "gateway after": (HTML, "after"),
    "408 after": (_answer(408, "late"), "after"),
    "503 before": (_answer(503, "not ready"), "before"),
    "truncated": ({"type": "truncate"}, "after"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lost_answer_at_any_write(fault: str) -> None:
    do, when = FAULTS[fault]
    for number in range(writes()):
        with prepared("9.5.3", "nothing") as emulator:
            emulator.fault("any_write", do, when, after=number, path="/_ml/**")
            result = emulator.run_model(**OWN)
            if result.get("failed"):
                emulator.control("DELETE", "/faults")
                result = emulator.run_model(**OWN)
            assert not result.get("failed"), f"{number}: {result.get('msg')}"
            _is_whole(emulator)
            _second_run(emulator, OWN, f"{fault} at {number}")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            409,
            "Native model store has exceeded the maximum acceptable size of {50gb}, please delete older unused models",
        ),
        (400, "planted"),
        (403, "no"),
    ],
)
def test_a_refusal_at_any_write_says_what_is_missing(status: int, reason: str) -> None:
    for number in range(writes()):
        with prepared("9.5.3", "nothing") as emulator:
            emulator.fault("any_write", _answer(status, reason), "before", after=number, times=-1, path="/_ml/**")
            result = emulator.run_model(**{**OWN, "upload_concurrency": 1})
            assert result["failed"]
            assert result["failure"]["code"] not in ("internal_error", "conflict"), result["msg"]
            assert result["changed"] == (number > 0)
            if number > 2:
                assert "parts of the definition are missing" in result["msg"]
                assert result["upload"]["sent_parts"] == number - 2
            emulator.control("DELETE", "/faults")
            assert not emulator.run_model(**OWN).get("failed")
            _is_whole(emulator)
