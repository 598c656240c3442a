# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the role rescue: what is broken comes back, within limits, and a second run changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.emulator_process import Emulator, emulator
from support.playbook import Json, Played, run_playbook

PLAY = """
- name: Rescue
  hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: "{{ url }}"
  tasks:
    - name: Use the role
      block:
        - name: Rescue what is broken
          ansible.builtin.include_role:
            name: mlops.elasticsearch.rescue
      always:
        - name: Show the results
          ansible.builtin.debug:
            msg: "{{ rescue_results }}"
        - name: Show what later tasks would follow
          ansible.builtin.debug:
            msg: "{{ ansible_facts.__rescue_seen | default({}) }}"
"""
NODES = ("--node", "ml-1=8,16gb", "--node", "ml-2=8,16gb")
MODELS = tuple(each for name in ("fine", "bad", "hung", "third") for each in ("--model", name))
BRIEFLY: Json = {"wait_timeout": 1, "wait_sleep": 0.1, "stuck_after": 0}


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    with emulator(*NODES, *MODELS, "--interval", "0.002") as server:
        start(server, "fine", number_of_allocations=2)
        start(server, "bad", deployment_id="search", number_of_allocations=2, queue_capacity=300)
        server.control("POST", "/settle")
        yield server


def start(cluster: Emulator, model_id: str, **settings: object) -> None:
    effect(cluster, "start_deployment", model_id=model_id, **settings)


def effect(cluster: Emulator, do: str, **arguments: object) -> None:
    cluster.control("POST", "/effects", {"do": do, **arguments})


def put_endpoint(cluster: Emulator, name: str, **settings: object) -> None:
    body = {"service": "elasticsearch", "service_settings": {"num_allocations": 1, "num_threads": 1, **settings}}
    cluster.api("PUT", f"/_inference/sparse_embedding/{name}", body)


def break_all(cluster: Emulator) -> None:
    """Let one deployment fail, one hang, and take two away from their inference endpoints."""
    put_endpoint(cluster, "owned", model_id="third")
    start(cluster, "third", deployment_id="attached", threads_per_allocation=2)
    cluster.control("POST", "/settle")
    body = {"service": "elasticsearch", "service_settings": {"deployment_id": "attached"}}
    cluster.api("PUT", "/_inference/sparse_embedding/user", body)
    effect(cluster, "hold", deployment_id="hung")
    start(cluster, "hung")
    for name in ("owned", "attached"):
        effect(cluster, "remove_deployment", deployment_id=name)
    effect(cluster, "fail_route", deployment_id="search", reason="no memory")
    cluster.control("DELETE", "/journal")


def play(cluster: Emulator, text: str = PLAY, **options: object) -> tuple[Played, Json]:
    variables = {"url": cluster.url, "rescue_options": {**BRIEFLY, **options}}
    played = run_playbook(text, extra_vars=variables)
    return played, played.result("Show the results")["msg"]


def starts(cluster: Emulator) -> list[str]:
    """Return the ids of the deployments that were started."""
    sent = [write for write in cluster.writes() if write["path"].endswith("_start")]
    return [write["query"].get("deployment_id") or write["path"].split("/")[3] for write in sent]


def test_what_is_broken_comes_back(cluster: Emulator) -> None:
    break_all(cluster)
    # A play may set check mode, too.
    checked, predicted = play(cluster, PLAY.replace("  tasks:", "  check_mode: true\n  tasks:"))
    assert checked.rc == 0, checked.output
    assert cluster.writes() == []
    assert predicted["repaired"] == ["attached", "hung", "owned", "search"]
    # Later tasks of a dry run follow what it predicts, and those of a real run don't.
    assert sorted(checked.result("Show what later tasks would follow")["msg"]) == predicted["repaired"]
    assert checked.result("Show what was found, and what was done about it")["msg"] == predicted["summary"]

    # One of them goes on hanging: the others are repaired nevertheless.
    played, result = play(cluster)
    assert played.rc == 2
    assert result["repaired"] == ["attached", "owned", "search"]
    assert played.result("Show what later tasks would follow")["msg"] == {}
    assert [(each["id"], each["kind"]) for each in result["broken"]] == [("hung", "stuck")]
    assert played.result("Fail if something is still broken")["msg"].startswith("Deployment 'hung' is still broken: ")
    assert {call["path"] for call in result["api_calls"]} == {call["path"] for call in predicted["api_calls"]} - {
        "/_ml/trained_models/hung/deployment/_start"
    }

    # It comes up while the role waits, so that nothing is stopped. A second run then has nothing to do.
    effect(cluster, "release", deployment_id="hung")
    cluster.control("POST", "/settle")
    cluster.control("DELETE", "/journal")
    again, result = play(cluster)
    assert (again.rc, again.changed(), result["found"]) == (0, [], []), again.output
    assert cluster.writes() == []
    assert "WARNING" not in again.output


def test_limits_wrong_options_and_what_is_gone(cluster: Emulator, tmp_path: Path) -> None:
    break_all(cluster)
    for options, said in (
        ({"limit": 3}, "4 are broken, and the limit is 3: "),
        (
            {"kinds": "found", "dry_run": True},
            "rescue_options.kinds takes lost, failed, stuck, endpoints, not found.",
        ),
        ({"record": str(tmp_path / "none.json")}, "There is no record "),
    ):
        played, result = play(cluster, **options)
        assert played.rc == 2
        assert result["msg"].startswith(said)
        assert cluster.writes() == []


def test_a_record_and_a_file_of_a_killed_run(cluster: Emulator, tmp_path: Path) -> None:
    """Play a run that ended between a stop and a start: Elasticsearch refuses all starts."""
    record = {"name": "mlops.elasticsearch.upgrade_guard"}
    variables = {"upgrade_guard": {"action": "record", "file": str(tmp_path / "record.json")}}
    tasks = [{"name": "Record", "ansible.builtin.include_role": record, "vars": variables}]
    group = {"group/mlops.elasticsearch.ml": {"hosts": cluster.url}}
    base = {"hosts": "localhost", "connection": "local", "gather_facts": False, "module_defaults": group}
    run_playbook(yaml.safe_dump([{**base, "tasks": tasks}])).must_pass()
    effect(cluster, "fail_route", deployment_id="search", reason="no memory")
    effect(cluster, "remove_deployment", deployment_id="fine")
    folder = tmp_path / "recovery"
    folder.mkdir()
    refused = {"type": "answer", "status": 503, "body": {"error": {"type": "x", "reason": "y"}, "status": 503}}
    fault = {"operation": "start", "path": "/**", "when": "before", "times": 1000, "do": refused}
    cluster.control("POST", "/faults", fault)
    given: Json = {"record": str(tmp_path / "record.json"), "recovery_folder": str(folder)}
    played, result = play(cluster, **given)
    assert (played.rc, result["repaired"]) == (2, [])
    cluster.control("DELETE", "/faults")
    cluster.control("DELETE", "/journal")
    played, result = play(cluster, **given)
    assert (played.rc, result["repaired"]) == (0, ["fine", "search"]), played.output
    assert sorted(starts(cluster)) == ["fine", "search"]
    [search] = [write["query"] for write in cluster.writes() if write["query"].get("deployment_id") == "search"]
    assert search["queue_capacity"] == "300"
    assert list(folder.iterdir()) == []
