# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the program that plays recorded cases, called as by anybody. test_recorded_rows replays all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emulator_tests.process import TESTS
from emulator_tests.recordings import FOLDER, rows


def compare(*files: Path, version: str = "8.18") -> tuple[int, list[str]]:
    """Return the exit status of the program, and its lines."""
    command = [sys.executable, "-m", "planner_cases", "emulator", *map(str, files), "--version", version]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(("version", "known"), [("8.18", 578), ("9.5", 578), ("8.10", 578)])
def test_all_as_recorded(version: str, known: int) -> None:
    status, lines = compare(FOLDER / "planner/stopping.jsonl", FOLDER / "assignment_service.jsonl", version=version)
    assert (status, lines[-1]) == (0, f"{known} of {known} cases as Elasticsearch plans")


def test_cases_that_differ(tmp_path: Path) -> None:
    """Test that a wrong answer is found: each case that differs is shown with both plans."""
    plan = json.loads(json.dumps(rows("stopping")[0].data))
    plan["answers"] = [{"a": {"n1": 1}}]
    decision = next(row.data for row in rows("assignment_service") if "assignment" in row.data["outcome"])
    wrong = {**decision, "outcome": {"assignment": None}}
    path = tmp_path / "wrong.jsonl"
    path.write_text("\n".join(map(json.dumps, [plan, wrong, decision])))
    status, lines = compare(path)
    assert (status, lines[-1]) == (1, "1 of 3 cases as Elasticsearch plans")
    shown = "\n".join(lines)
    assert f"{plan['id']}: another plan\n  Elasticsearch: {json.dumps({'a': {'n1': 1}})}" in shown
    assert f"{wrong['id']}: another decision" in shown
