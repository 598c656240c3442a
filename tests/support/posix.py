# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Get the collection ansible.posix, for its callback, out of the package ansible: 30 of its 20 000 files.

Below ``.cache/collections``. If the package cannot be downloaded, the test is skipped and says why; with ``CI=true`` in
the environment it fails, because no test may be left out there.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

RELEASE = "12.2.0"
CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "collections"
_DOWNLOAD = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")


def ansible_posix() -> Path:
    """Return a folder for ``ANSIBLE_COLLECTIONS_PATH``."""
    found = _unpacked()
    if isinstance(found, Path):
        return found
    why = f"the package ansible {RELEASE} cannot be downloaded: {found}"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@functools.cache
def _unpacked() -> Path | str:
    """Return the folder, or why there is none; tests that run at the same time wait for each other."""
    place = CACHE / f"ansible-{RELEASE}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{place.name}.lock", "w", encoding="ascii") as lock, tempfile.TemporaryDirectory() as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.is_dir():
            return place
        command = [*_DOWNLOAD, "--only-binary", ":all:", "--dest", folder, f"ansible=={RELEASE}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired) as failure:
            return str(failure)
        if done.returncode != 0:
            return (done.stderr.strip() or f"pip ended with {done.returncode}")[-300:]
        [wheel] = Path(folder).glob("*.whl")
        part = CACHE / f"{place.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        _unpack(wheel, part)
        part.rename(place)
    return place


def _unpack(wheel: Path, place: Path) -> None:
    ours = "ansible_collections/ansible/posix/"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place, [name for name in archive.namelist() if name.startswith(ours)])
