# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test uploads beside those of the laws: files and vocabularies that are refused, journals, URLs."""

from __future__ import annotations

import base64
import contextlib
import datetime
import functools
import hashlib
import itertools
import json
import random
import typing as t
import zipfile
from pathlib import Path

import pytest

from support import model_files
from support.file_server import serving_file
from support.model_runs import Json, Slow, code

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


def test_an_archive_without_an_end(emulator: Slow, own: Json) -> None:
    with zipfile.ZipFile(own["definition"], "w") as archive:
        archive.writestr("model/data.pkl", bytes(range(256)))
    whole = Path(own["definition"]).read_bytes()
    Path(own["definition"]).write_bytes(whole[:-30])
    for check_mode in (True, False):
        result = emulator.run_model(check_mode, **own)
        assert (code(result), emulator.journal()) == ("invalid_definition", [])
        assert "is a TorchScript archive whose end is missing" in result["msg"]
    Path(own["definition"]).write_bytes(whole)
    assert emulator.run_model(**own)["operation"] == "upload"


@pytest.mark.parametrize("beyond", [1, 21, 22, 65536])
def test_an_archive_whose_end_is_where_it_is_read_in_two_blocks(emulator: Slow, own: Json, beyond: int) -> None:
    with zipfile.ZipFile(own["definition"], "w") as archive:
        archive.writestr("x", b"")
    rest = (1 << 20) + beyond - Path(own["definition"]).stat().st_size
    with zipfile.ZipFile(own["definition"], "w") as archive:
        archive.writestr("x", bytes(rest))
    assert Path(own["definition"]).stat().st_size == (1 << 20) + beyond
    assert emulator.run_model(True, **{**own, "upload_part_size": None})["operation"] == "upload"


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({1: {2: True}}, {"1": {"2": True}}),
        ({"day": datetime.date(2026, 5, 4)}, {"day": "2026-05-04"}),
    ],
)
def test_a_configuration_in_yaml_is_stored_as_json_has_it(
    emulator: Slow, own: Json, metadata: Json, kept: Json
) -> None:
    options = {**own, "config": {**model_files.CONFIG, "metadata": metadata}}
    predicted, result = emulator.run_model(True, **options), emulator.run_model(**options)
    assert predicted["api_calls"] == result["api_calls"]
    assert result["model"]["config"]["metadata"].items() >= kept.items()
    assert emulator.run_model(**options)["operation"] == "none"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}])
def test_a_value_that_json_does_not_have(emulator: Slow, own: Json, value: object) -> None:
    options = {**own, "config": {**model_files.CONFIG, "metadata": {"x": value}}}
    for check_mode in (True, False):
        result = emulator.run_model(check_mode, **options)
        assert (code(result), emulator.journal()) == ("invalid_value", [])


@pytest.mark.parametrize("text", ['{"vocabulary": ["\\ud800"]}', '{"vocabulary": ["a"], "scores": [1e400]}'])
def test_a_vocabulary_that_json_cannot_have(emulator: Slow, own: Json, text: str) -> None:
    Path(own["vocabulary"]).write_text(text)
    result = emulator.run_model(True, **own)
    assert (code(result), emulator.journal()) == ("invalid_value", [])


@pytest.mark.parametrize(
    "foreign",
    [
        {"part_size": "x", "definition_sha256": "a"},
        {"part_size": -4, "definition_sha256": "a"},
        {"part_size": 1024},
        {"definition_sha256": ["a"], "part_size": 1024},
    ],
)
def test_metadata_that_no_task_has_written(emulator: Slow, own: Json, foreign: Json) -> None:
    emulator.put("/_ml/trained_models/own", {**model_files.CONFIG, "metadata": {"mlops_elasticsearch": foreign}})
    assert code(emulator.run_model(**own)) == "model_incomplete"


def test_a_vocabulary_that_is_refused_ends_the_upload(emulator: Slow, own: Json) -> None:
    refused = {"type": "answer", "status": 400, "body": {"error": {"type": "x", "reason": "planted"}, "status": 400}}
    emulator.fault("any_write", refused, times=-1, path="/_ml/trained_models/own/vocabulary")
    result = emulator.run_model(**own)
    assert (code(result), len(result["api_calls"]), result["changed"]) == ("request_rejected", 1, True)
    assert result["after"]["state"] == "incomplete"


