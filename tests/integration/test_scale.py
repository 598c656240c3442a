# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the playbook scale as AWX runs it: by ansible-runner, with answers of a survey, credentials as variables."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.awx_variables import KEEPS_TEXT, extra_variables
from support.emulator_process import Emulator, emulator
from support.playbook import Json, Played, run_playbook
from support.runner import run_job

ROOT = Path(__file__).resolve().parent.parent.parent
SURVEY = json.loads((ROOT / "playbooks/files/scale_survey.json").read_text())
KEY = "c2VjcmV0OnZlcnktc2VjcmV0"
SCALE = Path("mlops.elasticsearch.scale")
START = "/_ml/trained_models/sentiment/deployment/_start?wait_for=started"
# What the survey sends if only the first two questions are answered, and the others are left as they are.
ANSWERS = {question["variable"]: question["default"] for question in SURVEY["spec"]}
ANSWERS |= {"deployment_id": "sentiment", "number_of_allocations": 3, "dry_run": "false"}


class Job(t.NamedTuple):
    """A finished job: ``artifacts`` are the variables that AWX hands to the next job."""

    rc: int
    stdout: str
    events: list[Json]
    artifacts: Json

    @property
    def result(self) -> Json:
        return t.cast(Json, self.artifacts["scale_result"])


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    """Start a cluster with one deployment with one allocation, and an empty journal."""
    with emulator() as server:
        server.api("POST", START)
        server.control("DELETE", "/journal")
        yield server


def job(folder: Path, url: str, answers: Json, *cmdline: str, template: Json | None = None) -> Job:
    """Run once in a fresh private data folder, with a project of one line: that which names our playbook.

    *template*: the variables of the job template.
    """
    files = {
        "project/scale.yml": yaml.safe_dump([{"import_playbook": "mlops.elasticsearch.scale"}]),
        "inventory/hosts": "",
        "env/extravars": extra_variables(answers, template),
        "env/cmdline": " ".join(cmdline),
        "env/envvars": json.dumps(
            {
                "ELASTICSEARCH_URL": url,
                "ELASTICSEARCH_API_KEY": KEY,
                "ELASTICSEARCH_USERNAME": "",
                "ELASTIC_CLOUD_ID": "",
            }
        ),
    }
    done = run_job(folder, files, "--playbook", "scale.yml", "--ident", "job")
    events = [json.loads(path.read_text()) for path in (folder / "artifacts/job/job_events").glob("*.json")]
    [stats] = [event for event in events if event["event"] == "playbook_on_stats"] or [{"event_data": {}}]
    return Job(done.returncode, done.stdout, events, stats["event_data"].get("artifact_data") or {})


def live(cluster: Emulator) -> int:
    """Return how many allocations run, as the cluster counts them."""
    [row] = cluster.api("GET", "/_ml/trained_models/sentiment/_stats")["trained_model_stats"]
    return int(row["deployment_stats"]["allocation_status"]["allocation_count"])


def test_a_failed_job_advises_what_its_variables_can_change(cluster: Emulator, tmp_path: Path) -> None:
    missing = job(tmp_path / "missing", cluster.url, {**ANSWERS, "deployment_id": "sentimental"})
    assert missing.rc != 0
    assert "Did you mean 'sentiment'?" in missing.result["msg"]
    assert not any(name in missing.result["msg"] for name in ("on_missing", "hosts"))

    bounds = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
    cluster.control(
        "POST", "/effects", {"do": "set_adaptive", "deployment_id": "sentiment", "adaptive_allocations": bounds}
    )
    owned = job(tmp_path / "owned", cluster.url, ANSWERS)
    assert owned.result["msg"].endswith("Set on_adaptive to override (turns them off) or skip.")
    assert cluster.writes() == []


