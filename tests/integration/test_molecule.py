# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the molecule scenarios as a user runs them all, ``molecule test --all``: each step, and what is left behind."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import yaml

from support.forked.molecule import ansible_playbook
from support.playbook import BIN, clean_environment
from support.processes import ended_with_the_block

ROOT = Path(__file__).resolve().parent.parent.parent
SCENARIOS = ROOT / "extensions/molecule"
SHARED = yaml.safe_load((SCENARIOS / "config.yml").read_text())
ROLES = sorted(path.parent.name for path in SCENARIOS.glob("*/molecule.yml") if path.parent.name != "default")
PLAIN = "deployments"
"""The scenario that runs as it stands; in the others Ansible and its modules run in forked processes."""
_STEP = re.compile(r"\[(\w+) > (\w+)\] (Executing|Executed: .+)$")
_RECAP = re.compile(r"^\S+ +: ok=.* changed=(\d+) ", re.MULTILINE)


class Step(t.NamedTuple):
    """A step of a scenario: how it ended, the seconds that it took, and what it printed."""

    scenario: str
    name: str
    ended: str
    seconds: float
    output: str

    def changes(self) -> int:
        """Return how many tasks changed something."""
        return sum(map(int, _RECAP.findall(self.output)))


def steps(lines: t.Iterable[str]) -> Iterator[Step]:
    """Yield the steps that molecule shows, as they end."""
    began, output = time.monotonic(), ""
    for line in lines:
        output += line
        if match := _STEP.search(line.rstrip()):
            if match[3] == "Executing":
                began, output = time.monotonic(), ""
            else:
                yield Step(match[1], match[2], match[3].removeprefix("Executed: "), time.monotonic() - began, output)


def sequence(scenario: str) -> list[str]:
    """Return the steps of *scenario* that are its own: all of them share what is created and destroyed."""
    own = yaml.safe_load((SCENARIOS / scenario / "molecule.yml").read_text())
    every: list[str] = own.get("scenario", SHARED["scenario"])["test_sequence"]
    return [step for step in every if step not in ("create", "destroy")]


def test_each_role_has_a_scenario_with_every_step() -> None:
    assert {*ROLES} <= {path.name for path in (ROOT / "roles").iterdir()}
    for role in ROLES:
        found = [step for step in sequence(role) if step != "prepare"]
        assert found == ["cleanup", "check", "converge", "idempotence", "check", "verify", "side_effect", "cleanup"]
        assert {f"{step}.yml" for step in {*found} - {"check", "idempotence"}} <= {
            path.name for path in (SCENARIOS / role).iterdir()
        }


def test_all_scenarios_pass_and_leave_nothing_behind(
    tmp_path: Path, record_property: t.Callable[[str, object], None]
) -> None:
    folder = tmp_path / "molecule"
    environment = {**clean_environment(tmp_path), "MOLECULE_EPHEMERAL_DIRECTORY": str(folder), "NO_COLOR": "1"}
    environment |= {"PATH": f"{tmp_path}/bin{os.pathsep}{environment['PATH']}"}
    marker = f"sentiment-{os.getpid()}"  # seen in the command line of the emulator
    if not environment.get("MLOPS_TEST_CLUSTER"):
        environment["MLOPS_TEST_MODEL"] = marker
    with ansible_playbook(tmp_path / "bin", {**environment, **of_molecule()}, SHARED, PLAIN):
        try:
            found, output = run(environment)
        finally:
            stop_leftover(folder / "cluster.json")
    record_property("table", "\n".join(table(found)))
    assert {step.ended for step in found} == {"Successful"}, output
    assert [step.name for step in found if step.scenario == "default"] == ["create", "destroy"]
    for role in ROLES:
        own = [step for step in found if step.scenario == role]
        assert [step.name for step in own] == sequence(role)
        before, after = (step for step in own if step.name == "check")
        assert (before.changes() > 0, after.changes()) == (True, 0), role
    running = subprocess.run(["ps", "-A", "-o", "args="], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert f"--model {marker}" not in running
    assert str(folder) not in running
    left = {path.name for path in folder.iterdir()}
    assert left <= {"ansible.cfg", "inventory", "molecule.yml", "state.yml", "killed.log"}, left


def of_molecule() -> dict[str, str]:
    """Return the variables that molecule sets for Ansible."""
    return {name: value for name, value in SHARED["ansible"]["env"].items() if "${" not in value}


def run(environment: dict[str, str]) -> tuple[list[Step], str]:
    """Run all scenarios. Return their steps, and what was printed."""
    lines: list[str] = []
    process = subprocess.Popen(
        [str(BIN / "molecule"), "test", "--all"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with ended_with_the_block(process):
        assert process.stdout
        found = list(steps(line for line in process.stdout if not lines.append(line)))  # type: ignore[func-returns-value]
        process.wait(timeout=60)
    assert process.returncode == 0, "".join(lines)
    return found, "".join(lines)


def table(found: t.Sequence[Step]) -> Iterator[str]:
    """Yield lines with the seconds of each step."""
    for name in dict.fromkeys(step.scenario for step in found):
        own = [step for step in found if step.scenario == name]
        each = ", ".join(f"{step.name} {step.seconds:.1f}" for step in own)
        yield f"{name:<16} {sum(step.seconds for step in own):6.1f} s: {each}"
    yield f"{'all':<16} {sum(step.seconds for step in found):6.1f} s"


def stop_leftover(where: Path) -> None:
    """End the emulator of a run that did not come to its end."""
    if where.exists() and where.read_text():
        pid = json.loads(where.read_text()).get("pid")
        if pid:
            os.kill(pid, signal.SIGTERM)


def test_scenarios_forget_every_variable_that_names_a_cluster() -> None:
    environment = importlib.import_module(
        "ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment"
    )
    read = {variable.name for variable in environment.VARIABLES if variable.option not in ("proxy", "no_proxy")}
    assert read <= {name for name, value in SHARED["ansible"]["env"].items() if value == ""}
