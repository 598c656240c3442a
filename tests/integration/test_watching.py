# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that a user who runs a playbook with -v sees what a long wait still waits for."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
import yaml

from support.emulator_process import Emulator, emulator
from support.playbook import run_playbook

Json = dict[str, t.Any]
ONE = "mlops.elasticsearch.trained_model_deployment"
SECRET = "canary-4711-canary"
LINE = "<localhost> sentiment: 8 of 9 allocations run, and it is started (Could not assign"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Emulator]:
    """Start a cluster that may grow, so that the task waits for what does not fit."""
    with emulator("--node", "ml-1=8,16gb", "--model", "sentiment", "--interval", "0.002") as server:
        setting = {"do": "set_setting", "name": "xpack.ml.max_lazy_ml_nodes", "value": 5}
        server.control("POST", "/effects", setting)
        yield server


def watched(cluster: Emulator, *args: str, module: str = ONE, task: Json | None = None, **options: t.Any) -> str:
    """Return the output on the way to a failure: the task desires one more than fits. Results are left out."""
    desired: Json = {"model_id": "sentiment", "number_of_allocations": 9}
    more: Json = {"hosts": cluster.url, "wait_timeout": 0.5, "wait_sleep": 0.1, "request_retries": 0, **options}
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Wait in vain",
                module: {"deployments": [desired], **more} if module.endswith("s") else {**desired, **more},
                "ignore_errors": True,
                **(task or {}),
            }
        ],
    }
    output = run_playbook(yaml.safe_dump([play]), *args).must_pass().output
    assert SECRET not in output
    return "\n".join(line for line in output.splitlines() if not line.startswith(("fatal:", "changed:")))


def test_a_wait_is_seen(cluster: Emulator) -> None:
    assert watched(cluster, "-v").count("<localhost> sentiment: ") == watched(cluster, "-v").count(LINE) == 1


def test_a_fleet_is_seen(cluster: Emulator) -> None:
    assert LINE in watched(cluster, "-v", module=f"{ONE}s")


def test_without_v_or_with_no_log_nothing_is_shown(cluster: Emulator) -> None:
    assert "<localhost> sentiment: " not in watched(cluster)
    assert "<localhost> sentiment: " not in watched(cluster, "-v", task={"no_log": True})


def test_a_module_says_nothing_before_its_result(cluster: Emulator) -> None:
    variables = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    assert "<localhost> sentiment: " not in watched(cluster, "-v", task={"vars": variables, "async": 60, "poll": 1})


def test_a_secret_that_the_server_repeats_is_not_shown(cluster: Emulator) -> None:
    answer = {"error": {"type": "t", "reason": f"busy with {SECRET}"}}
    fault = {"operation": "stats", "when": "before", "times": -1, "after": 1}
    cluster.control("POST", "/faults", {**fault, "do": {"type": "answer", "status": 503, "body": answer}})
    shown = watched(cluster, "-v", api_key=SECRET)
    cluster.control("DELETE", "/faults")
    assert "<localhost> sentiment: Cannot read" in shown
    assert "busy with ****" in shown
