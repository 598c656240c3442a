# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the program: its command line, its two ports, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from emulator import NEWEST
from emulator_tests import refused_options
from emulator_tests.process import TESTS, launch, running

START_UP_SECONDS = 20.0
"""Alone it takes a quarter of a second; test machines are busy."""


def test_first_line_says_where_it_is() -> None:
    begun = time.monotonic()
    with running("--model", "m=1000") as process:
        assert time.monotonic() - begun < START_UP_SECONDS
        assert process.first["version"] == NEWEST
        assert process.first["pid"] == process.popen.pid
        assert process.first["url"] != process.first["control_url"]
        assert json.loads(process.api("GET", "/")[2])["version"]["number"] == NEWEST
        assert process.control("GET", "/state")["models"]["m"]["bytes"] == 1000
        assert set(process.control("GET", "/state")["nodes"]) == {"id-n1", "id-n2"}
        # The control port is not part of what is played.
        assert process.control("GET", "/state")["counters"].items() >= {"requests": 1, "reads": 1, "writes": 0}.items()


def test_nothing_heavy_is_loaded_for_options_that_are_not_given() -> None:
    """Test that TLS and security, the slowest libraries, and a server without a port are not imported in vain."""
    rare = {"cryptography", "trustme", "yaml"}
    port = {"starlette", "uvicorn", "httptools", "uvloop"}
    script = "import sys; {}; print(*{{name.partition('.')[0] for name in sys.modules}}, *sys.modules)"
    for imported, late in (("emulator.__main__, emulator.server", rare), ("emulator.inprocess", rare | port)):
        command = [sys.executable, "-c", script.format(f"import {imported}")]
        done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=60, check=True)
        loaded = set(done.stdout.split())
        assert "emulator.emulator" in loaded
        assert (late | {"emulator.security.store", "emulator.security.tls"}) & loaded == set()


def test_options() -> None:
    nodes = ("--node", "a=4,8gb,z1", "--node", "b=2.5,4gb,z2")
    with running("--version", "8.9.2", *nodes, "--clock", "manual", "--interval", "9", "--model", "big=2gb") as process:
        state = process.control("GET", "/state")
    assert state["version"] == "8.9.2"
    assert state["nodes"] == {
        "id-a": {"name": "a", "processors": 4.0, "memory": 8 << 30, "zone": "z1"},
        "id-b": {"name": "b", "processors": 2.5, "memory": 4 << 30, "zone": "z2"},
    }
    assert {"mode": "manual", "interval": 9.0, "ticks": 0, "scaler_interval": 10.0}.items() <= state["clock"].items()
    assert state["models"]["big"]["bytes"] == 2 << 30


@pytest.mark.parametrize(
    "wrong",
    [
        ("--version", "7.17.0"),
        ("--version", "new"),
        ("--version", "9.9.9"),
        ("--version", "8.20.0"),
        ("--version", "10.0.0"),
        ("--node", "a"),
        ("--flavor", "x"),
        ("--interval", "0"),
        ("--scaler-interval", "nan"),
        ("--model", "m=large"),
        ("--model", "=5"),
        ("--node", "a=-1,1gb"),
        ("--node", "a=nan,1gb"),
        ("--node", "a=1,much"),
        ("--port", "99999"),
        ("--node", "a=1,1gb", "--node", "a=2,1gb"),
    ],
)
def test_wrong_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...]
) -> None:
    status, printed, said = refused_options.run(monkeypatch, capsys, *wrong)
    assert (status, printed) == (2, "")
    assert said


