# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test aliases in playbooks, inside the controller and as a module: loops, dry runs with deployments, diffs."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from integration.test_dry_run_of_a_playbook import named, said
from integration.test_scenarios import MODULE, OPTIONS, WAYS, play
from support.emulator_process import Emulator, emulator

Json = dict[str, t.Any]
ALIAS = "mlops.elasticsearch.trained_model_alias"
FACT = "elasticsearch_ml_aliases"
SHOW: Json = {"ansible.builtin.debug": {"msg": "{{ ansible_facts." + FACT + " }}"}}

# A new model takes the place of an old one behind an alias.
SWAP: list[Json] = [
    {MODULE: {"model_id": "m"}},
    {ALIAS: {"model_alias": "{{ item }}", "model_id": "m"}, "loop": ["a", "b", "a"]},
    {ALIAS: {"model_alias": "a", "model_id": "other"}, "ignore_errors": True},
    {ALIAS: {"model_alias": "a", "model_id": "other", "reassign": True}, "ignore_errors": True},
    {MODULE: {"model_id": "other"}},
    {ALIAS: {"model_alias": "a", "model_id": "other", "reassign": True}},
    {ALIAS: {"model_alias": "a", "model_id": "other", "reassign": True}},
    {MODULE: {"model_id": "a", "deployment_id": "by-alias"}},
    {ALIAS: {"model_alias": "b", "state": "absent"}},
    {ALIAS: {"model_alias": "b", "state": "absent"}},
    {MODULE: {"model_id": "m", "state": "stopped"}},
]


@pytest.fixture
def server() -> Iterator[Emulator]:
    with emulator(*OPTIONS) as found:
        yield found


@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_says_what_the_real_run_says(server: Emulator, way: str) -> None:
    dry = play(server, way, named(SWAP), "--check", "--diff").must_pass()
    assert server.writes() == []
    real = play(server, way, named(SWAP)).must_pass()
    for predicted, happened in zip(dry.tasks, real.tasks, strict=True):
        assert said(predicted.result) == said(happened.result), predicted.task
    assert [task.result["changed"] for task in real.tasks] == [
        True,
        True,
        False,
        False,
        *[True] * 2,
        False,
        *[True] * 2,
        False,
        True,
    ]
    codes = [task.result["failure"]["code"] for task in real.tasks if task.result.get("failure")]
    assert codes == ["alias_refers_elsewhere", "model_not_deployed"]
    assert "model_id: other" in dry.output or '"model_id": "other"' in dry.output
    assert server.control("GET", "/state")["aliases"] == {"a": "other"}


@pytest.mark.parametrize("way", WAYS)
def test_the_fact_grows(server: Emulator, way: str) -> None:
    tasks = [
        {ALIAS: {"model_alias": "a", "model_id": "m"}},
        {ALIAS: {"model_alias": "b", "model_id": "m"}},
        {ALIAS: {"model_alias": "a", "state": "absent"}},
        SHOW,
    ]
    shown = play(server, way, named(tasks)).must_pass().result("Task 3")["msg"]
    assert {name: (entry["alias"], entry["predicted"]) for name, entry in shown.items()} == {
        "b": ({"model_alias": "b", "model_id": "m"}, False)
    }


def test_a_fact_of_deployments_is_none_of_aliases(server: Emulator) -> None:
    tasks: list[Json] = [
        {MODULE: {"model_id": "m", "fact_name": "one"}},
        {ALIAS: {"model_alias": "a", "model_id": "m", "fact_name": "one"}, "ignore_errors": True},
    ]
    run = play(server, "local", named(tasks)).must_pass()
    assert "fact_name is one, which is the fact of deployments. Give it another name" in run.result("Task 1")["msg"]


def test_the_group_carries_the_connection(server: Emulator) -> None:
    run = play(server, "local", named([{ALIAS: {"model_alias": "a", "model_id": "nope"}, "ignore_errors": True}]))
    assert run.must_pass().result("Task 0")["failure"] == {"code": "model_missing"}
