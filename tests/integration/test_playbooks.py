# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test each playbook as a job of AWX: what the dry run says is what the apply does, and what other jobs may hand on.

A new playbook gets a row in ROWS, with answers that change something.
"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State
from support import awx_job
from support.awx_job import Job, Launch
from support.canaries import canary, hits
from support.documents import ROOT
from support.emulator_process import Emulator, emulator
from support.playbook import Json, run_playbook

GUARD = "ELASTICSEARCH_ML_GUARD"
KEY = canary("key of a playbook", before="VuaCfGcBCdbkQm-e5aOx:")
NODES = ("--node", "ml-1=8,16gb", "--node", "ml-2=8,16gb", "--interval", "0.002")
MODELS = ("--model", "sentiment", "--model", ".multilingual-e5-small")
LINES = 25
"""A person reads a summary of so many lines in ten seconds."""


def started(cluster: Emulator) -> None:
    """Start the deployment sentiment with one allocation."""
    cluster.api("POST", "/_ml/trained_models/sentiment/deployment/_start?wait_for=started")
    cluster.control("POST", "/settle")


def failed(cluster: Emulator) -> None:
    """Let the deployment sentiment fail on all its nodes."""
    started(cluster)
    cluster.control("POST", "/effects", {"do": "fail_route", "deployment_id": "sentiment"})


def behind_an_alias(cluster: Emulator) -> None:
    """Let clients use that deployment through the alias search."""
    started(cluster)
    cluster.api("PUT", "/_ml/trained_models/sentiment/model_aliases/search")


def rolled_out(cluster: Emulator) -> None:
    """Leave a rollout as it has finished: the alias leads to the deployment e5 now."""
    cluster.api(
        "POST", "/_ml/trained_models/.multilingual-e5-small/deployment/_start?deployment_id=e5&wait_for=started"
    )
    cluster.api("PUT", "/_ml/trained_models/.multilingual-e5-small/model_aliases/search")
    cluster.control("POST", "/settle")
    old = {"deployment_id": "sentiment", "model_id": "sentiment", "number_of_allocations": 2}
    state = State(
        cluster={"name": None, "uuid": cluster.api("GET", "/")["cluster_uuid"]},
        time="2026-12-01T09:00:00Z",
        phase="finished",
        route="alias",
        name="search",
        in_place=False,
        new={"deployment_id": "e5", "model_id": ".multilingual-e5-small"},
        made_new=True,
        old=[old],
        previous_model_id="sentiment",
    )
    Path(FOLDER.name, "search.json").write_text(json.dumps(state.to_json()))


def calls(result: Json) -> list[Json]:
    """Return the requests that a result names."""
    return t.cast("list[Json]", result.get("api_calls", []))


FOLDER = tempfile.TemporaryDirectory()
"""Where playbooks keep files. The guide has another one in its place."""
GUIDES_FOLDER = "/var/lib/ml"
RECORD = Path(FOLDER.name) / "shop.json"


def running(cluster: Emulator) -> None:
    """Start a deployment. There is no record."""
    RECORD.unlink(missing_ok=True)
    started(cluster)


def quiesced(cluster: Emulator) -> None:
    """Write the record of a deployment that was stopped."""
    about = cluster.api("GET", "/")
    deployment: Json = {
        "deployment_id": "sentiment",
        "model_id": "sentiment",
        "number_of_allocations": 2,
        "adaptive_allocations": None,
        "initial_number_of_allocations": None,
        "threads_per_allocation": 1,
        "priority": "normal",
        "queue_capacity": 500,
        "cache_size": "5mb",
        "cache_size_exact": True,
        "assignment_state": "started",
        "owner": None,
    }
    record: Json = {
        "kind": "mlops.elasticsearch.upgrade_guard",
        "format": 1,
        "state": "quiesced",
        "recorded_at": "2026-05-04T21:00:00Z",
        "cluster": {"name": about["cluster_name"], "uuid": about["cluster_uuid"]},
        "server": {"version": "8.19.21", "flavor": "default"},
        "upgrade_mode": False,
        "deployments": [deployment],
        "inference_endpoints": [],
        "model_aliases": {},
    }
    RECORD.write_text(json.dumps(record))


