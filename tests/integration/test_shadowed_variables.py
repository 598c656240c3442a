# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that no task gives a host a fact that would hide a variable of the user."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.emulator_process import Emulator, emulator
from support.forked.python import python
from support.playbook import Played, run_playbook

Json = dict[str, t.Any]
MODULE = "mlops.elasticsearch.trained_model_deployment"
LIST = "mlops.elasticsearch.trained_model_deployments"
NAME = "elasticsearch_ml_deployments"
CODE = "fact_shadows_variable"
WAYS = ("local", "loopback")
CONNECTIONS = Path(__file__).resolve().parent.parent / "support" / "connection"
START: Json = {"model_id": "m", "deployment_id": "d"}


@pytest.fixture
def server() -> Iterator[Emulator]:
    with emulator("--node", "n1=8,16gb", "--model", "m=1048576") as found:
        yield found


class Site:
    """Some hosts with variables of their own, and plays on them."""

    def __init__(self, server: Emulator, folder: Path, way: str = "local") -> None:
        self.server, self.folder = server, folder
        self.common: Json = {"ansible_connection": way, "ansible_python_interpreter": python()}

    def play(
        self,
        *tasks: Json,
        hosts: dict[str, Json],
        env: dict[str, str] | None = None,
        extra_vars: Json | None = None,
        **keywords: t.Any,
    ) -> Played:
        inventory = self.folder / "inventory.yml"
        given = {host: {**self.common, **variables} for host, variables in hosts.items()}
        inventory.write_text(yaml.safe_dump({"all": {"hosts": given}}))
        playbook = {
            "hosts": keywords.pop("on", "one"),
            "gather_facts": False,
            "module_defaults": {f"group/{MODULE.rpartition('.')[0]}.ml": {"hosts": [self.server.url]}},
            "tasks": [{"name": f"Task {number}", **task} for number, task in enumerate(tasks)],
            **keywords,
        }
        environment = {"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS), **(env or {})}
        text = yaml.safe_dump([playbook], sort_keys=False)
        return run_playbook(text, "-i", str(inventory), env=environment, extra_vars=extra_vars)


@pytest.fixture
def site(server: Emulator, tmp_path: Path) -> Site:
    return Site(server, tmp_path)


def refused(site: Site, played: Played, *, task: str = "Task 0") -> str:
    """Return the message of the refusal; nothing was written."""
    [found] = [each for each in played.named(task) if each.status in ("failed", "ignored")]
    assert found.result["failure"] == {"code": CODE}
    assert "ansible_facts" not in found.result
    assert site.server.writes() == []
    return str(found.result["msg"])


@pytest.mark.parametrize(
    ("task", "way", "mode"),
    [
        ({MODULE: START}, "local", {}),
        ({MODULE: START}, "loopback", {"check_mode": True}),
        ({LIST: {"deployments": [START]}}, "local", {"check_mode": True}),
        ({LIST: {"deployments": [START]}}, "loopback", {}),
    ],
)
def test_a_variable_of_the_inventory_is_not_hidden(
    server: Emulator, tmp_path: Path, task: Json, way: str, mode: Json
) -> None:
    site = Site(server, tmp_path, way)
    message = refused(site, site.play({**task, **mode}, hosts={"one": {NAME: {"sentiment": 2}}}))
    assert message.startswith(f"Host one has a variable {NAME} that is not a fact of this collection")
    assert "facts beat variables of the inventory" in message
    assert message.endswith("Rename the variable, or set fact_name to another name, or to an empty text for no fact.")


@pytest.mark.parametrize("value", [{}, None, [], "text", {"d": {"run": "r", "deployment": None}}])
def test_what_the_variable_holds_makes_no_difference(site: Site, value: t.Any) -> None:
    refused(site, site.play({MODULE: START}, hosts={"one": {NAME: value}}))


@pytest.mark.parametrize(
    "given", [{"vars": {NAME: 1}}, {"extra_vars": {NAME: 1}}], ids=["vars of the play", "extra vars"]
)
def test_other_variables_that_the_task_sees_count_as_well(site: Site, given: Json) -> None:
    refused(site, site.play({MODULE: START}, hosts={"one": {}}, **given))


@pytest.mark.parametrize(
    "before",
    [
        {"ansible.builtin.set_fact": {NAME: {"d": 1}}},
        {"ansible.builtin.set_fact": {NAME: {"d": 1}, "cacheable": True}},
        {"ansible.builtin.command": "true", "register": NAME},
        {"ansible.builtin.include_vars": {"file": "vars.yml"}},
    ],
    ids=["set_fact", "cacheable", "register", "include_vars"],
)
def test_variables_of_earlier_tasks_count_as_well(site: Site, before: Json) -> None:
    if "ansible.builtin.include_vars" in before:
        (site.folder / "vars.yml").write_text(yaml.safe_dump({NAME: [1]}))
        before = {"ansible.builtin.include_vars": {"file": str(site.folder / "vars.yml")}}
    refused(site, site.play(before, {MODULE: START}, hosts={"one": {}}), task="Task 1")


def test_the_default_of_a_role_counts_and_its_message_names_the_option_of_ours(site: Site) -> None:
    defaults = site.folder / "roles" / "mine" / "defaults"
    defaults.mkdir(parents=True)
    (defaults / "main.yml").write_text(yaml.safe_dump({NAME: [1]}))
    (defaults.parent / "tasks").mkdir()
    (defaults.parent / "tasks" / "main.yml").write_text(yaml.safe_dump([{"name": "Task 0", MODULE: START}]))
    env = {"ANSIBLE_ROLES_PATH": str(defaults.parent.parent)}
    of_user = site.play({"ansible.builtin.include_role": {"name": "mine"}, "name": "Role"}, hosts={"one": {}}, env=env)
    assert "set fact_name to another name" in refused(site, of_user)
    role: Json = {"name": "mlops.elasticsearch.deployments"}
    ours = site.play(
        {"ansible.builtin.include_role": role, "vars": {"deployments_list": [START]}}, hosts={"one": {NAME: [1]}}
    )
    message = refused(site, ours, task="Apply the deployments")
    assert "set deployments_fact_name to another name" in message


def test_with_another_name_an_empty_one_or_without_injected_facts_nothing_is_hidden(site: Site) -> None:
    hosts = {"one": {NAME: {"d": 1}}}
    tasks = [{MODULE: {**START, "fact_name": name}} for name in ("another", "")]
    site.play(*tasks, hosts=hosts).must_pass()
    asynchronous: Json = {MODULE: START, "async": 60, "poll": 1}
    shown: Json = {"ansible.builtin.debug": {"msg": f"{{{{ {NAME} }}}}"}}
    assert site.play(asynchronous, shown, hosts=hosts).must_pass().result("Task 1")["msg"] == {"d": 1}
    once_more = site.play({MODULE: START}, shown, hosts=hosts, env={"ANSIBLE_INJECT_FACT_VARS": "false"})
    assert once_more.must_pass().result("Task 1")["msg"] == {"d": 1}


@pytest.mark.parametrize("way", WAYS)
def test_tasks_loops_and_retries_do_not_take_their_own_fact_for_a_variable(
    server: Emulator, tmp_path: Path, way: str
) -> None:
    site = Site(server, tmp_path, way)
    looped = {MODULE: {**START, "deployment_id": "{{ item }}"}, "loop": ["a", "b", "c"]}
    retried = {MODULE: START, "register": "run", "until": "run.attempts | default(1) > 1", "retries": 3, "delay": 0}
    stopped = {LIST: {"deployments": [], "stop_unlisted": True, "unlisted_except": []}}
    played = site.play(looped, looped, retried, stopped, {MODULE: START}, hosts={"one": {}}).must_pass()
    assert played.result("Task 2")["attempts"] > 1


def test_a_fact_from_a_cache_is_ours(site: Site) -> None:
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(site.folder / "cache")}
    for _time in range(2):
        site.play({MODULE: START}, hosts={"one": {}}, env=cache).must_pass()


