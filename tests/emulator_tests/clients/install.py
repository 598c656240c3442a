# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install releases of the official clients, each in a throw-away folder below ``.cache/clients``.

``releases.json`` pins them. Where one cannot be installed (no registry, no npm), the test is skipped and says why;
with ``CI=true`` in the environment it fails: there, nothing may be left out in silence.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).resolve().parent
CACHE: Final = HERE.parents[2] / ".cache" / "clients"
PYTHON: Final = "elasticsearch-py"
ALONE: Final = "elasticsearch-py-alone"
"""Without aiohttp, which doubles the time of its import: what playbooks are run with."""
JAVASCRIPT: Final = "elasticsearch-js"
NODE: Final = "node"
RELEASES: Final[dict[str, dict[str, list[str]]]] = json.loads((HERE / "releases.json").read_text("utf-8"))
_PIP: Final = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-conflicts")
_NPM: Final = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save")


def folder(client: str, release: str) -> Path:
    """Return the folder of a release, installed if need be."""
    found = installed(client, release)
    if isinstance(found, Path):
        return found
    why = f"{client} {release} cannot be installed: {found}"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def version(release: str) -> str:
    """Return the version of the client itself: ``8.0.0-on-old-transport`` has older packages below it."""
    return release.partition("-")[0]


def node() -> Path:
    """Return the Node.js program."""
    (release,) = RELEASES[NODE]
    return folder(NODE, release) / "node_modules" / ".bin" / "node"


@functools.cache
def installed(client: str, release: str) -> Path | str:
    """Return the folder, or why there is none; tests that run at the same time wait for each other."""
    place = CACHE / f"{client}-{release}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{place.name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.is_dir():
            return place
        part = CACHE / f"{place.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        failed = _install(client, RELEASES[client][release], part)
        if failed is not None:
            return failed
        part.rename(place)
    return place


def _install(client: str, packages: Sequence[str], place: Path) -> str | None:
    python = client in (PYTHON, ALONE)
    where = ("--target", str(place)) if python else ("--prefix", str(place))
    command = [*(_PIP if python else _NPM), *where, *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as failure:
        return str(failure)
    if done.returncode == 0:
        return None
    return (done.stderr.strip() or done.stdout.strip() or f"{command[0]} ended with {done.returncode}")[-300:]