def test_dry_runs_then_real_ones(cluster: Emulator, tmp_path: Path) -> None:
    cluster.control("POST", "/read_only", {"enabled": True})
    ticked = job(tmp_path / "ticked", cluster.url, {**ANSWERS, "dry_run": "true"})
    checked = job(tmp_path / "checked", cluster.url, ANSWERS, "--check", "--diff")
    for dry in (ticked, checked):
        assert dry.rc == 0, dry.stdout
        assert "Deployment sentiment: update (dry run, nothing was sent)" in dry.stdout
        assert re.search(r"Node \S+: allocations: 1 -> 3\b", dry.stdout)
        assert (dry.result["dry_run"], dry.result["changed"], dry.result["operation"]) == (True, True, "update")
    assert cluster.writes() == []

    cluster.control("POST", "/read_only", {"enabled": False})
    real = job(tmp_path / "real", cluster.url, ANSWERS)
    assert real.rc == 0, real.stdout
    assert (real.result["dry_run"], real.result["changed"], real.result["failed"]) == (False, True, False)
    assert real.result["allocations"] == {"wanted": 3, "assigned": 3, "running": 3, "missing": 0}
    assert [route["current_allocations"] for route in real.result["routing_table"].values()] == [3]
    assert "Number of allocations: 1 -> 3" in real.stdout
    assert live(cluster) == 3

    [write] = cluster.writes()
    foreseen = [
        {name: call[name] for name in ("method", "path", "query", "body")} for call in ticked.result["api_calls"]
    ]
    assert [{name: write[name] for name in ("method", "path", "query", "body")}] == foreseen
    assert ticked.result["api_calls"] == checked.result["api_calls"] == real.result["api_calls"]

    cluster.control("DELETE", "/journal")
    again = job(tmp_path / "again", cluster.url, ANSWERS)
    assert again.rc == 0, again.stdout
    assert (again.result["changed"], again.result["operation"], again.result["api_calls"]) == (False, "none", [])
    assert "Deployment sentiment: unchanged" in again.stdout
    assert cluster.writes() == []
    for run in (ticked, checked, real, again):
        assert KEY not in run.stdout + json.dumps(run.events)


def test_failure_leaves_its_reason(cluster: Emulator, tmp_path: Path) -> None:
    failed = job(tmp_path, cluster.url, {**ANSWERS, "number_of_allocations": "1000"})
    assert failed.rc != 0
    assert failed.result["failed"] is True
    assert "have room for 8 of the 1000 allocations of deployment 'sentiment'" in failed.result["msg"]
    assert failed.result["allocations"]["running"] == 1
    assert "Deployment sentiment: failed" in failed.stdout
    assert live(cluster) == 1


def test_says_what_is_wrong_with_the_answers(cluster: Emulator, tmp_path: Path) -> None:
    wrong = {
        "deployment_id": " ",
        "number_of_allocations": 0,
        "dry_run": "perhaps",
        "on_adaptive": "",
        "wait_timeout": "",
    }
    refused = job(tmp_path, cluster.url, wrong)
    assert refused.rc != 0
    assert "deployment_id is missing" in refused.stdout
    assert "number_of_allocations must be a whole number of at least 1, not '0'" in refused.stdout
    assert "dry_run must be true or false, not 'perhaps'" in refused.stdout
    assert "must be fail, skip or override" not in refused.stdout
    assert "must be a number of seconds" not in refused.stdout
    assert cluster.writes() == []


def test_never_starts_what_does_not_exist(cluster: Emulator, tmp_path: Path) -> None:
    refused = job(tmp_path, cluster.url, {**ANSWERS, "deployment_id": "sentimnet"})
    assert refused.rc != 0
    assert "Deployment 'sentimnet' does not exist" in refused.result["msg"]
    assert cluster.writes() == []


def test_the_template_bounds_the_answers(cluster: Emulator, tmp_path: Path) -> None:
    bounds: Json = {"guard": {"max": 2}}
    for dry_run in ("true", "false"):
        refused = job(tmp_path / dry_run, cluster.url, {**ANSWERS, "dry_run": dry_run}, template=bounds)
        assert refused.rc != 0
        assert "would go from 1 to 3, and 3 is above max 2" in refused.result["msg"]
    assert cluster.writes() == []
    within = job(tmp_path / "within", cluster.url, {**ANSWERS, "number_of_allocations": 2}, template=bounds)
    assert within.result["changed"]


def played(tmp_path: Path, url: str, answers: Json, template: Json | None = None) -> Played:
    """Run the playbook itself, with the variables as AWX writes them."""
    file = tmp_path / "extravars"
    file.write_text(extra_variables(answers, template))
    return run_playbook(SCALE, "--extra-vars", f"@{file}", env={"ELASTICSEARCH_URL": url})


