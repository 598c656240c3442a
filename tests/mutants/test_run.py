# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the runner of planted faults: it reports only caught faults as caught, and fails for a useless row."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a small project with one function and one test."""
    conftest = "import sys\n\nsys.path.insert(0, __file__.removesuffix('tests/conftest.py') + 'plugins')\n"
    files = {
        "plugins/sum.py": "def add(a, b):\n    return a + b\n",
        "tests/unit/test_sum.py": "from sum import add\n\n\ndef test_add():\n    assert add(2, 2) == 4\n",
        "tests/conftest.py": conftest,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "tests/mutants").mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def plant(checkout: Path, name: str, *, old: str = "a + b", new: str) -> None:
    """Add a row to the table."""
    row = {"name": name, "file": "plugins/sum.py", "function": "add", "old": f"return {old}", "new": f"return {new}"}
    with (checkout / "tests/mutants/faults.yml").open("a") as table:
        table.write(yaml.safe_dump([row], sort_keys=False))


def run(checkout: Path, *names: str) -> tuple[int, list[str]]:
    """Return the exit code, and the lines of the table with single spaces."""
    command = [sys.executable, "-m", "mutants.run", "--root", str(checkout), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_a_caught_fault_is_recorded_and_its_test_tried_first(checkout: Path) -> None:
    plant(checkout, "minus", new="a - b")
    status, [row, closing] = run(checkout, "--record")
    assert (status, closing) == (0, "1 caught, 0 not caught")
    assert row.startswith("caught ")
    assert row.endswith("minus tests/unit/test_sum.py::test_add")
    assert "a + b" in (checkout / "plugins/sum.py").read_text()
    table = checkout / "tests/mutants/faults.yml"
    assert "  caught_by: tests/unit/test_sum.py::test_add\n" in table.read_text()
    assert run(checkout)[1][-1] == "1 caught, 0 not caught"


def test_a_stale_record_is_passed_over(checkout: Path) -> None:
    plant(checkout, "minus", new="a - b")
    table = checkout / "tests/mutants/faults.yml"
    table.write_text(
        table.read_text().replace("- name: minus", "- caught_by: tests/unit/test_sum.py::gone\n  name: minus")
    )
    assert run(checkout)[1][-1] == "1 caught, 0 not caught"


def test_survivors_and_bad_rows_fail(checkout: Path) -> None:
    plant(checkout, "minus", new="a - b")
    plant(checkout, "no-code", new="a +")
    plant(checkout, "stale", old="b + a", new="b - a")
    plant(checkout, "times", new="a * b")
    status, rows = run(checkout)
    assert status == 1
    assert [row.split()[0] for row in rows[:-1]] == ["caught", "broken", "broken", "survived"]
    assert "stale plugins/sum.py, add: its old lines stand there 0 times" in rows[2]
    assert rows[-1] == "1 caught, 3 not caught"


def test_runs_the_named_ones_only(checkout: Path) -> None:
    plant(checkout, "minus", new="a - b")
    plant(checkout, "times", new="a * b")
    assert run(checkout, "minus")[0] == 0
    assert run(checkout, "nothing") == (1, ["no faults"])


def test_tests_that_fail_anyway_catch_nothing(checkout: Path) -> None:
    plant(checkout, "minus", new="a - b")
    (checkout / "plugins/sum.py").write_text("def add(a, b):\n    return a * b * 2\n")
    status, rows = run(checkout)
    assert status == 1
    assert "the tests fail without a fault" in rows[0]


def test_tests_may_reach_the_fault_through_a_link_to_a_folder(checkout: Path) -> None:
    plant(checkout, "minus", new="a - b")
    (checkout / "tests/linked").symlink_to("../plugins")
    conftest = checkout / "tests/conftest.py"
    conftest.write_text(conftest.read_text().replace("'plugins'", "'tests/linked'"))
    assert run(checkout)[1][-1] == "1 caught, 0 not caught"
