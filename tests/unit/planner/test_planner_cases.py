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


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "no JSON"),
        ("[]", "a case is a JSON object"),
        (json.dumps({**RIGHT, "kind": "guess"}), 'the kind "guess" is unknown'),
        (json.dumps({"id": "a"}), "the kind null is unknown"),
        (json.dumps({**RIGHT, "kind": "reduce"}), "a case of kind reduce needs to"),
        (json.dumps({**RIGHT, "nodes": [["n1", "much", 4]]}), "nodes are lists of"),
        (json.dumps({**RIGHT, "nodes": {}}), "nodes are lists of"),
        (json.dumps({**RIGHT, "deployments": [{"id": "a", "mb": 1, "n": 1, "t": 0}]}), "deployments are one or more"),
        (json.dumps({**RIGHT, "deployments": []}), "deployments are one or more"),
        (json.dumps({**RIGHT, "answers": [1]}), "answers are a list of objects"),
    ],
)
@pytest.mark.parametrize("planner", ["collection", "emulator"])
def test_a_line_that_is_no_case(tmp_path: Path, planner: str, row: str, said: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(RIGHT) + "\n\n" + row)
    done = compared(planner, str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{path}:3: {said}")
    assert done.stderr.count("\n") == 1


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    done = compared("collection", str(tmp_path / "nothing"))
    assert (done.returncode, done.stderr) == (2, f"{tmp_path}/nothing: cannot be read: No such file or directory\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "it is not UTF-8" in compared("collection", str(tmp_path / "binary")).stderr


def test_a_file_without_cases(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    done = compared("collection", str(tmp_path / "empty"))
    assert (done.returncode, done.stderr) == (0, f"{tmp_path}/empty: has no cases\n")
    assert done.stdout.splitlines()[-1] == "0 of 0 exact cases as Elasticsearch plans, 0 bounds hold of 0"


def test_what_is_left_out_is_counted(cases: t.Callable[..., str]) -> None:
    service = TESTS / "recorded/assignment_service.jsonl"
    number = len(service.read_text().splitlines())
    done = compared("collection", str(service), cases(RIGHT, FAILED))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2].startswith(f"{number + 1} of {number + 2} cases left out: ")
    assert "left out" not in compared("collection", cases(RIGHT)).stdout


@pytest.mark.parametrize("version", ["7.17", "8.7.1", "10.0", "11"])
def test_a_version_without_rules(cases: t.Callable[..., str], version: str) -> None:
    refused = compared("collection", cases(RIGHT), "--version", version)
    assert refused.returncode == 2
    assert f"{version} has no rules: they are known from 8.8 to 9" in refused.stderr