TOO_LARGE = {"type": "answer", "status": 413, "body": {"error": {"type": "x", "reason": "planted"}, "status": 413}}


def test_parts_that_a_proxy_does_not_let_through_can_be_smaller_in_the_next_task(emulator: Slow, own: Json) -> None:
    emulator.fault("any_write", TOO_LARGE, times=-1, path="/_ml/trained_models/own/definition/*")
    result = emulator.run_model(**own)
    assert "Set upload_part_size to less than 1kb." in result["msg"]
    assert "The task has deleted the incomplete model, which keeps its size of parts." in result["msg"]
    assert (result["model"], [call["method"] for call in result["api_calls"]]) == (None, ["PUT", "PUT", "DELETE"])
    emulator.control("DELETE", "/faults")
    assert emulator.run_model(**{**own, "upload_part_size": "512b"})["upload"]["part_size"] == 512


def test_parts_that_are_there_are_kept(emulator: Slow, own: Json) -> None:
    with emulator.kill(2, sent=True, what="/definition/"):
        emulator.run_model(**own)
    emulator.fault("any_write", TOO_LARGE, times=-1, path="/_ml/trained_models/own/definition/*")
    result = emulator.run_model(**own)
    assert "An upload keeps the size of its parts, unless you set replace to recreate." in result["msg"]
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


