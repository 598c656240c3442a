# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the role deployments: its spec is true, and what it leaves behind can be used."""

from __future__ import annotations

import importlib
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.emulator_process import Emulator, emulator
from support.playbook import Json, run_playbook

ROLE = Path(__file__).resolve().parent.parent.parent / "roles/deployments"
OPTIONS = "ansible_collections.mlops.elasticsearch.plugins.module_utils."
# The role's name for an option of all items.
PREFIX = "deployments_"

PLAY = """
- name: A play with the role, and one that follows
  hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: "{{ url }}"
  tasks:
    - name: Use the role
      block:
        - name: Apply them
          ansible.builtin.include_role:
            name: mlops.elasticsearch.deployments
      rescue:
        - name: Tell which items failed
          ansible.builtin.debug:
            msg: "{{ deployments_results | select('failed') | map(attribute='deployment_id') }}"

    - name: Use the results
      ansible.builtin.debug:
        msg: "{{ deployments_results | map(attribute='operation') }}"

- name: The play that follows
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Use the results in another play
      ansible.builtin.debug:
        msg: "{{ deployments_results | map(attribute='allocations.running') }}"

    - name: Use the facts
      ansible.builtin.debug:
        msg: "{{ ansible_facts.elasticsearch_ml_deployments | default({}) | list | sort }}"
"""
SEARCH = {"model_id": "sentiment", "deployment_id": "search", "number_of_allocations": 2}
INGEST = {"model_id": "sentiment", "deployment_id": "ingest", "queue_capacity": 500}


def read(path: str) -> t.Any:
    return yaml.safe_load((ROLE / path).read_text())


def spec() -> Json:
    return t.cast(Json, read("meta/argument_specs.yml")["argument_specs"]["main"]["options"])


def comparable(options: Json) -> Json:
    """Return types, choices and what lies within; defaults are the module's own matter."""
    return {
        name: (option["type"], option.get("choices"), option.get("elements"), comparable(option.get("options") or {}))
        for name, option in options.items()
    }


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    with emulator("--node", "ml-1=8,16gb", "--model", "sentiment", "--interval", "0.002") as server:
        yield server


def test_defaults_of_the_spec_are_those_of_the_role() -> None:
    assert read("defaults/main.yml") == {
        name: option["default"] for name, option in spec().items() if "default" in option
    }


def module_options() -> Json:
    return t.cast(Json, importlib.import_module(f"{OPTIONS}_deployment.options.fleet").SPEC.argument_spec)


def test_options_are_those_of_the_module() -> None:
    connection = importlib.import_module(f"{OPTIONS}_core.options.connection").CONNECTION.argument_spec
    module = {name: option for name, option in module_options().items() if name not in connection}
    own = {name.removeprefix(PREFIX): option for name, option in spec().items()}
    assert comparable({**own, "deployments": own["list"]}) == comparable({**module, "list": module["deployments"]})


def test_every_option_is_handed_on() -> None:
    [task] = read("tasks/main.yml")[0]["block"]
    arguments = task["mlops.elasticsearch.trained_model_deployments"]
    own = {name.removeprefix(PREFIX) for name in spec()} - {"list"}
    assert set(arguments) == own | {"deployments"}
    assert arguments["deployments"] == "{{ deployments_list }}"
    assert all(arguments[name] == f"{{{{ {PREFIX}{name} | default(omit) }}}}" for name in own)


def test_check_mode_then_real_then_again(cluster: Emulator) -> None:
    given = {"url": cluster.url, "deployments_list": [SEARCH, INGEST]}
    checked = run_playbook(PLAY, "--check", extra_vars=given).must_pass()
    assert cluster.writes() == []
    assert checked.result("Use the results")["msg"] == ["start", "start"]
    assert checked.result("Use the results in another play")["msg"] == [None, None]

    first = run_playbook(PLAY, extra_vars=given).must_pass()
    assert first.result("Use the results")["msg"] == ["start", "start"]
    assert first.result("Use the results in another play")["msg"] == [2, 1]
    assert first.result("Use the facts")["msg"] == ["ingest", "search"]
    assert [write["path"] for write in cluster.writes()] == ["/_ml/trained_models/sentiment/deployment/_start"] * 2
    assert cluster.writes()[1]["query"]["queue_capacity"] == "500"

    cluster.control("DELETE", "/journal")
    second = run_playbook(PLAY, extra_vars=given).must_pass()
    assert second.changed() == []
    assert second.result("Use the results")["msg"] == ["none", "none"]
    assert cluster.writes() == []


def test_options_of_all_items_yield_to_those_of_an_item(cluster: Emulator) -> None:
    given = {
        "url": cluster.url,
        "deployments_list": [{**SEARCH, "wait": True}, {**INGEST, "deployment_id": "quick"}],
        "deployments_wait": False,
        "deployments_fact_name": "",
    }
    played = run_playbook(PLAY, extra_vars=given).must_pass()
    [task] = played.named("Apply the deployments")
    reached = [item["waited"]["reached"] for item in task.result["deployments"]]
    assert reached == [True, None]
    assert played.result("Use the facts")["msg"] == []


def test_one_failure_stops_nothing_and_is_reported(cluster: Emulator) -> None:
    given = {"url": cluster.url, "deployments_list": [{"deployment_id": "absent", "on_missing": "fail"}, SEARCH]}
    played = run_playbook(PLAY, extra_vars=given).must_pass()
    assert played.result("Tell which items failed")["msg"] == ["absent"]
    assert played.result("Use the results")["msg"] == ["none", "start"]
    assert played.result("Use the results in another play")["msg"] == [0, 2]


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ([SEARCH, {"model_id": "search"}], "'search' is listed 2 times, in deployments[0], deployments[1]"),
        ([{"state": "started"}], "one of the following is required: deployment_id, model_id"),
        ([{**SEARCH, "allocations": 2}], "allocations"),
        ([{**SEARCH, "threads_per_allocation": 3}], "value of threads_per_allocation must be one of"),
    ],
)
def test_refuses_what_makes_no_sense(cluster: Emulator, items: list[Json], sentence: str) -> None:
    played = run_playbook(PLAY, extra_vars={"url": cluster.url, "deployments_list": items})
    assert sentence in played.output
    assert cluster.writes() == []


def test_what_is_not_listed_is_stopped_when_asked(cluster: Emulator) -> None:
    run_playbook(PLAY, extra_vars={"url": cluster.url, "deployments_list": [SEARCH, INGEST]}).must_pass()
    given = {
        "url": cluster.url,
        "deployments_list": [],
        "deployments_stop_unlisted": True,
        "deployments_unlisted_except": ["search"],
    }
    played = run_playbook(PLAY, extra_vars=given).must_pass()
    assert played.result("Use the results")["msg"] == ["stop"]
    assert set(cluster.control("GET", "/state")["deployments"]) == {"search"}


def test_an_empty_list_is_no_error(cluster: Emulator) -> None:
    played = run_playbook(PLAY, extra_vars={"url": cluster.url}).must_pass()
    assert played.result("Use the results")["msg"] == []
