# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the role upgrade_guard: what it records, stops and restores, also on a newer server and after a kill."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.documents import plays
from support.emulator_process import Emulator, emulator
from support.playbook import Json, Played, run_playbook

OLD, NEW = "8.19.21", "9.5.3"
ADAPTIVE: Json = {"enabled": True, "min_number_of_allocations": 2, "max_number_of_allocations": 3}
PLAY = """
- name: Use the role
  hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: "{{ url }}"
  tasks:
    - name: Guard
      block:
        - name: Use the role
          ansible.builtin.include_role:
            name: mlops.elasticsearch.upgrade_guard
          vars:
            upgrade_guard: "{{ given }}"
      always:
        - name: Show the results
          ansible.builtin.debug:
            msg: "{{ upgrade_guard_results }}"
"""
AFTER_DRY_RUNS = PLAY.replace(
    "  tasks:\n",
    """  tasks:
    - name: Look what the upgrade mode would change
      mlops.elasticsearch.ml_upgrade_mode:
        enabled: true
      check_mode: true
    - name: Try the role
      ansible.builtin.include_role:
        name: mlops.elasticsearch.upgrade_guard
      vars:
        upgrade_guard: "{{ given | combine({'dry_run': true, 'on_referenced': 'force'}) }}"
""",
)
"""A play whose dry runs predict something before the role is used for real."""


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    nodes = [each for name in ("ml-1", "ml-2") for each in ("--node", f"{name}=8,16gb")]
    models = [each for name in ("sentiment", "names", "vectors") for each in ("--model", name)]
    with emulator(*nodes, *models, "--interval", "0.01", version=OLD) as server:
        yield server


def effect(cluster: Emulator, do: str, **arguments: t.Any) -> None:
    assert cluster.control("POST", "/effects", {"do": do, **arguments}) == {"applied": True}


def deploy(cluster: Emulator) -> None:
    """Deploy five models in five ways, one of them through an endpoint, and set two aliases."""
    start: Json = {"do": "start_deployment", "threads_per_allocation": 1}
    for settings in (
        {"model_id": "sentiment", "deployment_id": "search", "number_of_allocations": 2, "queue_capacity": 500},
        {"model_id": "sentiment", "deployment_id": "ingest", "adaptive_allocations": ADAPTIVE},
        {"model_id": "names", "number_of_allocations": 1, "threads_per_allocation": 2, "cache_size": "12345b"},
        {"model_id": "names", "deployment_id": "idle", "priority": "low"},
    ):
        effect(cluster, **{**start, **settings})
    service = {
        "service": "elasticsearch",
        "service_settings": {"model_id": "vectors", "num_threads": 1, "num_allocations": 1},
    }
    cluster.api("PUT", "/_inference/text_embedding/similar", service)
    for alias, model in (("mood", "sentiment"), ("people", "names")):
        cluster.api("PUT", f"/_ml/trained_models/{model}/model_aliases/{alias}")
    cluster.control("POST", "/settle")
    cluster.control("DELETE", "/journal")


def deployments(cluster: Emulator) -> Json:
    """Return what is deployed, with the settings that a start sets."""
    found = cluster.control("GET", "/state")["deployments"]
    moving = ("routing_table", "start_time", "max_assigned_allocations", "assignment_state", "reason")
    return {name: {key: value for key, value in each.items() if key not in moving} for name, each in found.items()}


def guard(cluster: Emulator, file: Path, *args: str, play: str = PLAY, **given: t.Any) -> Played:
    variables = {"url": cluster.url, "given": {"file": str(file), "wait_sleep": 0.05, **given}}
    return run_playbook(play, *args, extra_vars=variables)


def results(played: Played) -> Json:
    return t.cast(Json, played.result("Show the results")["msg"])


NIGHT: Json = {"action": ["record", "quiesce"], "quiesce": {"mode": "stop_all"}, "on_referenced": "force"}


SECRET = "a-secret-of-an-endpoint"


