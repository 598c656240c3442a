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

from support.awx_variables import KEEPS_TEXT, extra_variables
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


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    with emulator("--node", "ml-1=8,16gb", "--model", "sentiment", "--interval", "0.002") as server:
        yield server


def module_options() -> Json:
    return t.cast(Json, importlib.import_module(f"{OPTIONS}_deployment.options.fleet").SPEC.argument_spec)


def test_options_are_those_of_the_module() -> None:
    connection = importlib.import_module(f"{OPTIONS}_core.options.connection").CONNECTION.argument_spec
    assert {name.removeprefix(PREFIX) for name in spec()} - {"list"} == (
        module_options().keys() - connection.keys() - {"deployments", "predictions"}
    )


def names(options: Json) -> Iterator[str]:
    for name, option in options.items():
        yield name
        yield from names(option.get("options") or {})


def test_every_option_and_choice_is_documented() -> None:
    items = " ".join(spec()["deployments_list"]["description"])
    options = module_options()["deployments"]["options"]
    assert [name for name in names(options) if f"C({name})" not in items] == []
    for name in ("priority", "replace", "on_missing", "on_adaptive", "on_failed", "on_referenced", "on_endpoint_owned"):
        assert [choice for choice in options[name]["choices"] if f"C({choice})" not in items] == [], name
    for name, option in spec().items():
        described = " ".join([*option["description"]]) if isinstance(option["description"], list) else ""
        choices = module_options().get(name.removeprefix(PREFIX), {}).get("choices") or ()
        assert [choice for choice in choices if f"C({choice})" not in described + str(option["description"])] == []


def test_every_option_is_handed_on() -> None:
    [task] = next(task["block"] for task in read("tasks/main.yml") if "block" in task)
    arguments = task["mlops.elasticsearch.trained_model_deployments"]
    own = {name.removeprefix(PREFIX) for name in spec()} - {"list"}
    assert set(arguments) == own | {"deployments"}
    assert arguments["deployments"] == "{{ deployments_list }}"
    assert all(arguments[name] == f"{{{{ {PREFIX}{name} | default(omit) }}}}" for name in own - {"guard"})


def test_check_mode_then_real_then_again(cluster: Emulator) -> None:
    given = {"url": cluster.url, "deployments_list": [SEARCH, INGEST]}
    checked = run_playbook(PLAY, "--check", extra_vars=given).must_pass()
    assert cluster.writes() == []
    assert checked.result("Use the results")["msg"] == ["start", "start"]
    table = checked.result("Show the deployments before and after")["msg"]
    assert [row.split()[:5] for row in table[2::2]] == [
        ["search", "start", "0", "->", "2"],
        ["ingest", "start", "0", "->", "1"],
    ], table
    assert "WARNING" not in checked.output
    assert checked.result("Use the results in another play")["msg"] == [None, None]

    first = run_playbook(PLAY, extra_vars=given).must_pass()
    assert first.result("Use the results")["msg"] == ["start", "start"]
    assert first.result("Show the deployments before and after")["msg"] == table
    assert first.result("Use the results in another play")["msg"] == [2, 1]
    assert first.result("Use the facts")["msg"] == ["ingest", "search"]
    assert [write["path"] for write in cluster.writes()] == ["/_ml/trained_models/sentiment/deployment/_start"] * 2
    assert cluster.writes()[1]["query"]["queue_capacity"] == "500"

    cluster.control("DELETE", "/journal")
    second = run_playbook(PLAY, extra_vars=given).must_pass()
    assert second.changed() == []
    assert second.result("Use the results")["msg"] == ["none", "none"]
    assert second.result("Show the deployments before and after")["msg"] == ["2 unchanged: search, ingest."]
    assert cluster.writes() == []


@pytest.mark.parametrize(
    ("item", "role"), [("off", ""), ("", "off"), ("off", "fail"), ("null", "off"), ("''", "off"), ("warn", "off")]
)
def test_off_is_a_choice_as_yaml_reads_it(cluster: Emulator, item: str, role: str) -> None:
    """Test it with words in YAML, of which it reads ``off`` as false."""
    given = {
        **SEARCH,
        "number_of_allocations": 9,
        "wait": False,
        **(yaml.safe_load(f"preflight: {item}") if item else {}),
    }
    of_role = yaml.safe_load(f"deployments_preflight: {role}") if role else {}
    variables = {"url": cluster.url, "deployments_list": [given], **of_role}
    played = run_playbook(PLAY, "--check", extra_vars=variables).must_pass()
    [each] = played.result("Apply the deployments")["deployments"]
    assert each["start_checks"]["capacity"] == ("refused" if item == "warn" else None)


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
    assert "absent failed: Deployment 'absent' does not exist." in " ".join(
        played.result("Show the deployments before and after")["msg"]
    )
    assert played.result("Use the results in another play")["msg"] == [0, 2]