class Row(t.NamedTuple):
    """``answers`` to the questions without a default. ``writes``: paths of the requests, in their order.

    ``prepare`` makes what the playbook finds; ``calls`` returns the requests that the artifact names. ``unlike``: parts
    of it that a dry run cannot know.
    """

    name: str
    answers: Json
    writes: t.Sequence[str]
    prepare: Callable[[Emulator], None] = started
    calls: Callable[[Json], list[Json]] = calls
    unlike: t.Sequence[str] = ("dry_run",)


ROWS = (
    Row(
        "scale",
        {"deployment_id": "sentiment", "number_of_allocations": 3},
        ["/_ml/trained_models/sentiment/deployment/_update"],
        unlike=("dry_run", "allocations", "routing_table"),
    ),
    Row(
        "deploy",
        {
            "deployment_id": "search",
            "model_id": "sentiment",
            "min_number_of_allocations": 2,
            "max_number_of_allocations": 4,
            "threads_per_allocation": "2",
            "queue_capacity": 500,
            "cache_size": "5mb",
            "wait_for": "answering",
        },
        ["/_ml/trained_models/sentiment/deployment/_start"],
        unlike=("dry_run", "allocations", "routing_table"),
    ),
    Row(
        "night",
        {"record_file": str(RECORD), "except_ids": "other*"},
        ["/_ml/trained_models/sentiment/deployment/_stop"],
        prepare=running,
        unlike=("dry_run", "msg"),
    ),
    Row(
        "morning",
        {"record_file": str(RECORD)},
        ["/_ml/trained_models/sentiment/deployment/_start"],
        prepare=quiesced,
        unlike=("dry_run", "differences", "drift", "msg"),
    ),
    Row(
        "restore",
        {"record_file": str(RECORD), "on_bounded": "adjust"},
        ["/_ml/trained_models/sentiment/deployment/_start"],
        prepare=quiesced,
        unlike=("dry_run", "differences", "drift", "msg"),
    ),
    Row(
        "rollout",
        {
            "model_alias": "search",
            "model_id": ".multilingual-e5-small",
            "new_deployment_id": "e5",
            "watch_seconds": 0,
            "drain_seconds": 0,
        },
        [
            "/_ml/trained_models/.multilingual-e5-small/deployment/_start",
            "/_ml/trained_models/.multilingual-e5-small/model_aliases/search",
            "/_ml/trained_models/sentiment/deployment/_stop",
        ],
        behind_an_alias,
        unlike=("dry_run", "outcome"),
    ),
    Row(
        "rollback",
        {"state_file": f"{FOLDER.name}/search.json", "drain_seconds": 0},
        [
            "/_ml/trained_models/sentiment/deployment/_start",
            "/_ml/trained_models/sentiment/model_aliases/search",
            "/_ml/trained_models/e5/deployment/_stop",
        ],
        rolled_out,
        unlike=("dry_run", "outcome"),
    ),
    Row("capacity", {"model_id": "sentiment", "threads_per_allocation": "2"}, [], unlike=()),
    Row(
        "rescue",
        {"deployment_ids": "senti*", "limit": 1},
        ["/_ml/trained_models/sentiment/deployment/_stop", "/_ml/trained_models/sentiment/deployment/_start"],
        prepare=failed,
    ),
    Row("report", {"deployment_ids": "senti*\nsearch", "only_problems": "true"}, [], unlike=()),
)


REFUSED_BY_ROLES = (
    (
        "night",
        {"record_file": "f", "mode": "stop_nodes"},
        "upgrade_guard.quiesce.nodes has no value. It lists names or ids of nodes.",
    ),
)
"""Playbook, answers, and the message of its role."""


def survey(name: str) -> list[Json]:
    found: list[Json] = json.loads((ROOT / f"playbooks/files/{name}_survey.json").read_text())["spec"]
    return found


def answered(row: Row, **more: t.Any) -> Json:
    """Return the answers as the browser sends them: defaults are filled in, and what is empty is left out."""
    filled = {question["variable"]: question["default"] for question in survey(row.name)}
    given = {**filled, **({"dry_run": "false"} if "dry_run" in filled else {}), **row.answers, **more}
    return {name: value for name, value in given.items() if value != ""}


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    row = request.node.callspec.params["row"]
    with emulator(*NODES, *MODELS) as server:
        row.prepare(server)
        server.control("DELETE", "/journal")
        yield server


