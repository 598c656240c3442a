# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test every example on the documentation's page about the emulator as it is printed there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import elasticsearch
import pytest
import yaml

from emulator_tests.process import TESTS, Process, running

PAGE = (TESTS.parent / "docs/docsite/rst/emulator.rst").read_text()
_BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n\n((?: {4}.*\n|\n)+)", re.MULTILINE)
BLOCKS = [(language, textwrap.dedent(text)) for language, text in _BLOCK.findall(PAGE)]
SHELL = [text for language, text in BLOCKS if language == "sh"]
STARTING, SECURED = [text for text in SHELL if "elasticsearch-double" in text]
STEERING = [text for text in SHELL if "elasticsearch-double" not in text]
[JOB] = [text for language, text in BLOCKS if language == "yaml"]
PYTHON = [text for language, text in BLOCKS if language == "python"]
[SCRIPT] = [text for language, text in BLOCKS if language == "javascript"]


def lacks(*programs: str) -> str:
    return ", ".join(program for program in programs if shutil.which(program) is None)


needs_curl = pytest.mark.skipif(bool(lacks("bash", "curl", "jq")), reason="needs bash, curl and jq")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which the emulator is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "elasticsearch-double"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m emulator "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(TESTS)}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return what a command prints; it and all it has started end here."""
    popen = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed = popen.communicate(timeout=60)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
    assert popen.returncode == 0, printed
    return printed


@needs_curl
def test_in_a_shell(tmp_path: Path, environment: dict[str, str]) -> None:
    printed = run(["bash", "-euc", STARTING], tmp_path, environment)
    assert '"allocation_count":2' in printed
    assert json.loads((tmp_path / "emulator.json").read_text())["version"] == "8.19.21"


@needs_curl
def test_in_a_shell_with_security(tmp_path: Path, environment: dict[str, str]) -> None:
    printed = run(["bash", "-euc", SECURED], tmp_path, environment)
    for expected in ('"count":1', "is unauthorized for user [runner]", "missing authentication credentials"):
        assert expected in printed


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@needs_curl
def test_in_a_job_of_a_pipeline(tmp_path: Path, environment: dict[str, str]) -> None:
    job = yaml.safe_load(JOB.replace("9200", free_port()).replace("9201", free_port()))["jobs"]["test"]
    [step] = [step["run"] for step in job["steps"] if "elasticsearch-double --port" in step.get("run", "")]
    # The step ends while the emulator goes on; its output must not keep ours open.
    script = f"exec 3>&1 >job.log 2>&1\n{step}\ncat job.log >&3\nkill $!"
    assert "You Know, for Search" in run(["bash", "-euc", script], tmp_path, {**environment, **job["env"]})


@pytest.mark.parametrize("text", PYTHON, ids=lambda text: re.findall(r"def (test_\w+)", text)[-1])
def test_in_python(tmp_path: Path, environment: dict[str, str], text: str) -> None:
    (tmp_path / "test_example.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    # The plugins of this test run, which the example does not need, would take most of the time.
    environment = {**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    assert "1 passed" in run([*command, "test_example.py"], tmp_path, environment)


@pytest.mark.skipif(bool(lacks("node")), reason="needs node")
def test_in_node(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "example.mjs").write_text(SCRIPT)
    printed = run(["node", "example.mjs"], tmp_path, environment)
    assert printed == "409 cannot update deployment that is not in [started] state\n"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Process]:
    with running("--node", "n1=8,16gb", "--node", "n2=8,16gb", "--model", "sentiment") as found:
        yield found


@needs_curl
@pytest.mark.parametrize("number", range(len(STEERING)))
def test_steering(tmp_path: Path, environment: dict[str, str], emulator: Process, number: int) -> None:
    addresses = {"URL": emulator.first["url"], "CONTROL": emulator.first["control_url"]}
    run(["bash", "-euo", "pipefail", "-c", STEERING[number]], tmp_path, {**environment, **addresses})


_ROW = re.compile(r"^   \* - ``(\{.*\})``\n     - .*\n     - (.*)$", re.MULTILINE)


@pytest.mark.parametrize(("do", "seen"), _ROW.findall(PAGE))
def test_what_the_client_raises(emulator: Process, do: str, seen: str) -> None:
    fault = json.loads(do)
    if fault["type"] == "slow_body":
        fault["seconds"] = 0.01
    emulator.control("POST", "/reset")
    start = fault["type"] in ("timeout", "route_failed", "capacity")
    if not start:
        emulator.api("POST", "/_ml/trained_models/sentiment/deployment/_start")
    emulator.control("POST", "/faults", {"operation": "start" if start else "update", "do": fault})
    raised, body = "nothing", None
    with elasticsearch.Elasticsearch(emulator.first["url"], max_retries=0, request_timeout=3) as client:
        try:
            if start:
                body = client.ml.start_trained_model_deployment(model_id="sentiment").body
            else:
                body = client.ml.update_trained_model_deployment(model_id="sentiment", number_of_allocations=2).body
        except Exception as error:
            raised, body = type(error).__name__, getattr(error, "body", None)
    assert raised in seen
    if "a text" in seen:
        assert isinstance(body, str)
    assert ("``None``" in seen) == (raised == "nothing" and body is None)


def test_the_page_has_the_usual_faults() -> None:
    assert len(_ROW.findall(PAGE)) > 10