def test_all_hosts_that_get_the_fact_are_looked_at(site: Site) -> None:
    hosts: dict[str, Json] = {"one": {}, "two": {}, "three": {NAME: 1}, "four": {NAME: 1}}
    once: Json = {MODULE: START, "run_once": True}
    assert "Host four and 1 more has" not in refused(site, site.play(once, hosts=hosts, on="one,three"))
    assert refused(site, site.play(once, hosts=hosts, on="all")).startswith("Host four and 1 more have a variable")
    delegated: Json = {MODULE: START, "delegate_to": "three", "delegate_facts": True}
    assert refused(site, site.play(delegated, hosts=hosts)).startswith("Host three has a variable")
    site.play(once, hosts=hosts, on="one,two").must_pass()
    site.play({MODULE: START, "delegate_to": "three"}, hosts=hosts).must_pass()
    site.play({MODULE: START, "delegate_to": "one", "delegate_facts": True}, hosts=hosts, on="three").must_pass()
    site.play({**once, "delegate_to": "two", "delegate_facts": True}, hosts=hosts, on="all").must_pass()
    looped = {**once, MODULE: {**START, "deployment_id": "{{ item }}"}, "loop": ["a", "b"]}
    site.play(looped, looped, hosts=hosts, on="one,two").must_pass()


def test_an_entry_of_another_cluster_is_not_replaced_in_silence(site: Site) -> None:
    with emulator("--node", "n1=8,16gb", "--model", "m=1048576") as elsewhere:
        body = elsewhere.api("GET", "/")
        answer = {"type": "answer", "status": 200, "body": {**body, "cluster_uuid": "another"}}
        elsewhere.control("POST", "/faults", {"operation": "info", "when": "before", "times": -1, "do": answer})
        there: Json = {MODULE: {**START, "hosts": [elsewhere.url]}}
        played = site.play({MODULE: START}, {MODULE: START}, there, hosts={"one": {}}).must_pass()
    facts = [played.result(f"Task {number}")["ansible_facts"][NAME]["d"] for number in range(3)]
    assert facts[0]["cluster"] == facts[1]["cluster"] != facts[2]["cluster"]
    assert facts[0]["cluster"] == {"name": body["cluster_name"], "uuid": body["cluster_uuid"]}
    assert not played.result("Task 1").get("warnings")
    [warning] = played.result("Task 2")["warnings"]
    assert "no longer has 'd' of another cluster" in warning
