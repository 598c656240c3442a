# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the program that compares planners with recorded cases: what it prints, and when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent.parent
RIGHT: dict[str, t.Any] = {
    "id": "right",
    "group": "one",
    "kind": "rebalance",
    "nodes": [["n1", 16384, 4], ["n2", 16384, 4]],
    "deployments": [{"id": "a", "mb": 100, "n": 2, "t": 1}],
    "new": "a",
    "answers": [{"a": {"n1": 2}}],
}
WRONG = {**RIGHT, "id": "wrong", "answers": [{"a": {"n2": 2}}]}
OPEN = {**RIGHT, "id": "open", "answers": [{"a": {"n1": 2}}, {"a": {"n2": 2}}]}
FAILED = {**RIGHT, "id": "failed", "answers": [], "error": "not enough memory on node"}


def compared(planner: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a person does, in a shell where nothing is on the path."""
    command = [sys.executable, "-m", "planner_cases", planner, *options]
    return subprocess.run(command, cwd=TESTS, env={}, capture_output=True, text=True, check=False)


@pytest.fixture
def cases(tmp_path: Path) -> t.Callable[..., str]:
    """Return a function that writes cases into a file."""

    def write(*rows: dict[str, t.Any]) -> str:
        path = tmp_path / "cases.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        return str(path)

    return write


def test_cases_that_agree(cases: t.Callable[..., str]) -> None:
    done = compared("collection", cases(RIGHT, FAILED))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "1 of 1 exact cases as Elasticsearch plans, 0 bounds hold of 0"


def test_cases_that_differ(cases: t.Callable[..., str]) -> None:
    """Test that an exact prediction is wrong, too, where Elasticsearch has several answers."""
    path = cases(RIGHT, WRONG, OPEN)
    done = compared("collection", path)
    assert done.returncode == 1
    assert 'wrong: wrongly exact\n  Elasticsearch: {"a": {"n2": 2}}\n  planner:       {"a": {"n1": 2}}' in done.stdout
    assert "open: wrongly exact" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 of 3 exact cases as Elasticsearch plans, 0 bounds hold of 0"
    assert "open: " not in compared("collection", path, "--show", "1").stdout


def test_a_version_chooses_the_answers(cases: t.Callable[..., str]) -> None:
    path = cases({**WRONG, "older": RIGHT["answers"]})
    assert compared("collection", path, "--version", "8.10").returncode == 0
    assert compared("collection", path).returncode == 1
    refused = compared("collection", path, "--version", "new")
    assert refused.returncode == 2
    assert "new is not a version such as 8.18 or 9.1.1" in refused.stderr


def test_the_emulator(cases: t.Callable[..., str]) -> None:
    done = compared("emulator", cases(RIGHT, OPEN))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 of 2 cases as Elasticsearch plans")
    assert compared("emulator", cases(WRONG)).returncode == 1
