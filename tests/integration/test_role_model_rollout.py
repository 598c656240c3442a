# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the role model_rollout with clients that infer all the time. Kills at each request are in the laws."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import typing as t
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.options import INFERENCE
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.given import NEW, SMOKE_TEST, SPEC
from support.emulator_process import Emulator, emulator
from support.playbook import BIN, Json, Played, clean_environment, run_playbook

ROLE = Path(__file__).resolve().parent.parent.parent / "roles/model_rollout"
SKIPS: Json = {"max": 1, "on_violation": "skip"}
ALIAS = "/_ml/trained_models/search/_infer"


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    with emulator(
        "--node", "ml-1=8,16gb", "--model", "old-model", "--model", "new-model", "--interval", "0.002"
    ) as server:
        server.api("POST", "/_ml/trained_models/old-model/deployment/_start?deployment_id=old&number_of_allocations=2")
        server.api("PUT", "/_ml/trained_models/old-model/model_aliases/search")
        server.control("DELETE", "/journal")
        yield server


class Client:
    """A client in a thread that infers all the time, until the block ends; ``failures`` has what was no answer."""

    def __init__(self, cluster: Emulator, path: str, body: Json | None = None) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._cluster, self._path, self._ends = cluster, path, threading.Event()
        self._body = body or {"docs": [{"input": "a"}]}
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._ends.wait(0.05):
            try:
                self._cluster.api("POST", self._path, self._body)
                self.answers += 1
            except urllib.error.HTTPError as error:
                self.failures.append(error.read().decode())

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()


