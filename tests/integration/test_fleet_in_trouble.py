# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test a fleet while its cluster, or another of the play, is in trouble: real sockets, and a clock that is turned.

Where Ansible itself takes part, nothing is measured: what happened first is asked of the servers.
"""

from __future__ import annotations

import socket
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run_fleet as deployments
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import fleet as options
from support.emulated_cluster import TurnedClock
from support.emulator_process import Emulator, emulator
from support.odd_servers import serving
from support.playbook import run_playbook

Json = dict[str, t.Any]
OPTIONS = ("--node", "n1=8,16gb", "--model", "m=1048576")
DESIRED_STATES = [{"model_id": "m", "deployment_id": f"d{each}"} for each in range(5)]
OUTAGE = 10.0
BROKEN_OUT = {"type": "service_unavailable"}


def run(server: Emulator, clock: TurnedClock, **given: t.Any) -> Json:
    params = {"hosts": [server.url], "deployments": DESIRED_STATES, **given}
    checked = ArgumentSpecValidator(**options.SPEC.to_kwargs()).validate(params)
    assert not checked.error_messages
    return deployments.run(checked.validated_parameters, False, clock=clock).result


def plant(server: Emulator, operation: str, after: int = 0) -> None:
    server.control("POST", "/faults", {"operation": operation, "after": after, "times": -1, "do": BROKEN_OUT})


def clock_with_an_outage(server: Emulator) -> TurnedClock:
    """Return a clock that ends the faults ten seconds after it begins."""

    def tick() -> None:
        if clock.monotonic() >= OUTAGE:
            server.control("DELETE", "/faults")
        server.control("POST", "/tick")

    clock = TurnedClock(tick)
    return clock


@pytest.mark.parametrize("after", range(4))
def test_ten_seconds_of_503_are_outlasted(after: int) -> None:
    """Test an outage that begins before the first request, or while the task applies its plans."""
    with emulator(*OPTIONS, "--clock", "eager") as server:
        plant(server, "any", after)
        result = run(server, clock_with_an_outage(server))
        assert not result.get("failed"), result["msg"]
        assert result["summary"]["operations"] == {"start": 5}
        effective = [entry["query"]["deployment_id"] for entry in server.writes() if entry["committed"]]
        assert sorted(effective) == [desired["deployment_id"] for desired in DESIRED_STATES]
        sent = [(each["method"], each["path"], str(each["query"])) for each in server.control("GET", "/requests")]
        pairs = list(zip(sent, sent[1:], strict=False))
        assert any(this == following and this[0] == "GET" for this, following in pairs)
        assert not any(this == following and this[0] != "GET" for this, following in pairs)


def test_a_longer_outage_ends_the_task_with_its_sentence() -> None:
    with emulator(*OPTIONS, "--clock", "eager") as server:
        plant(server, "any")
        clock = TurnedClock(lambda: None)
        result = run(server, clock)
        assert result["error"]["kind"] == "unavailable"
        assert "answered 503: 503 Service Temporarily Unavailable" in result["msg"]
        assert clock.monotonic() == pytest.approx(1 + 3 + 9)
        assert server.writes() == []


def test_a_silent_cluster_holds_no_one_up(tmp_path: Path) -> None:
    """Test one that accepts and never answers. When its time is up, the other clusters are long done."""
    book = {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Fleet",
                "mlops.elasticsearch.trained_model_deployments": {
                    "hosts": "{{ url }}",
                    "deployments": DESIRED_STATES,
                    "request_timeout": 5,
                    "server_timeout": "4s",
                    "request_retries": 0,
                    "wait_sleep": 0.1,
                },
            }
        ],
    }
    done: list[list[int]] = []
    with emulator(*OPTIONS) as one, emulator(*OPTIONS) as two:

        def silent(connection: socket.socket) -> None:
            while connection.recv(65536):
                pass
            done.append([len(each.control("GET", "/state")["deployments"]) for each in (one, two)])

        with serving(silent) as port:
            urls = {"a": one.url, "silent": f"http://127.0.0.1:{port}", "b": two.url}
            hosts = {name: {"url": url} for name, url in urls.items()}
            inventory = tmp_path / "inventory.yml"
            inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
            played = run_playbook(yaml.safe_dump([book]), "--forks", "3", "-i", str(inventory))
    assert {task.host: task.status for task in played.tasks} == {"a": "ok", "b": "ok", "silent": "failed"}
    [failed] = [task.result for task in played.tasks if task.host == "silent"]
    assert f"no answer from {urls['silent']} within 5 seconds" in failed["msg"]
    assert done == [[5, 5]], "one connection, and when it ended the others had everything"
