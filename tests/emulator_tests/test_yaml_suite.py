# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the runner of Elasticsearch's YAML test format, and our suites, with facts that the public suites show.

``YAML_SUITES`` in the environment names checkouts of elastic/elasticsearch-clients-tests or elastic/elasticsearch, or
folders of their tests; without it only our own suites run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from emulator_tests.yaml_suite import runner
from emulator_tests.yaml_suite.__main__ import EXPECTED, main
from emulator_tests.yaml_suite.suites import Expected, load

OWN: Final = Path(runner.__file__).parent / "test"
PUBLIC: Final = [path for path in os.environ.get("YAML_SUITES", "").split(os.pathsep) if path]
NOTHING: Final = Expected({})
BODY: Final = {"model_type": "pytorch", "inference_config": {"ner": {}}}
MODEL: Final = {"ml.get_trained_models": {"model_id": "none*"}}


@pytest.fixture(scope="module")
def running() -> Iterator[runner.Runner]:
    with runner.started(OWN, NOTHING, None, "--version", "9.5.3") as found:
        yield found


@pytest.mark.parametrize("file", sorted(OWN.glob("*/*.yml")), ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_own_suites(running: runner.Runner, file: Path) -> None:
    """Test server-behaviour.md 1 to 4, as far as the public suites are about them."""
    results = list(running.results(file))
    assert [result for result in results if result.outcome == "failed"] == []
    assert any(result.outcome == "passed" for result in results)


@pytest.mark.parametrize("version", ["8.10.4", "8.19.21"])
def test_own_suites_on_older_servers(version: str) -> None:
    """Test facts that are older than the newest server; later ones are skipped."""
    with runner.started(OWN, NOTHING, None, "--version", version) as older:
        results = [result for file in sorted(OWN.glob("trained_models/*.yml")) for result in older.results(file)]
    assert [result for result in results if result.outcome == "failed"] == []


@pytest.mark.parametrize("path", PUBLIC or [None])
def test_public_suites(path: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Test that what cannot pass is listed in expected.json."""
    if path is None:
        pytest.skip("YAML_SUITES names no checkout")
    status = main([path, "--failures"])
    assert status == 0, capsys.readouterr().out


WRONG: Final[dict[str, Any]] = {
    "match": {"match": {"count": 1}},
    "match true": {"match": {"count": False}},
    "match regex": {"match": {"count": "/1/"}},
    "match object": {"match": {"$body": {"count": 0}}},
    "length": {"length": {"trained_model_configs": 1}},
    "contains": {"contains": {"trained_model_configs": "x"}},
    "gt": {"gt": {"count": 0}},
    "gte": {"gte": {"count": 1}},
    "lt": {"lt": {"count": 0}},
    "lte": {"lte": {"nothing": 1}},
    "close_to": {"close_to": {"count": {"value": 1, "error": 0.5}}},
    "is_true": {"is_true": "count"},
    "is_false": {"is_false": "$body"},
    "exists": {"exists": "nothing"},
    "not_exists": {"not_exists": "count"},
    "set": {"set": {"nothing": "name"}},
    "unknown step": {"transform": {}},
    "unknown api": {"do": {"no.such_api": {}}},
    "unknown argument": {"do": {"ml.info": {"nothing": 1}}},
    "two requests": {"do": {"ml.info": {}, "info": {}}},
    "status": {"do": {"ml.get_trained_models": {"model_id": "none"}}},
    "nothing to catch": {"do": {"catch": "missing", **MODEL}},
    "another status": {"do": {"catch": "conflict", "ml.get_trained_models": {"model_id": "none"}}},
    "another text": {"do": {"catch": "/other/", "ml.get_trained_models": {"model_id": "none"}}},
    "unknown catch": {"do": {"catch": "luck", "ml.get_trained_models": {"model_id": "none"}}},
    "no warning": {"do": {"warnings": ["be warned"], **MODEL}},
    "no JSON": {"do": {"ml.put_trained_model": {"model_id": "m", "body": "{"}}},
}


def _suite(folder: Path, steps: list[Any], **parts: Any) -> Path:
    path = folder / "tests" / "made" / "suite.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    documents = [{name: value} for name, value in {**parts, "a test": steps}.items()]
    path.write_text("\n---\n".join(map(json.dumps, documents)), "utf-8")
    return path


@pytest.mark.parametrize("step", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_step_fails(running: runner.Runner, tmp_path: Path, step: dict[str, Any]) -> None:
    """Test the steps that pass in our own suites, each with something wrong."""
    (result,) = running.results(_suite(tmp_path, [{"do": MODEL}, step]))
    assert (result.name, result.outcome) == ("made/suite/a test", "failed")
    assert result.text.startswith("test, step 2: ")


def test_setup_and_teardown_count(running: runner.Runner, tmp_path: Path) -> None:
    """Test that a test fails with them, and that teardown always runs."""
    wrong: Any = [{"is_true": "nothing"}]
    (result,) = running.results(_suite(tmp_path, [], setup=wrong))
    assert result.text.startswith("setup, step 1: ")
    (result,) = running.results(_suite(tmp_path, [], teardown=wrong))
    assert result.text.startswith("teardown, step 1: ")
    put = {
        "do": {
            "ml.put_trained_model": {
                "model_id": "m",
                "body": {"model_type": "pytorch", "inference_config": {"ner": {}}},
            }
        }
    }
    delete = {"do": {"ml.delete_trained_model": {"model_id": "m"}}}
    (result,) = running.results(_suite(tmp_path, [put, *wrong], teardown=[delete]))
    assert result.text.startswith("test, step 2: ")
    assert running.process.control("GET", "/state")["models"] == {}


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"skip": {"version": "9.0.0 - 9.5.99", "reason": "other"}}, "version 9.0.0 - 9.5.99: other"),
        ({"skip": {"version": " - 8.0.0, 9.5.0 - "}}, "version  - 8.0.0, 9.5.0 -"),
        ({"skip": {"version": "all", "reason": "broken"}}, "version all: broken"),
        ({"skip": {"awaits_fix": "later"}}, "awaits a fix: later"),
        ({"skip": {"cluster_features": ["gte_v8.8.0"]}}, "the cluster has gte_v8.8.0"),
        ({"skip": {"features": "node_tricks"}}, "this runner lacks node_tricks"),
        ({"requires": {"cluster_features": "gte_v10.0.0"}}, "the cluster lacks gte_v10.0.0"),
        ({"requires": {"test_runner_features": ["headers", "magic"]}}, "this runner lacks magic"),
        ({"skip": {"version": " - 8.99.99", "features": ["headers"]}}, None),
        ({"requires": {"cluster_features": ["gte_v8.8.0", "ml.something"]}}, None),
    ],
)
def test_skips(running: runner.Runner, tmp_path: Path, step: Any, why: str | None) -> None:
    """Test that a test for another server or runner says why it did not run; in setup it holds for all."""
    for suite in (_suite(tmp_path, [step, {"is_false": "x"}]), _suite(tmp_path, [], setup=[step])):
        (result,) = running.results(suite)
        assert (result.outcome, result.text) == (("passed", "") if why is None else ("skipped", why))


def test_stack_or_serverless(running: runner.Runner, tmp_path: Path) -> None:
    """Test that the clients' suites say for which of the two they are."""
    (result,) = running.results(_suite(tmp_path, [], requires={"stack": False, "serverless": True}))
    assert (result.outcome, result.text) == ("skipped", "not for default")
    (result,) = running.results(_suite(tmp_path, [], requires={"stack": True, "serverless": False}))
    assert result.outcome == "passed"


def test_expected_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Test that a listed test may fail and must not pass, and that a list needs reasons."""
    path = _suite(tmp_path, [{"is_true": "nothing"}])
    listed = tmp_path / "expected.json"
    assert main([str(path), "--expected", str(_written(listed, {}))]) == 1
    assert main([str(path), "--expected", str(_written(listed, {"made/*": "made up"}))]) == 0
    assert "listed  made/suite/a test: made up (" in capsys.readouterr().out
    _suite(tmp_path, [])
    assert main([str(path), "--expected", str(listed), "--failures"]) == 1
    assert "passes, but listed: made up" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no reason for made"):
        Expected.read(_written(listed, {"made/*": " "}))


def _written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_unreadable_suites_fail(running: runner.Runner, tmp_path: Path) -> None:
    """Test that a file that is no suite is not passed over."""
    path = tmp_path / "suite.yml"
    for text in ("[1, 2", "- 1"):
        path.write_text(text, "utf-8")
        (result,) = running.results(tmp_path)
        assert result.outcome == "failed"
        assert "cannot be read" in result.text


def test_own_suites_are_named_by_folder_and_file() -> None:
    """Test names as the list of expected failures has them."""
    assert load(OWN / "runner" / "steps.yml").name == "runner/steps"
    assert Expected.read(EXPECTED).reason("trained_models/deployments/A cache of no size stays 0") is None


SPEC: Final[dict[str, Any]] = {
    "ml.get_trained_models": {
        "url": {
            "paths": [
                {"path": "/_ml/trained_models/{model_id}", "methods": ["GET"], "parts": {"model_id": {}}},
                {"path": "/_ml/trained_models", "methods": ["GET"]},
            ]
        }
    },
    "ml.put_trained_model": {
        "url": {"paths": [{"path": "/_ml/trained_models/{model_id}", "methods": ["PUT"], "parts": {"model_id": {}}}]}
    },
    "ping": {"url": {"paths": [{"path": "/", "methods": ["HEAD"]}]}},
}


def test_by_specification(tmp_path: Path) -> None:
    """Test that with rest-api-spec files, found above the suite, no typed method is used."""
    folder = tmp_path / "rest-api-spec/src/main/resources/rest-api-spec/api"
    folder.mkdir(parents=True)
    for name, spec in SPEC.items():
        _written(folder / f"{name}.json", {name: spec})
    steps: list[Any] = [
        {"do": {"ping": {}}},
        {"is_true": ""},
        {"do": {"ml.put_trained_model": {"model_id": "a", "body": BODY}}},
        {"do": {"ml.get_trained_models": {"model_id": ["a", "b*"], "exclude_generated": True, "size": 1}}},
        {"match": {"count": 1}},
        {"do": {"ml.get_trained_models": {}}},
        {"match": {"count": 1}},
        {"do": {"catch": "bad_request", "ml.get_trained_models": {"unknown": 1}}},
        {"do": {"catch": "param", "ml.put_trained_model": {}}},
        {"do": {"catch": "param", "ml.info": {}}},
    ]
    with runner.started(path := _suite(tmp_path, steps), NOTHING, None, "--version", "8.9.2") as specified:
        (result,) = specified.results(path)
        queries = [line["query"] for line in specified.process.control("GET", "/requests")]
    assert (result.outcome, result.text) == ("passed", "")
    assert {"exclude_generated": "true", "size": "1"} in queries