def play(url: str, *uses: Json) -> str:
    """Return a play that uses the role several times, and shows after each what it left."""
    tasks: list[Json] = []
    for number, given in enumerate(uses):
        use = {
            "ansible.builtin.include_role": {"name": "mlops.elasticsearch.model_rollout"},
            "vars": {"model_rollout": given},
        }
        why = {"name": f"Why {number}", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
        left = {"name": f"Left {number}", "ansible.builtin.debug": {"msg": "{{ model_rollout_results | default({}) }}"}}
        tasks += [{"block": [use], "rescue": [why]}, left]
    group = {"group/mlops.elasticsearch.ml": {"hosts": url}}
    local = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    return yaml.safe_dump([{"name": "Use it", **local, "module_defaults": group, "tasks": tasks}])


def given(tmp_path: Path, **more: t.Any) -> Json:
    """Return the variable of the role, for a rollout of ``new-model``."""
    new = {"model_id": "new-model", "deployment_id": "new", "wait_sleep": 0.05}
    quick = {"drain_sleep": 0.1, "watch": {"seconds": 0.2, "sleep": 0.1}, "smoke_test": {"wait_sleep": 0.05}}
    return {"model_alias": "search", "new": new, **quick, "state_file": str(tmp_path / "state.json"), **more}


def left(played: Played, number: int = 0) -> Json:
    return t.cast("Json", played.result(f"Left {number}")["msg"])


def deployed(cluster: Emulator) -> set[str]:
    return set(cluster.control("GET", "/state")["deployments"])


def test_every_option_is_documented_and_handed_on() -> None:
    documented = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    options = documented["model_rollout"]["options"]
    assert set(options) == set(SPEC.argument_spec)
    assert set(options["new"]["options"]) == set(NEW)
    assert set(options["smoke_test"]["options"]) == {"enabled", *SMOKE_TEST}
    assert set(SMOKE_TEST) == set(INFERENCE.argument_spec) - {"deployment_id"}
    for name, known in (("deploy", NEW), ("try", SMOKE_TEST)):
        text = (ROLE / f"tasks/steps/{name}.yml").read_text()
        assert [each for each in known if f"{each}: " not in text] == []


def test_a_rollout_is_rehearsed_and_loses_no_inference_and_goes_back(cluster: Emulator, tmp_path: Path) -> None:
    text = play(cluster.url, given(tmp_path))
    checked = left(run_playbook(text, "--check").must_pass())
    # Ansible shows the role only the option, and not the keyword.
    by_keyword = left(run_playbook(text.replace("- connection:", "- check_mode: true\n  connection:")).must_pass())
    assert (checked["outcome"], cluster.writes()) == ("planned", [])
    assert {**by_keyword, "time": None} == {**checked, "time": None}
    assert not (tmp_path / "state.json").exists()

    rollback = {"action": "rollback", "state_file": str(tmp_path / "state.json"), "drain_sleep": 0.1}
    with Client(cluster, ALIAS) as client:
        played = run_playbook(play(cluster.url, given(tmp_path), given(tmp_path), rollback)).must_pass()
    assert client.failures == []
    assert client.answers > 10
    done, again, back = (left(played, number) for number in range(3))
    assert [each["outcome"] for each in (done, again, back)] == ["finished", "unchanged", "rolled_back"]
    assert checked["api_calls"] == done["api_calls"]
    assert [each["title"] for each in checked["steps"]] == [each["title"] for each in done["steps"]]
    assert again["api_calls"] == []
    # What is not about an endpoint needs no privilege to read endpoints.
    reads = [each.status for each in played.tasks if each.task.startswith("Read the inference endpoints")]
    assert set(reads) == {"skipped"}
    sent = [(call["method"], call["path"]) for call in cluster.writes()]
    assert sent == [(call["method"], call["path"]) for call in done["api_calls"] + back["api_calls"]]
    assert deployed(cluster) == {"old"}
    assert cluster.control("GET", "/state")["aliases"] == {"search": "old-model"}
    state = tmp_path / "state.json"
    assert json.loads(state.read_text())["phase"] == "rolled_back"
    assert state.stat().st_mode & 0o777 == 0o600


def test_what_fails_is_taken_back_and_what_is_refused_changes_nothing(cluster: Emulator, tmp_path: Path) -> None:
    huge = {"model_id": "new-model", "deployment_id": "new", "threads_per_allocation": 8}
    uses = [
        given(tmp_path, smoke_test={"expect": {"label": "no"}, "wait_sleep": 0.05}),
        given(tmp_path, new=huge),
        given(tmp_path, new={"model_id": "", "deployment_id": "{{ no_such_variable | default(omit) }}"}),
        {**given(tmp_path), "aliases": "search"},
        given(tmp_path, old_deployment_id="third"),
        given(tmp_path, state_file=str(tmp_path / "missing" / "state.json")),
        given(tmp_path, new={**given(tmp_path)["new"], "number_of_allocations": 2, "guard": SKIPS}),
        given(tmp_path, smoke_test={"expect": {"label": "no"}, "wait_sleep": 0.05}),
    ]
    stop: Json = {
        "operation": "any_write",
        "path": "/**/new/deployment/_stop",
        "when": "before",
        "times": 1,
        "after": 1,
    }
    cluster.control("POST", "/faults", {**stop, "do": {"type": "answer", "status": 403, "body": {}}})
    cluster.api("POST", "/_ml/trained_models/new-model/deployment/_start?deployment_id=third")
    cluster.control("POST", "/effects", {"do": "put_pipeline_reference", "pipeline": "p", "model_id": "third"})
    cluster.control("DELETE", "/journal")
    with Client(cluster, ALIAS) as client:
        played = run_playbook(play(cluster.url, *uses)).must_pass()
    assert client.failures == []
    why = [str(played.result(f"Why {number}")["msg"]) for number in range(len(uses))]
    left_over = [left(played, number) for number in range(len(uses))]
    assert "Try deployment 'new' failed:" in why[0]
    assert why[0].endswith("The rollout was taken back: what ran before serves again.")
    assert [each.get("outcome") for each in left_over[:3]] == ["rolled_back", "refused", "refused"]
    assert "strategy in_place stops 'old' first: requests fail" in why[1]
    assert "error" not in why[1]
    assert why[1].endswith("Nothing was changed.")
    assert why[2].startswith("new.deployment_id is missing.")
    assert "aliases" in why[3]
    assert "'third' is used by" in why[4]
    assert why[5].startswith("The folder of state_file does not exist")
    assert why[6].startswith("Nothing would answer: guard.on_violation is skip: ")
    assert "Going back failed, too: " in why[7]
    assert (left_over[7]["outcome"], left_over[7]["rollback"][-1]["failed"]) == ("failed", True)
    for number, changes in enumerate([True, False, False, False, False, False, False, True]):
        assert left_over[number].get("changed", False) is changes, why[number]
    assert left_over[4]["api_calls"] == left_over[5]["api_calls"] == []
    assert all(each["open"] for number in (1, 4) for each in left_over[number]["steps"])
    assert why[4].endswith("Nothing was changed.")
    assert deployed(cluster) == {"old", "third", "new"}
    assert [call["path"].rpartition("/")[2] for call in cluster.writes()] == ["_start", "_stop", "_start", "_stop"]


@contextlib.contextmanager
def running(playbook: str, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a play as a process group of its own, which ends with the block."""
    (home / "playbook.yml").write_text(playbook)
    command = [str(BIN / "ansible-playbook"), "playbook.yml"]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=home, env=clean_environment(home), stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_killed_role_does_what_is_left(cluster: Emulator, tmp_path: Path) -> None:
    text = play(cluster.url, given(tmp_path))
    with Client(cluster, ALIAS) as client:
        with running(text, tmp_path):
            until = time.monotonic() + 120
            while len(cluster.writes()) < 2 and time.monotonic() < until:
                time.sleep(0.01)
        assert len(cluster.writes()) >= 2
        resumed = left(run_playbook(text).must_pass())
    assert client.failures == []
    assert resumed["outcome"] in ("finished", "unchanged")
    assert deployed(cluster) == {"new"}
    assert len(cluster.writes()) == 3


def test_an_endpoint_is_made_again(cluster: Emulator, tmp_path: Path) -> None:
    cluster.api("DELETE", "/_ml/trained_models/old-model/model_aliases/search")
    settings = {"service": "elasticsearch", "service_settings": {"deployment_id": "old"}}
    cluster.api("PUT", "/_inference/sparse_embedding/e", settings)
    cluster.control("DELETE", "/journal")
    rollout = {**given(tmp_path, inference_id="e", watch={"seconds": 0}), "model_alias": ""}
    with Client(cluster, "/_inference/sparse_embedding/e", {"input": "a"}) as client:
        played = run_playbook(play(cluster.url, {**rollout, "dry_run": True}, rollout)).must_pass()
    planned, done = left(played), left(played, 1)
    assert (planned["outcome"], done["outcome"]) == ("planned", "finished")
    assert "requests that arrive between the two fail (404)" in planned["notices"][0]
    assert planned["api_calls"] == done["api_calls"]
    assert [call["method"] for call in cluster.writes()] == ["POST", "DELETE", "PUT", "POST"]
    assert [failure for failure in client.failures if "Inference endpoint not found [e]" not in failure] == []
    assert client.answers > 10
    assert deployed(cluster) == {"new"}


def test_an_endpoint_whose_deployment_keeps_its_id_loses_nothing(cluster: Emulator, tmp_path: Path) -> None:
    cluster.api("DELETE", "/_ml/trained_models/old-model/model_aliases/search")
    settings = {"service": "elasticsearch", "service_settings": {"deployment_id": "old"}}
    cluster.api("PUT", "/_inference/sparse_embedding/e", settings)
    cluster.control("DELETE", "/journal")
    new = {"threads_per_allocation": 2, "wait_sleep": 0.05}
    rollout = {**given(tmp_path, inference_id="e", new=new, drain_sleep=0.05), "model_alias": ""}
    # The temporary deployment has room beside the old one, but not beside the new one.
    full = {**rollout, "new": {"threads_per_allocation": 2, "number_of_allocations": 3}}
    with Client(cluster, "/_inference/sparse_embedding/e", {"input": "a"}) as client:
        played = run_playbook(play(cluster.url, full, {**rollout, "dry_run": True}, rollout, rollout)).must_pass()
    refused, planned, done, again = (left(played, number) for number in range(4))
    assert client.failures == []
    assert client.answers > 10
    assert "There is no room for 'old' and 'old-temporary' at once." in refused["msg"]
    assert [each["outcome"] for each in (planned, done, again)] == ["planned", "finished", "unchanged"]
    assert planned["api_calls"] == done["api_calls"]
    assert [call["method"] for call in cluster.writes()] == ["POST", "PUT", "POST", "POST", "DELETE", "POST"]
    assert again["api_calls"] == []
    assert deployed(cluster) == {"old"}
    [endpoint] = cluster.api("GET", "/_inference/e")["endpoints"]
    assert endpoint["service_settings"]["deployment_id"] == "old"
