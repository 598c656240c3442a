# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The benchmark runs, and notices a way that does not do its job. What it measures is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parent.parent / "bench" / "run.py"


def test_scenes_run(tmp_path: Path) -> None:
    """Three of the six, which use everything there is; each run of a playbook takes a second."""
    chosen = [f"--only={name}" for name in ("changed", "clusters", "starts")]
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, str(RUN), "--small", *chosen, "--json", str(figures)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scenes = json.loads(figures.read_text())["scenes"]
    assert sorted(scenes) == ["changed", "clusters", "starts"]
    for name, scene in scenes.items():
        assert scene["title"] in done.stdout
        for way, each in scene["ways"].items():
            assert each["seconds"] > 0, (name, way)
    ways = scenes["changed"]["ways"]
    assert ways["fleet task"]["requests"] == 3 + 1 + 2, "three readings, the privileges, two decreases"
    assert ways["debug"]["requests"] == 0


def test_a_way_that_writes_too_little_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RUN.parent.parent))
    from bench.playbook import Way, measure
    from support.emulator_process import emulator

    idle = Way("idle", [{"ansible.builtin.debug": {"msg": "nothing"}}], changes=1)
    with emulator() as server, pytest.raises(SystemExit, match="idle: 0 writes instead of 1"):
        measure(tmp_path, idle, 1, 1, [server])
