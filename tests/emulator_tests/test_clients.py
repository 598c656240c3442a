# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several releases of elasticsearch-py with their typed methods.

Releases other than the installed one are put into throw-away folders below ``.cache/clients``.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from emulator_tests.process import TESTS, running

CACHE = TESTS.parent / ".cache" / "clients"
INSTALLED = "installed"
RELEASES = ("8.9.0", "8.19.3", INSTALLED)
SCRIPT = Path(__file__).with_name("typed_client.py")


def _folder(release: str) -> Path | None:
    """Where a release is, installed if need be; ``None`` for the one that is there anyway."""
    if release == INSTALLED:
        return None
    folder = CACHE / release
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{release}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _install(release, folder)
    return folder


def _install(release: str, folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(part)]
    done = subprocess.run(
        [*command, f"elasticsearch=={release}"], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"elasticsearch {release} cannot be installed: {done.stderr.strip()[-200:]}")
    part.rename(folder)


def _run(release: str, url: str) -> dict[str, Any]:
    folder = _folder(release)
    # Not the tests' own path: the client of the test environment must not be found first.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if folder is not None:
        environment["PYTHONPATH"] = str(folder)
    command = [sys.executable, str(SCRIPT), url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("version", ["8.9.2", "8.19.21", "9.5.3"])
def test_typed_methods(release: str, version: str) -> None:
    with running("--version", version, "--model", "m=1000") as process:
        found = _run(release, process.first["url"])
    if release == INSTALLED and version.startswith("8."):
        # A 9.x client speaks REST API version 9, which an 8.x server refuses.
        assert found["status"] == 400
        assert found["body"]["error"]["type"] == "media_type_header_exception"
        return
    assert found["number"] == version
    lifecycle = found["lifecycle"]
    parameters = lifecycle.pop("started")
    assert (parameters["number_of_allocations"], parameters["cache_size"]) == (2, "1mb")
    assert lifecycle == {"stats": "started", "updated": 5, "state": 5, "stopped": [True, True]}
    assert found["models"] == {"found": ["own", True], "deleted": True}
    assert found["refusals"] == {
        "missing": [404, "NotFoundError"],
        "invalid": [400, "BadRequestError"],
        "full": [429, "ApiError"],
        "unknown": [404, "NotFoundError"],
    }


def test_releases_are_what_they_say() -> None:
    with running("--version", "9.5.3", "--model", "m=1000") as process:
        assert _run("8.19.3", process.first["url"])["client"] == [8, 19]