def outcome(done: Played) -> Json:
    """Return the result of the module, which must have run."""
    return done.result("Scale the deployment")


@pytest.mark.parametrize("answer", ["007", "1_000", "12:30", "1.10", "yes", "2026-01-02"])
def test_an_id_that_lost_its_type_is_refused(cluster: Emulator, tmp_path: Path, answer: str) -> None:
    done = played(tmp_path, cluster.url, {**ANSWERS, "deployment_id": answer})
    assert done.rc != 0
    if KEEPS_TEXT:
        assert f"Deployment '{answer}' does not exist" in outcome(done)["msg"]
    else:
        assert "not a text, so it may have been another id: 007, for instance, arrives as 7." in done.output
        assert done.named("Scale the deployment") == []
    assert cluster.writes() == []


@pytest.mark.parametrize("answer", ["", "null", "~", None])
def test_an_id_that_is_empty_is_missing(cluster: Emulator, tmp_path: Path, answer: str | None) -> None:
    done = played(tmp_path, cluster.url, {**ANSWERS, "deployment_id": answer})
    assert done.rc != 0
    if KEEPS_TEXT and answer in ("null", "~"):
        assert f"'{answer}' does not exist" in outcome(done)["msg"]
    else:
        assert "deployment_id is missing." in done.output
        assert "not a text" not in done.output


def test_an_id_in_the_variables_of_the_template_stays_a_text(cluster: Emulator, tmp_path: Path) -> None:
    answers = {name: value for name, value in ANSWERS.items() if name != "deployment_id"}
    done = played(tmp_path, cluster.url, answers, {"deployment_id": "007"})
    assert "Deployment '007' does not exist" in outcome(done)["msg"]


@pytest.mark.parametrize("empty", ["", None], ids=["empty", "null"])
def test_empty_answers_are_defaults(cluster: Emulator, tmp_path: Path, empty: str | None) -> None:
    answers = {**ANSWERS, "dry_run": empty, "on_adaptive": empty, "wait_timeout": empty, "guard": empty}
    done = played(tmp_path, cluster.url, answers).must_pass()
    assert outcome(done)["changed"] is True
    assert live(cluster) == 3


@pytest.mark.parametrize("wait_timeout", ["90s", "0.5h", 0])
def test_a_time_may_have_a_unit(cluster: Emulator, tmp_path: Path, wait_timeout: t.Any) -> None:
    done = played(tmp_path, cluster.url, {**ANSWERS, "wait_timeout": wait_timeout, "number_of_allocations": "1"})
    assert outcome(done.must_pass())["changed"] is False


@pytest.mark.parametrize("value", [True, "-1", []], ids=str)
def test_what_is_no_time_or_number_is_refused(cluster: Emulator, tmp_path: Path, value: t.Any) -> None:
    done = played(tmp_path, cluster.url, {**ANSWERS, "wait_timeout": value, "number_of_allocations": value})
    assert "wait_timeout must be a number of seconds or a time such as 5m, not" in done.output
    assert "number_of_allocations must be a whole number of at least 1, not" in done.output
    assert cluster.writes() == []


def test_the_deployment_of_an_endpoint_is_scaled_as_the_message_says(cluster: Emulator, tmp_path: Path) -> None:
    settings = {"model_id": "sentiment", "num_threads": 1, "num_allocations": 1}
    cluster.api("PUT", "/_inference/sparse_embedding/e", {"service": "elasticsearch", "service_settings": settings})
    cluster.control("DELETE", "/journal")
    asked = {**ANSWERS, "deployment_id": "e"}
    refused = job(tmp_path / "refused", cluster.url, asked)
    assert "Set on_endpoint_owned to update_endpoint" in refused.result["msg"]
    assert cluster.writes() == []
    scaled = job(tmp_path / "scaled", cluster.url, {**asked, "on_endpoint_owned": "update_endpoint"})
    assert scaled.rc == 0, scaled.stdout
    assert [write["path"] for write in cluster.writes()] == ["/_inference/sparse_embedding/e/_update"]