def test_restore_exactly_on_a_newer_server(cluster: Emulator, tmp_path: Path) -> None:
    """Test the whole way: dry run, night, upgrade, audit, a restore that waits for the last node, audit again."""
    deploy(cluster)
    remote: Json = {
        "service": "openai",
        "service_settings": {"api_key": SECRET, "model_id": "gpt", "url": "https://x/" + SECRET},
    }
    cluster.api("PUT", "/_inference/completion/remote", remote)
    before, file = deployments(cluster), tmp_path / "record.json"
    cluster.control("DELETE", "/journal")

    # A play may set check mode, too.
    play = PLAY.replace("  tasks:", "  check_mode: true\n  tasks:")
    dry = results(guard(cluster, file, play=play, **NIGHT).must_pass())
    assert (dry["record"]["written"], cluster.writes(), file.exists()) == (True, [], False)
    night = results(guard(cluster, file, **NIGHT).must_pass())
    assert night["stopped"] == dry["stopped"] == sorted(before)
    assert deployments(cluster) == {}
    assert (file.stat().st_mode & 0o777, SECRET in file.read_text()) == (0o600, False)
    cluster.api("DELETE", "/_ml/trained_models/names/model_aliases/people")
    recorded = file.read_text()

    effect(cluster, "upgrade_server", version=NEW)
    cluster.control("DELETE", "/journal")
    audit = results(guard(cluster, file, "--check", action="restore").must_pass())
    assert (audit["differences"], len(audit["table"]), cluster.writes()) == (6, 8, [])
    assert file.read_text() == recorded

    effect(cluster, "set_setting", name="mixed_versions", value=True)
    early = guard(cluster, file, action="restore", wait_timeout=0.1)
    assert early.rc != 0
    assert "Run the task again when all nodes are upgraded" in " ".join(results(early)["failed"])
    assert cluster.writes() == []
    effect(cluster, "set_setting", name="upgrade_mode", value=True)
    upgraded = {"do": "set_setting", "name": "mixed_versions", "value": False}
    # The last node is upgraded while the role waits.
    last: Json = {"operation": "any_read", "after": 50, "do": {"type": "effect", "effect": upgraded}}
    cluster.control("POST", "/faults", last)
    morning = guard(cluster, file, action="restore", wait_timeout="2m").must_pass()
    assert "FAILED - RETRYING" in morning.output
    assert results(morning)["differences"] == 0
    assert sorted(results(morning)["restored"]) == sorted(before)
    assert deployments(cluster) == before
    assert json.loads(file.read_text())["state"] == "restored"

    cluster.control("DELETE", "/journal")
    after = guard(cluster, file, action="restore").must_pass()
    assert (results(after)["differences"], after.changed(), cluster.writes()) == (0, [], [])
    shown = ("deployments", "inference_endpoints", "model_aliases")
    print({name: results(morning)["record"][name] for name in shown}, results(morning)["summary"])


def test_two_clusters_that_are_given_the_same_file(cluster: Emulator, tmp_path: Path) -> None:
    """Test it with two hosts of one play, none of which has found a record: only what is on disk is stopped."""
    inventory, file = tmp_path / "hosts", tmp_path / "record.json"
    with emulator("--model", "other", "--interval", "0.01") as beside:
        clusters = {"first": cluster, "second": beside}
        inventory.write_text("".join(f"{name} url={each.url}\n" for name, each in clusters.items()))
        for each, model_id in ((cluster, "names"), (beside, "other")):
            effect(each, "start_deployment", model_id=model_id)
        play, variables = PLAY.replace("localhost", "all"), {"given": {"file": str(file), **NIGHT}}
        played = run_playbook(play, "-i", str(inventory), extra_vars=variables)
        [kept] = json.loads(file.read_text())["deployments"]
        lost = cluster if kept["model_id"] == "other" else beside
        assert (len(deployments(cluster)) + len(deployments(beside)), len(deployments(lost))) == (1, 1)
    said = [task.result["msg"] for task in played.named("Show the results") if task.result["msg"]["failed"]]
    assert ["another host of this play has written" in each["msg"] for each in said] == [True]


