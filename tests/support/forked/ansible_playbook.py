# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ``ansible-playbook`` in :mod:`support.forked.server`, with everything imported that each run imports."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import secrets
import shutil
import tempfile
import typing as t

from ansible import constants
from ansible.cli import playbook
from ansible.utils import vars as unique

_CONSTANTS: t.Any = constants
shutil.rmtree(_CONSTANTS.DEFAULT_LOCAL_TMP)

_SERVER = os.getpid()
_MODULES = tempfile.mkdtemp()
"""Modules as Ansible packs them, without arguments. A run would pack each again, which takes half of a short one."""


def _remove_modules() -> None:
    """Remove them when the server ends, not with each process that is forked from it."""
    if os.getpid() == _SERVER:
        shutil.rmtree(_MODULES)


atexit.register(_remove_modules)

with contextlib.suppress(ImportError):
    importlib.import_module("elasticsearch")


def main() -> None:
    """Run the playbook that ``sys.argv`` names.

    Ansible chooses two things while it is imported that each run has of its own: the folder for temporary files, and
    the part of all ids that no other run has.
    """
    place = os.path.dirname(_CONSTANTS.DEFAULT_LOCAL_TMP)
    os.makedirs(place, 0o700, exist_ok=True)
    _CONSTANTS.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(prefix=f"ansible-local-{os.getpid()}", dir=place)
    os.symlink(_MODULES, os.path.join(_CONSTANTS.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
    atexit.register(shutil.rmtree, _CONSTANTS.DEFAULT_LOCAL_TMP)
    unique.random_int = f"{secrets.randbelow(1 << 32):08x}"
    playbook.main()