REFUSED: list[tuple[Json, str]] = [
    *(
        ({"deployments_list": items}, sentence)
        for items, sentence in (
            (
                [SEARCH, {"model_id": "search"}],
                "'search' is listed 2 times, in deployments_list[0], deployments_list",
            ),
            ([{"state": "started"}], "deployments_list[0]: one of the following is required: deployment_id, model_id"),
            (
                [INGEST, {**SEARCH, "allocations": 2}],
                "deployments_list[1] ('search'): Unsupported parameters: allocations",
            ),
            (
                [{**SEARCH, "threads_per_allocation": 3}],
                "deployments_list[0] ('search'): value of threads_per_allocation must be",
            ),
            (
                [{**SEARCH, "guard": 8}],
                "deployments_list[0] ('search'): guard takes a dictionary with number_of_allocations, min",
            ),
            ([{**SEARCH, "deployment_id": 7}], "deployments_list[0]: deployment_id is 7, not a text."),
            (
                [{**SEARCH, "deployment_id": None}],
                "deployments_list[0] ('sentiment'): deployment_id has no value, and model_id",
            ),
            ({"model_id": "sentiment"}, "deployments_list takes a list of dictionaries, not a dictionary"),
            (None, "The role needs the variable deployments_list"),
            ("", "The role needs the variable deployments_list"),
            (7, "deployments_list takes a list of dictionaries, not 7"),
        )
    ),
    ({"deployments_lst": [SEARCH]}, "The role needs the variable deployments_list"),
    ({"deployments_list": [], "deployments_wait": "perhaps"}, "deployments_wait takes true or false, not 'perhaps'"),
    (
        {"deployments_list": [], "deployments_guard": 8},
        "deployments_guard takes a dictionary with max_total_step, on_violation, not",
    ),
    ({"deployments_list": [], "deployments_stop_unlisted": True}, "deployments_stop_unlisted is set without"),
    (
        {"deployments_list": [], "deployments_guard": {"max_total_step": -1}},
        "deployments_guard.max_total_step must be",
    ),
    ({"deployments_list": [], "deployments_wait_for": "ready"}, "value of deployments_wait_for must be one of"),
    (
        {"deployments_list": [SEARCH], "deployments_wait_timeout": "soon"},
        "deployments_wait_timeout is 'soon', not a time",
    ),
    (
        {"deployments_list": [{"model_id": "sentiment", "wait": 7}], "deployments_wait": 8},
        "deployments_list[0] ('sentiment'): wait takes true or false, not 7. deployments_wait takes true",
    ),
]
"""Variables of the role, and the beginning of the message."""


def test_refuses_what_makes_no_sense_and_keeps_no_results_of_an_earlier_use(cluster: Emulator) -> None:
    def use(variables: Json) -> Json:
        return {"ansible.builtin.include_role": {"name": "mlops.elasticsearch.deployments"}, "vars": variables}

    left = {"ansible.builtin.debug": {"msg": ["{{ ansible_failed_result.msg }}", "{{ deployments_results }}"]}}
    tasks = [{**use({"deployments_list": [{"model_id": "sentiment"}]}), "name": "Use it"}]
    for number, (variables, _sentence) in enumerate(REFUSED):
        tasks += [
            {"name": "Have results", "ansible.builtin.set_fact": {"deployments_results": ["earlier"]}},
            {"block": [use(variables)], "rescue": [{**left, "name": f"Show what {number} leaves"}]},
        ]
    defaults = {"group/mlops.elasticsearch.ml": {"hosts": cluster.url}}
    local = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    played = run_playbook(yaml.safe_dump([{**local, "module_defaults": defaults, "tasks": tasks}])).must_pass()
    for number, (_variables, sentence) in enumerate(REFUSED):
        message, results = played.result(f"Show what {number} leaves")["msg"]
        assert sentence in message
        assert results == []
    assert len(cluster.writes()) == 1