def test_a_refusal_comes_before_the_first_write(cluster: Emulator, tmp_path: Path) -> None:
    deploy(cluster)
    file = tmp_path / "record.json"
    refused = guard(cluster, file, play=AFTER_DRY_RUNS, **{**NIGHT, "on_referenced": "fail"})
    assert refused.rc != 0
    assert "similar" in refused.output
    assert (cluster.writes(), file.exists()) == ([], False)
    omitted = "{{ no_such_variable | default(omit) }}"
    every_node: Json = {"mode": "stop_nodes", "nodes": ["ml-*"], "upgrade_mode": omitted}
    guard(
        cluster,
        file,
        **{**NIGHT, "quiesce": every_node, "except": omitted, "guard": None, "wait_timeout": " ", "guard_of_list": " "},
    ).must_pass()
    # A model was deleted, and with it an alias.
    cluster.api("DELETE", "/_ml/trained_models/names?force=true")
    effect(cluster, "set_setting", name="upgrade_mode", value=True)
    cluster.control("DELETE", "/journal")
    for given, why in (({}, "no trained model"), ({"on_refused": "skip", "wait_for": "whatever"}, "wait_for")):
        # Nothing before the first write needs Python where the play says that it is.
        args = ("-e", "ansible_python_interpreter=/no/python")
        blocked = guard(cluster, file, *args, action="restore", **given)
        assert blocked.rc != 0
        assert "Nothing was restored, because a part of the record is refused." in blocked.output
        assert {why in each for each in results(blocked)["failed"]} == {True}
        # Even the upgrade mode stays on.
        assert cluster.writes() == []
    most = guard(cluster, file, action="restore", on_refused="skip")
    assert most.rc != 0
    assert results(most)["restored"] == ["ingest", "search", "similar"]
    assert {row["id"] for row in results(most)["drift"]} == {"idle", "names", "people"}
    assert json.loads(file.read_text())["state"] == "quiesced"


def test_a_restore_that_was_killed_goes_on(cluster: Emulator, tmp_path: Path) -> None:
    deploy(cluster)
    before, file = deployments(cluster), tmp_path / "record.json"
    night = {**NIGHT, "quiesce": {"mode": "stop_all", "upgrade_mode": True}}
    guard(cluster, file, play=AFTER_DRY_RUNS, **night).must_pass()
    assert not json.loads(file.read_text())["upgrade_mode"]
    # The end of the process is the end of its answers: the third start, and all that follows, get none.
    lost = [
        {"method": "POST", "path": "/_ml/trained_models/*/deployment/_start", "after": 2, "times": -1},
        {"method": "PUT", "path": "/_ml/trained_models/*/model_aliases/*", "times": -1},
    ]
    for each in lost:
        cluster.control("POST", "/faults", {**each, "do": {"type": "drop"}})
    assert guard(cluster, file, action="restore", wait_timeout=1).rc != 0
    assert 0 < len(deployments(cluster)) < len(before)
    cluster.control("DELETE", "/faults")
    # A second night in between keeps what does not run.
    again = results(guard(cluster, file, **night).must_pass())
    assert set(again["record"]["kept"]) | set(again["stopped"]) == set(before)
    done = results(guard(cluster, file, action="restore").must_pass())
    assert (done["differences"], done["upgrade_mode"], deployments(cluster)) == (0, "off", before)


EXAMPLES = [text for name, text in plays() if "upgrades.rst" in name or "upgrade_guard/README" in name]


def test_the_examples_of_the_guide(cluster: Emulator, tmp_path: Path) -> None:
    """Test them one after another: night and morning, twice."""
    deploy(cluster)
    before = deployments(cluster)
    assert len(EXAMPLES) == 4
    text = "".join(EXAMPLES).replace("https://es.example.com:9200", cluster.url)
    variables = {"record_folder": str(tmp_path), "elasticsearch_api_key": "c2VudGltZW50OnNlY3JldA=="}
    played = run_playbook(text, env={"ELASTICSEARCH_URL": cluster.url}, extra_vars=variables).must_pass()
    assert [task for task in played.changed() if "record" in task] == [
        *("Write the record", "Note in the record that it was restored") * 2
    ]
    assert deployments(cluster) == before