def test_a_journal_that_a_killed_task_has_left_is_removed(emulator: Slow, own: Json, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    options = {**own, "upload_journal": str(path), "upload_concurrency": 1}
    with emulator.kill(4, sent=True, what="/definition/"):
        emulator.run_model(**options)
    left = path.read_bytes()
    assert emulator.run_model(True, **options)["warnings"] == []
    assert path.read_bytes() == left, "check mode changes nothing"
    result = emulator.run_model(**options)
    assert (result["changed"], result["warnings"], path.exists()) == (False, [], False)
    path.write_bytes(left.replace(b'"own"', b'"another"'))
    assert not emulator.run_model(**options)["changed"]
    assert path.exists(), "that of another model stays"


def test_the_journal_of_another_model_is_refused_before_a_write(emulator: Slow, own: Json, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    with emulator.kill(2, sent=True, what="/definition/"):
        emulator.run_model(**{**own, "model_id": "first"}, upload_journal=journal)
    before = emulator.journal()
    for check_mode in (True, False):
        result = emulator.run_model(check_mode, **own, upload_journal=journal)
        assert (code(result), emulator.journal()) == ("upload_journal_mismatch", before)
    Path(journal).write_bytes(b'{"format": "ml')  # a process was killed while it wrote the first line
    assert emulator.run_model(**own, upload_journal=journal)["operation"] == "upload"
    Path(journal).touch()
    assert emulator.run_model(**own, upload_journal=journal)["operation"] == "none"


def test_a_definition_behind_a_url_that_is_another_one(emulator: Slow, own: Json) -> None:
    with serving_file(model_files.DEFINITION) as server:
        options = {**own, "definition": server.url}
        wrong = emulator.run_model(**options, checksum="0" * 64)
        assert code(wrong) == "wrong_checksum"
        assert "The task has deleted the incomplete model" in wrong["msg"]
        assert wrong["model"] is None
        assert [call["method"] for call in wrong["api_calls"]] == ["PUT", "PUT", "DELETE"]
        assert not emulator.run_model(**options).get("failed")


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


# --- other clients ---


@contextlib.contextmanager
def acting(emulator: Slow, at: int, act: t.Callable[[], object], what: str = "") -> t.Iterator[list[str]]:
    """Let another client act right before the request number *at* of those whose path has *what*; yield that one."""
    request, numbers = emulator._inner.request, itertools.count()
    found: list[str] = []

    def meanwhile(method: str, target: str, *arguments: t.Any) -> t.Any:
        if what in target and next(numbers) == at:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(emulator._inner, "request", request)
                found.append(target)
                act()
        return request(method, target, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator._inner, "request", meanwhile)
        yield found


def _replace(emulator: Slow) -> None:
    """Delete the model, and begin the upload of another file as another task would."""
    emulator.api("DELETE", "/_ml/trained_models/own")
    ours = {"definition_sha256": "0" * 64, "definition_bytes": len(model_files.DEFINITION), "part_size": 1024}
    emulator.put("/_ml/trained_models/own", {**model_files.CONFIG, "metadata": {"mlops_elasticsearch": ours}})


def _part(emulator: Slow, number: int) -> None:
    content = base64.b64encode(bytes(1024)).decode()
    body = {"definition": content, "total_definition_length": len(model_files.DEFINITION), "total_parts": 5}
    emulator.put(f"/_ml/trained_models/own/definition/{number}", body)


@pytest.mark.parametrize("replaces", [False, True])
def test_a_model_that_another_client_deletes_or_replaces_at_any_moment(
    emulator: Slow, own: Json, replaces: bool
) -> None:
    """Test that no other model is completed by this upload, and that the next task completes its own."""
    failures = set()
    for at in range(40):
        before: list[Json] = []

        def act(before: list[Json] = before) -> None:
            before.extend(emulator.journal())
            _replace(emulator) if replaces else emulator.api("DELETE", "/_ml/trained_models/own")

        with acting(emulator, at, act) as next_request:
            result = emulator.run_model(**own, upload_concurrency=1)
        failures.add(code(result))
        if code(result):
            later = emulator.journal()[len(before) :]
            # Between the last look and the last part is a moment: Elasticsearch has no conditional write.
            last = [entry for entry in later if entry["committed"] and entry["path"].endswith("/definition/4")]
            assert not last or next_request[0].startswith("/_ml/trained_models/own/definition/4"), at
            assert not emulator.run_model(**own, replace="recreate").get("failed")
        emulator.api("DELETE", "/_ml/trained_models/own")
    assert "conflict" in failures


@pytest.mark.parametrize("number", range(5))
def test_a_task_that_replaces_an_upload_takes_no_part_of_that(emulator: Slow, own: Json, number: int) -> None:
    """Test that a task which still sends parts of the deleted model cannot mix them into the new one."""
    _replace(emulator)
    options = {**own, "upload_concurrency": 1}
    with acting(emulator, number, functools.partial(_part, emulator, number), "/definition/"):
        result = emulator.run_model(**options, replace="recreate")
    assert (code(result), result["model"]) == ("conflict", None)
    assert "Another task still sends parts to model 'own'" in result["msg"]
    assert "has deleted the incomplete model" in result["msg"]
    assert emulator.run_model(**options)["upload"]["already_there"] == 0


@pytest.mark.parametrize("other_file", [False, True])
def test_a_task_that_may_begin_again_takes_the_size_of_its_own_parts(
    emulator: Slow, own: Json, other_file: bool
) -> None:
    """Test what a proxy asks for that refuses the parts with which an upload began."""
    with emulator.kill(0, sent=True, what="/definition/"):
        emulator.run_model(**own)
    if other_file:
        Path(own["definition"]).write_bytes(model_files.DEFINITION[::-1])
    options = {**own, "upload_part_size": "600b", "replace": "recreate"}
    predicted, result = emulator.run_model(True, **options), emulator.run_model(**options)
    assert (code(result), result["operation"], result["upload"]["parts"]) == (None, "recreate", 9)
    assert [predicted[key] for key in ("operation", "diff", "api_calls")] == [
        result[key] for key in ("operation", "diff", "api_calls")
    ]
    assert (predicted["upload"]["parts"], predicted["upload"]["part_size"]) == (9, 600)
    assert emulator.run_model(**options)["operation"] == "none"


def test_an_upload_that_goes_on_keeps_the_size_of_its_parts(emulator: Slow, own: Json) -> None:
    with emulator.kill(0, sent=True, what="/definition/"):
        emulator.run_model(**own)
    result = emulator.run_model(**{**own, "upload_part_size": "600b"})
    assert (result["operation"], result["upload"]["part_size"]) == ("resume", 1024)


def test_an_upload_that_goes_on_counts_what_is_there(emulator: Slow, own: Json) -> None:
    with emulator.kill(2, sent=True, what="/definition/"):
        emulator.run_model(**own, upload_concurrency=1)
    assert emulator.run_model(**own, replace="recreate")["upload"]["already_there"] == 3


def test_a_lost_answer_of_a_task_that_replaces_an_upload(emulator: Slow, own: Json) -> None:
    _replace(emulator)
    emulator.fault("any_write", {"type": "drop"}, "after", path="/_ml/trained_models/own/definition/2")
    emulator.fault("any_write", {"type": "drop"}, "after", path="/_ml/trained_models/own/vocabulary")
    result = emulator.run_model(**own, replace="recreate")
    assert (code(result), result["upload"]["already_there"]) == (None, 1)


# --- a file behind a URL that is not what its checksum says ---

WHOLE = random.Random(3).randbytes(5 << 18)
WRONG = random.Random(4).randbytes(5 << 18)


@pytest.fixture
def large(own: Json) -> Json:
    """Return a task whose parts are sent before the end of the file was read."""
    Path(own["definition"]).write_bytes(WHOLE)
    checksum = hashlib.sha256(WHOLE).hexdigest()
    return {**own, "upload_part_size": "128kb", "checksum": checksum, "upload_concurrency": 1}


def _broken(emulator: Slow, options: Json, content: bytes, etag: str = '"1"') -> None:
    """Let an upload from a URL end when three parts are there."""
    with serving_file(content, etag=etag) as server, emulator.kill(2, sent=True, what="/definition/"):
        emulator.run_model(**{**options, "definition": server.url})


@pytest.mark.parametrize("etag", ['"2"', "", None])
def test_parts_of_a_wrong_file_are_not_completed_with_those_of_the_right_one(
    emulator: Slow, large: Json, etag: str | None
) -> None:
    """Test files of another revision, of none, and on the disk."""
    _broken(emulator, large, WRONG)
    with serving_file(WHOLE, etag=etag or "") as server:
        options = large if etag is None else {**large, "definition": server.url}
        for check_mode in (True, False):
            result = emulator.run_model(check_mode, **options)
            assert code(result) == "model_differs"
            assert "definition_revision is" in result["msg"]
        result = emulator.run_model(**options, replace="recreate")
        assert (result["operation"], result["upload"]["already_there"]) == ("recreate", 0)
        assert emulator.run_model(**options)["operation"] == "none"
    assert emulator.run_model(**large)["operation"] == "none"


def test_an_upload_of_one_revision_goes_on(emulator: Slow, large: Json) -> None:
    _broken(emulator, large, WHOLE)
    with serving_file(WHOLE) as server:
        options = {**large, "definition": server.url}
        assert emulator.run_model(True, **options)["operation"] == "resume"
        assert emulator.run_model(**options)["upload"]["already_there"] == 3


@pytest.mark.parametrize("etag", ['"1"', ""])
def test_what_is_known_to_be_right_gets_no_part_of_a_wrong_file(emulator: Slow, large: Json, etag: str) -> None:
    with emulator.kill(2, sent=True, what="/definition/"):
        emulator.run_model(**large)
    before = emulator.journal()
    with serving_file(WRONG, etag=etag) as server:
        for check_mode in (True, False):
            result = emulator.run_model(check_mode, **{**large, "definition": server.url})
            assert (code(result), emulator.journal()) == ("wrong_checksum", before)
    with serving_file(WHOLE, etag=etag) as server:
        assert emulator.run_model(**{**large, "definition": server.url})["upload"]["already_there"] == 3


def test_a_file_without_a_revision_is_read_before_it_is_sent(emulator: Slow, large: Json) -> None:
    with serving_file(WRONG, etag="") as server:
        result = emulator.run_model(**{**large, "definition": server.url})
    assert (code(result), emulator.journal()) == ("wrong_checksum", [])