def inputs(cluster: Emulator) -> Json:
    return {"hosts": cluster.url, "api_key": KEY.value}


def is_clean(job: Job, row: Row) -> bool:
    """Return whether the job hands on one variable without a secret, and shows a short summary."""
    assert list(job.artifacts) == [f"{row.name}_result"]
    assert hits([KEY], [("job", job.shown())]) == []
    shown = [event["event_data"]["res"]["msg"] for event in job.events if _is_debug(event)]
    assert sum(len(each) for each in shown if isinstance(each, list)) <= LINES
    return True


def _is_debug(event: Json) -> bool:
    return bool(event["event"] == "runner_on_ok" and event["event_data"]["task_action"] == "ansible.builtin.debug")


def requests(sent: t.Sequence[Json]) -> list[Json]:
    return [{name: call[name] for name in ("method", "path", "query", "body")} for call in sent]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_dry_run_says_what_the_apply_does(row: Row, cluster: Emulator, tmp_path: Path) -> None:
    launch = Launch(answered(row), inputs=inputs(cluster))
    cluster.control("POST", "/read_only", {"enabled": True})
    checked = awx_job.run(tmp_path / "check", row.name, launch._replace(check=True))
    assert checked.rc == 0, checked.stdout
    assert cluster.writes() == []
    if "dry_run" in launch.answers:
        asked = run_playbook(
            Path(f"mlops.elasticsearch.{row.name}"),
            extra_vars={**launch.answers, "dry_run": True},
            env={"ELASTICSEARCH_URL": cluster.url, "ELASTICSEARCH_API_KEY": KEY.value},
        ).must_pass()
        [stats] = asked.of("ansible.builtin.set_stats")
        assert stats["ansible_stats"]["data"] == checked.artifacts
        assert cluster.writes() == []

    cluster.control("POST", "/read_only", {"enabled": False})
    real = awx_job.run(tmp_path / "real", row.name, launch)
    assert real.rc == 0, real.stdout
    assert real.command[1:] == [
        *("-u", "root", "-i", f"{tmp_path}/real/inventory", "-e", f"@{tmp_path}/real/env/extravars"),
        f"{row.name}.yml",
    ]
    assert is_clean(checked, row)
    assert is_clean(real, row)
    dry, done = (job.result(row.name) for job in (checked, real))
    assert [write["path"] for write in cluster.writes()] == list(row.writes)
    assert requests(row.calls(dry)) == requests(row.calls(done)) == requests(cluster.writes())
    assert dry.keys() == done.keys()
    assert [name for name in dry if name not in row.unlike and dry[name] != done[name]] == []


def hostile(row: Row) -> Json:
    """Return artifacts that break the rule of each question, and a name that would replace a result."""
    wrong: Json = {"text": 7, "textarea": 7, "integer": "-999999999", "multiplechoice": "perhaps", "multiselect": [7]}
    found = {question["variable"]: wrong[question["type"]] for question in survey(row.name)}
    return {**found, f"__{row.name}_given": {"answers": row.answers, "guard": None}, "guard": {"max": 10**6}}


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_other_jobs_hand_on_is_checked(row: Row) -> None:
    """No address of a cluster is given: nothing is asked of one before the variables are known to be right."""
    refused = run_playbook(Path(f"mlops.elasticsearch.{row.name}"), extra_vars=hostile(row), env={GUARD: "{max: 2}"})
    assert refused.rc != 0
    [asked] = refused.of("mlops.elasticsearch.survey_answers")
    assert f"The extra variable __{row.name}_given would replace" in asked["msg"]
    for question in survey(row.name):
        assert f"{question['variable']} must be " in asked["msg"] or f"{question['variable']} is 7" in asked["msg"]
    assert (asked["guard"], len(asked["replaced"])) == ({"max": 2}, 1)
    assert "hosts" not in asked["msg"]
    assert {task.action for task in refused.tasks} <= {
        *("mlops.elasticsearch.survey_answers", "ansible.builtin.debug", "ansible.builtin.set_stats")
    }


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in ("scale", "deploy")], ids=lambda row: row.name)
def test_the_limits_of_the_credential_hold_in_a_workflow(row: Row, cluster: Emulator, tmp_path: Path) -> None:
    """A node of a workflow without answers of its own, whose artifacts bring the answers and other limits."""
    lifted: Json = {"guard": {"max": 1024}, "number_of_allocations": "4", "scale_result": {"changed": True}}
    artifacts = {**answered(row), "min_number_of_allocations": None, "max_number_of_allocations": "", **lifted}
    launch = Launch(
        template={"guard": {"max": 8}}, artifacts=artifacts, inputs={**inputs(cluster), "guard": "{max: 2}"}
    )
    refused = awx_job.run(tmp_path / "job", row.name, launch)
    assert refused.rc != 0
    assert "4 is above max 2" in refused.result(row.name)["msg"]
    assert "The variable guard does not count" in refused.stdout
    assert is_clean(refused, row)
    assert cluster.writes() == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.name == "deploy"], ids=["deploy"])
