# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the molecule scenarios, as a user runs them: create, check, converge, idempotence, verify, destroy."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from support.forked.python import python
from support.playbook import BIN, clean_environment
from support.processes import finished

ROOT = Path(__file__).resolve().parent.parent.parent
SCENARIOS = ROOT / "extensions/molecule"


@pytest.mark.parametrize("scenario", ["airgap_models", "builtin_model", "deployment"])
def test_scenario_passes_and_leaves_nothing_behind(tmp_path: Path, scenario: str) -> None:
    folder = tmp_path / "molecule"
    environment = {**clean_environment(tmp_path), "MOLECULE_EPHEMERAL_DIRECTORY": str(folder), "NO_COLOR": "1"}
    marker = f"sentiment-{os.getpid()}"  # seen in the command line of the emulator
    if not environment.get("MLOPS_TEST_CLUSTER"):
        environment["MLOPS_TEST_MODEL"] = marker
    try:
        command = [str(BIN / "molecule"), "test", "--scenario-name", scenario, *arguments(scenario)]
        done = finished(command, environment, timeout=240, cwd=ROOT)
    finally:
        stop_leftover(folder / "cluster.json")
    assert done.returncode == 0, done.stdout
    for step in ("check", "converge", "idempotence", "verify", "destroy"):
        assert f"{step}: Executed: Successful" in done.stdout, done.stdout
    running = subprocess.run(["ps", "-A", "-o", "args="], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert f"--model {marker}" not in running
    assert not (folder / "airgap").exists()


def arguments(scenario: str) -> list[str]:
    """Return arguments that let modules run in forked processes; one scenario runs them as it stands."""
    return [] if scenario == "deployment" else ["--", "--extra-vars", f"ansible_python_interpreter={python()}"]


def stop_leftover(where: Path) -> None:
    """End the emulator of a run that did not come to its end."""
    if where.exists() and where.read_text():
        pid = json.loads(where.read_text()).get("pid")
        if pid:
            os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("scenario", ["builtin_model", "deployment"])
def test_scenario_forgets_every_variable_that_names_a_cluster(scenario: str) -> None:
    environment = importlib.import_module(
        "ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment"
    )
    read = {variable.name for variable in environment.VARIABLES if variable.option not in ("proxy", "no_proxy")}
    forgotten = yaml.safe_load((SCENARIOS / scenario / "molecule.yml").read_text())["provisioner"]["env"]
    assert read <= {name for name, value in forgotten.items() if value == ""}
