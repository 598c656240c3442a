# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the benchmark runs, and notices a way that does not do its job. Its figures do not matter here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parent.parent / "bench" / "run.py"


def test_scenes_run(tmp_path: Path) -> None:
    """Test the one of the six that measures a loop, a fleet, and their writes."""
    chosen = ["--only=changed"]
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, str(RUN), "--small", *chosen, "--json", str(figures)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scenes = json.loads(figures.read_text())["scenes"]
    assert sorted(scenes) == ["changed"]
    for name, scene in scenes.items():
        assert scene["title"] in done.stdout
        for way, each in scene["ways"].items():
            assert each["seconds"] > 0, (name, way)
    ways = scenes["changed"]["ways"]
    assert ways["fleet task"]["requests"] == 3 + 1 + 1 + 2, "three readings, endpoints, privileges, two decreases"
    assert ways["debug"]["requests"] == 0


def test_figures_are_written_into_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RUN.parent.parent))
    from bench.page import MARK, write

    way = {"seconds": 1.5, "fastest": 1.0, "slowest": 2.0, "peak_mb": 67.2, "requests": 3, "received_kb": 98.6}
    scene = {"title": "twenty at once", "ways": {"debug": {**way, "seconds": 0.5}, "fleet task": way}}
    report = {"ansible": "2.19.0", "python": "3.11.7", "requests_per_second": 4000, "scenes": {"many": scene}}
    page = tmp_path / "speed.md"
    page.write_text("words of a person\n" + MARK + "old figures\n")
    write(report, page, tmp_path / "images")
    text = page.read_text()
    assert text.startswith("words of a person\n")
    assert "old figures" not in text
    assert "![Twenty at once](images/bench_many.svg)" in text
    assert "| fleet task | 1.50 s | 3.0 | 1.00-2.00 s | 67 MB | 3 | 99 kB |" in text


def test_a_way_that_writes_too_little_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RUN.parent.parent))
    from bench.playbook import Way, measure
    from support.emulator_process import emulator

    idle = Way("idle", [{"ansible.builtin.debug": {"msg": "nothing"}}], changes=1)
    with emulator() as server, pytest.raises(SystemExit, match="idle: 0 writes instead of 1"):
        measure(tmp_path, idle, 1, 1, [server])
