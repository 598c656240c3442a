# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the module inference_endpoint in playbooks: a misplaced secret is shown nowhere, and steps are predicted."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from support.emulator_process import emulator
from support.playbook import run_playbook

Json = dict[str, t.Any]
ENDPOINT = "mlops.elasticsearch.inference_endpoint"
KEY = "sk-must-not-be-shown"
OWN: Json = {"inference_id": "e", "task_type": "sparse_embedding", "service": "elasticsearch"}


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_a_misplaced_secret_is_refused_before_anything_shows_it(connection: str) -> None:
    options = {"inference_id": "e", "service_settings": {"api_key": "{{ key }}"}, "hosts": "http://127.0.0.1:9"}
    deep = {**options, "service_settings": {"deep": {"client_secret": "{{ key }}"}}}
    short = {**options, "service_settings": {}, "secrets": {"api_key": "1234567"}}
    tasks: list[Json] = [{ENDPOINT: each, "ignore_errors": True} for each in (options, deep, short)]
    play = {"hosts": "localhost", "connection": connection, "gather_facts": False, "tasks": tasks}
    played = run_playbook(yaml.safe_dump([play]), "-vvvv", extra_vars={"key": KEY})
    codes = [task.result["failure"]["code"] for task in played.tasks]
    assert codes == ["misplaced_secret", "misplaced_secret", "secret_too_short"], played.output[-2000:]
    assert KEY not in played.output.replace(f'"key": "{KEY}"', "")
    assert KEY not in str([task.result for task in played.tasks])


def test_each_step_of_an_endpoint_is_predicted() -> None:
    one = {"model_id": "m", "num_threads": 1, "num_allocations": 1}
    steps: list[Json] = [
        {**OWN, "service_settings": one},
        {"inference_id": "e", "service_settings": {"num_allocations": 2}},
        {"inference_id": "e", "service_settings": {"num_threads": 2}, "replace": "recreate"},
        {"inference_id": "e", "state": "absent"},
    ]
    with emulator("--node", "ml-1=8,16gb", "--model", "m", "--interval", "0.002") as cluster:
        group = {"group/mlops.elasticsearch.ml": {"hosts": cluster.url}}
        tasks = [{ENDPOINT: step} for step in steps]
        play = {"hosts": "localhost", "gather_facts": False, "module_defaults": group, "tasks": tasks}
        checked = run_playbook(yaml.safe_dump([play]), "--check").must_pass()
        assert cluster.writes() == []
        real = run_playbook(yaml.safe_dump([play])).must_pass()
    for name in ("operation", "changed", "diff", "api_calls", "after"):
        assert [task.result[name] for task in checked.tasks] == [task.result[name] for task in real.tasks], name
    assert [task.result["operation"] for task in real.tasks] == ["create", "update", "recreate", "delete"]
