# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the benchmark runs and counts what it says; its figures are for people, so none is compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emulator_tests.process import TESTS


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc")
def test_it_measures(tmp_path: Path) -> None:
    command = [sys.executable, str(TESTS / "bench" / "emulator_cost.py"), "--json", str(tmp_path / "figures.json")]
    tiny = ["--requests", "20", "--large", "3", "--deployments", "5", "--starts", "2"]
    done = subprocess.run([*command, *tiny], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    assert json.loads(done.stdout.splitlines()[-1]) == found
    one, many = found["one_deployment"], found["many_deployments"]
    assert sum(one["histogram_ms"].values()) == one["requests"] == 20
    assert (many["requests"], many["deployments"], many["nodes"]) == (3, 5, 4)
    assert found["start_up"]["starts"] == 2
    assert 0 < one["memory_mb"]["idle"]["pss"] <= one["memory_mb"]["idle"]["rss"]
    assert min(found["load_per_second"], one["per_second"], many["median_ms"], found["start_up"]["median_s"]) > 0
    for goal in ("goal 1500", "goal 15", "goal 0.6"):
        assert goal in done.stdout
