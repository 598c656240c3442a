# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the emulator as a package of its own, for other projects."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
import yaml

from emulator_tests.process import TESTS

ROOT = TESTS.parent
PROJECT = tomllib.loads((TESTS / "emulator/pyproject.toml").read_text())


def test_it_names_every_folder_and_what_it_needs() -> None:
    # The planner is a link, which rglob does not follow.
    folders = {path.parent.relative_to(TESTS) for path in (TESTS / "emulator").glob("*/*.py")} | {Path("emulator")}
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(str(each).replace("/", ".") for each in folders)
    needed = {re.split("[>;]", line)[0]: line for line in (ROOT / "requirements/demo.txt").read_text().splitlines()}
    for dependency in PROJECT["project"]["dependencies"]:
        name = re.split("[>;]", dependency)[0]
        assert dependency.replace("'", '"') == needed[name]
    assert PROJECT["project"]["version"] == yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]


def test_it_can_be_installed(tmp_path: Path) -> None:
    # A copy: a build leaves folders behind.
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    source = shutil.copytree(TESTS / "emulator", tmp_path / "source", ignore=ignored)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*pip, "--target", str(tmp_path / "there"), str(source)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "setuptools>=68" in done.stderr:
        pytest.skip(f"setuptools, which builds it, cannot be had: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    first = "import sys; sys.argv[1:] = ['--help']; from emulator.__main__ import main; main()"
    environment = {"PYTHONPATH": str(tmp_path / "there")}
    shown = subprocess.run([sys.executable, "-c", first], env=environment, capture_output=True, text=True, check=False)
    assert "--control-port" in shown.stdout
    ask = "from emulator.inprocess import InProcess; print(InProcess().request('GET', '/')[2].decode())"
    asked = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=False)
    assert json.loads(asked.stdout)["tagline"] == "You Know, for Search"