def test_adaptive_allocations_stay_within_the_limits(row: Row, cluster: Emulator) -> None:
    """Elasticsearch scales within their bounds whatever the guard of a task says."""
    outcomes = []
    for bounds in ({"min": 1, "max": 9}, {"min": 1}, {"max": 4}, {"min": 1, "max": 4}):
        given = {f"{side}_number_of_allocations": number for side, number in bounds.items()}
        variables = {"deployment_id": "search", "model_id": "sentiment", "dry_run": True, **given}
        env = {"ELASTICSEARCH_URL": cluster.url, GUARD: "{min: 1, max: 4}"}
        played = run_playbook(Path("mlops.elasticsearch.deploy"), extra_vars=variables, env=env)
        [stats] = played.of("ansible.builtin.set_stats")
        outcomes.append(stats["ansible_stats"]["data"]["deploy_result"])
    assert [each["failed"] for each in outcomes] == [True, True, True, False]
    assert outcomes[0]["msg"].endswith("max_number_of_allocations within 1 and 4.")


def test_a_job_without_answers_says_what_is_missing(tmp_path: Path) -> None:
    """A node of a workflow may have none, AWX says nothing; nor is a cluster filled in."""
    job = awx_job.run(tmp_path, "deploy", Launch(artifacts={"deployment_id": None}))
    assert job.rc != 0
    assert (
        job.result("deploy")["msg"]
        == "deployment_id is missing. Id of the deployment. One that does not exist is started."
    )
    assert "No deployment: failed" in job.stdout


@pytest.mark.parametrize(("name", "given", "refusal"), REFUSED_BY_ROLES, ids=[name for name, *_ in REFUSED_BY_ROLES])
def test_the_result_has_what_the_role_refuses(name: str, given: Json, refusal: str) -> None:
    """The survey allows it; no address of a cluster is given, because none is asked."""
    refused = run_playbook(Path(f"mlops.elasticsearch.{name}"), extra_vars=given)
    assert refused.rc != 0
    [stats] = refused.of("ansible.builtin.set_stats")
    found = stats["ansible_stats"]["data"][f"{name}_result"]
    assert (found["failed"], found["msg"]) == (True, refusal)


GUIDE = (ROOT / "docs/docsite/rst/playbooks.rst").read_text().replace("\\\n", " ")
COMMANDS = [shlex.split(line) for line in re.findall(r"^    ansible-playbook (.*)$", GUIDE, re.MULTILINE)]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_command_lines_of_the_guide_run(row: Row, cluster: Emulator) -> None:
    """In check mode: what an apply does then is tested above."""
    playbook = f"mlops.elasticsearch.{row.name}"
    found = [args for name, *args in COMMANDS if name == playbook]
    assert found, "show how to run it"
    for args in ([each.replace(GUIDES_FOLDER, FOLDER.name) for each in line] for line in found):
        run_playbook(Path(playbook), *args, "--check", env={"ELASTICSEARCH_URL": cluster.url}).must_pass()


def test_every_playbook_has_a_row() -> None:
    assert sorted(row.name for row in ROWS) == sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