def test_a_wrong_option_ends_the_process() -> None:
    with launch("--version", "7.17.0") as popen:
        assert popen.wait(timeout=30) == 2
        assert popen.stderr is not None
        said = popen.stderr.read()
    assert said
    assert "Traceback" not in said


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, launch("--port", str(other.getsockname()[1])) as popen:
        assert popen.wait(timeout=30) == 2
        assert popen.stderr is not None
        assert popen.stderr.read().startswith(f"port {other.getsockname()[1]}: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_on_a_signal(number: signal.Signals) -> None:
    with running() as process:
        connection = process.connection()
        connection.request("GET", "/")
        connection.getresponse().read()
        process.popen.send_signal(number)
        assert process.popen.wait(timeout=60) == 0
        connection.close()


def test_another_interval_holds_at_once() -> None:
    """Test that no wait lasts until the end of a longer interval: not after a change, and not after a reset."""
    with running("--model", "m=1000") as process:
        for path, body in (("/clock", {"interval": 0.01}), ("/reset", None)):
            process.control("POST", "/clock", {"interval": 3600})
            begun = process.control("GET", "/state")["clock"]["ticks"]
            while process.control("GET", "/state")["clock"]["ticks"] > begun:
                begun += 1
            process.control("POST", path, body)
            assert process.api("POST", "/_ml/trained_models/m/deployment/_start?timeout=20s")[0] == 200


def test_ends_with_its_parent() -> None:
    """Test that the emulator ends after the shell that started it."""
    script = (
        "import subprocess, sys, os\n"
        "child = subprocess.Popen([sys.executable, '-m', 'emulator', '--parent-pid', str(os.getpid())],"
        " stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline(), flush=True)\n"
        "os._exit(0)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=TESTS, capture_output=True, text=True, timeout=60, check=True
    )
    pid = json.loads(found.stdout)["pid"]
    deadline = time.monotonic() + 60
    while _alive(pid):
        assert time.monotonic() < deadline, "the emulator outlived its parent"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_nodes_catch_up_by_themselves() -> None:
    with running("--model", "m") as process:
        target = "/_ml/trained_models/m/deployment/_start?wait_for=fully_allocated&number_of_allocations=9"
        status, _headers, raw = process.api("POST", target)
        assert status == 200
        routes = json.loads(raw)["assignment"]["routing_table"].values()
        assert {route["routing_state"] for route in routes} == {"started"}
        assert process.api("POST", "/_ml/trained_models/m/deployment/_stop")[2] == b'{"stopped":true}'
        assert process.control("GET", "/state")["deployments"] == {}


def test_a_waiting_request_is_released_by_the_control_port() -> None:
    with running("--model", "m", "--clock", "manual") as process:
        connection = process.connection()
        connection.request("POST", "/_ml/trained_models/m/deployment/_start")
        while not process.control("GET", "/state")["deployments"]:
            time.sleep(0.01)
        process.control("POST", "/tick")
        answer = connection.getresponse()
        assert json.loads(answer.read())["assignment"]["assignment_state"] == "started"
        connection.close()


def test_keep_alive_does_not_stall() -> None:
    """Test two hundred requests; forty milliseconds for each would make it eight seconds."""
    with running("--model", "m") as process:
        connection = process.connection()
        begun = time.monotonic()
        for _request in range(200):
            connection.request("GET", "/_ml/trained_models/m/_stats")
            connection.getresponse().read()
        assert time.monotonic() - begun < 4
        connection.close()


def test_loading_takes_its_time() -> None:
    """Test server-behaviour.md 4.2: a route is starting until its node has loaded the model."""
    with running("--model", "m", "--load-time", "600", "--interval", "0.01") as process:
        status, _headers, body = process.api("POST", "/_ml/trained_models/m/deployment/_start?timeout=50ms")
        assert (status, b"Timed out" in body) == (408, True)
        process.control("POST", "/clock", {"advance": 601})
        deadline = time.monotonic() + 30
        while process.control("GET", "/state")["deployments"]["m"]["assignment_state"] != "started":
            assert time.monotonic() < deadline


def test_counters_tell_what_was_sent() -> None:
    with running("--model", "m") as process:
        _status, _headers, body = process.api("GET", "/_ml/info")
        counted = process.control("GET", "/counters")
    assert counted == {"requests": 1, "reads": 1, "writes": 0, "bytes_sent": len(body)}