SURVEY = """
- name: A play with what surveys send
  hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: "{{ url }}"
      wait_sleep: "{{ pause }}"
    mlops.elasticsearch.trained_model_deployments:
      guard: {max_total_step: "{{ most }}"}
      detail: changed
      fact_name: of_the_play
  vars: {pause: 50ms, most: 3}
  tasks:
    - name: Use the role
      block:
        - name: Apply them
          ansible.builtin.include_role:
            name: mlops.elasticsearch.deployments
          vars: {SURVEY}
      rescue:
        - name: Tell why
          ansible.builtin.debug:
            msg: "{{ ansible_failed_result.msg }}"
    - name: Show the facts
      ansible.builtin.debug:
        msg: "{{ ansible_facts | list }}"
"""
NOTHING = (
    "{wait_for: null, priority: '', number_of_allocations: '', adaptive_allocations: null, wait_timeout: 5m, "
    "guard: {max: '', max_step: null}, threads_per_allocation: '{{ no_such_variable | default(omit) }}', "
    "model_id: sentiment}"
)


def test_what_surveys_send(cluster: Emulator) -> None:
    """Test null beside defaults of the play; ``test_roles.py`` tries all that is empty."""
    of_all = {name: "null" for name in spec() if name not in ("deployments_list", "deployments_fact_name")}
    of_all |= {
        "deployments_wait_timeout": "5m",
        "deployments_server_timeout": "'20'",
        "deployments_stop_unlisted": "'false'",
    }
    more = "".join(f", {name}: {value}" for name, value in of_all.items())
    played = run_playbook(
        SURVEY.replace("SURVEY", f"deployments_list: [{NOTHING}]{more}"), extra_vars={"url": cluster.url}
    )
    assert len(played.must_pass().changed()) == 1, played.output
    assert "WARNING" not in played.output
    assert [write["query"]["timeout"] for write in cluster.writes()] == ["20s"]
    assert "of_the_play" in played.result("Show the facts")["msg"]

    again = run_playbook(
        SURVEY.replace("SURVEY", f"deployments_list: [{NOTHING}]{more}"), extra_vars={"url": cluster.url}
    )
    assert again.must_pass().changed() == []
    [task] = again.named("Apply the deployments")
    assert task.result["deployments"][0].keys() == {"deployment_id", "changed", "operation"}


@pytest.mark.parametrize("empty", ["null", "{{ no_such_variable | default(omit) }}", ""])
def test_module_defaults_guard_the_role(cluster: Emulator, empty: str) -> None:
    given = f"deployments_list: [{{model_id: sentiment, number_of_allocations: 4}}], deployments_guard: '{empty}'"
    played = run_playbook(SURVEY.replace("SURVEY", given.replace("'null'", "null")), extra_vars={"url": cluster.url})
    assert "max_total_step is 3" in played.must_pass().result("Tell why")["msg"]
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


def test_a_message_names_the_variables_of_the_role(cluster: Emulator) -> None:
    given = {"url": cluster.url, "deployments_list": [SEARCH], "deployments_stop_unlisted": True}
    played = run_playbook(PLAY, extra_vars=given)
    assert "deployments_stop_unlisted is set without deployments_unlisted_except" in played.output
    assert cluster.writes() == []


def test_an_empty_list_is_no_error(cluster: Emulator) -> None:
    played = run_playbook(PLAY, extra_vars={"url": cluster.url, "deployments_list": []}).must_pass()
    assert played.named("Tell which items failed") == []
    assert played.result("Use the results")["msg"] == []


def test_variables_as_awx_writes_them(cluster: Emulator, tmp_path: Path) -> None:
    """Test that texts that look like numbers and empty answers do not become other ids or settings."""
    items = [
        {**SEARCH, "priority": "", "queue_capacity": "500", "wait_timeout": "5m"},
        {"model_id": "007", "deployment_id": "abc"},
        {"model_id": "sentiment", "deployment_id": ""},
    ]
    file = tmp_path / "extravars"
    for wrong in (items[1:2], items[2:]):
        file.write_text(extra_variables({"deployments_list": wrong, "deployments_wait": ""}))
        played = run_playbook(PLAY, "--extra-vars", f"@{file}", extra_vars={"url": cluster.url})
        message = played.named("Apply the deployments")[0].result["msg"]
        if wrong == items[2:]:
            assert "deployments_list[0] ('sentiment'): deployment_id has no value" in message
        else:
            assert (
                "model '007'" if KEEPS_TEXT else "deployments_list[0] ('abc'): model_id is 7, not a text."
            ) in message
        assert cluster.writes() == []

    file.write_text(
        extra_variables({"deployments_list": items[:1], "deployments_wait_for": "", "deployments_guard": ""})
    )
    run_playbook(PLAY, "--extra-vars", f"@{file}", extra_vars={"url": cluster.url}).must_pass()
    assert [write["query"]["queue_capacity"] for write in cluster.writes()] == ["500"]
