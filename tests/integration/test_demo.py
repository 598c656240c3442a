# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test `make demo`: what it shows is true, and it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from support.emulator_process import emulator
from support.playbook import BIN

DEMO = Path(__file__).resolve().parent.parent / "demo.sh"
SECOND_RUN = "second run: 0 changed, 0 writes"


def start(folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the demo in a session of its own, with a shell's worth of variables that must not matter."""
    production = {
        "ELASTICSEARCH_URL": "http://127.0.0.1:9",
        "ELASTIC_CLOUD_ID": "x",
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_TEST_")}
    return subprocess.Popen(
        [str(DEMO), str(BIN), str(folder)],
        env={**inherited, **production, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def left(session: int) -> str:
    """Return the processes that are left of a session."""
    listed = subprocess.run(["ps", "-A", "-o", "sid=,pid=,args="], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "\n".join(line for line in listed.splitlines() if line.split()[0] == str(session))


def figures(output: str) -> dict[str, tuple[str, str]]:
    """Return the table at the end: step to what it changed and wrote."""
    table = output[output.index("# What happened") :]
    return {match[1].strip(): (match[2], match[3]) for match in re.finditer(r"^(\w.*?) +(\d+) +(\d+|\?)$", table, re.M)}


def test_second_run_changes_and_writes_nothing(tmp_path: Path) -> None:
    demo = start(tmp_path)
    output = demo.communicate(timeout=120)[0]
    assert demo.returncode == 0, output
    assert left(demo.pid) == ""
    assert output.rstrip().splitlines()[-1] == SECOND_RUN
    assert figures(output) == {
        "Start": ("1", "1"),
        "Dry run of a change": ("1", "0"),
        "The change": ("1", "1"),
        "Second run": ("0", "0"),
        "Stop": ("1", "1"),
    }
    assert "+    number_of_allocations: 3" in output
    assert "sentiment-search would have 3 allocations" in output
    assert "sentiment-search has 3 of 3 allocations" in output
    assert "WARNING" not in output


def test_a_real_cluster_is_left_as_it_was(tmp_path: Path) -> None:
    with emulator("--node", "ml-1=2,8gb", "--model", "e5") as cluster:
        named = cluster.url.replace("//", "//elastic:changeme@")
        demo = start(tmp_path, MLOPS_TEST_CLUSTER=named, MLOPS_TEST_MODEL="e5")
        output = demo.communicate(timeout=120)[0]
        assert demo.returncode == 0, output
        assert "changeme" not in output
        assert figures(output)["Second run"] == ("0", "?")
        touched = {write["path"].split("/")[3] for write in cluster.writes()}
        assert touched == {"e5", f"demo-{demo.pid}-search"}
        assert cluster.writes()[0]["query"]["deployment_id"] == f"demo-{demo.pid}-search"
        assert cluster.control("GET", "/state")["deployments"] == {}


def test_an_interruption_leaves_no_process(tmp_path: Path) -> None:
    demo = start(tmp_path)
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith("export ELASTICSEARCH_URL"):
            break
    assert "emulator" in left(demo.pid)
    os.killpg(demo.pid, signal.SIGINT)
    demo.communicate(timeout=60)
    assert demo.returncode != 0
    assert left(demo.pid) == ""
