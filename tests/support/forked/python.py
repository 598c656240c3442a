# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a program for ``ansible_python_interpreter`` that runs modules in processes of :mod:`support.forked`."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from pathlib import Path

from support.forked import Forking
from support.forked.client import write_program

_CHOICE = """
given = {{name: value for name, value in os.environ.items() if name.startswith("PYTHON")}}
given.pop("PYTHONWARNINGS", None)
if given != {given} or len(sys.argv) < 2 or not os.path.isfile(sys.argv[1]):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""


@functools.cache
def python(path: str | None = None) -> str:
    """Return the program for processes whose ``PYTHONPATH`` is *path*, by default that of the tests.

    It only runs files. Other calls, and those with other variables for Python, go to the Python of the tests. Molecule
    hides a warning that no module of these tests has.
    """
    folder = tempfile.TemporaryDirectory()
    _FOLDERS.append(folder)
    program = Path(folder.name) / "python"
    environment = {**os.environ, "PYTHONPATH": path or os.environ["PYTHONPATH"]}
    server = Forking("support.forked.module", folder.name, environment, program.parent)
    given = {name: value for name, value in environment.items() if name.startswith("PYTHON")}
    given.pop("PYTHONWARNINGS", None)
    choice = _CHOICE.format(python=sys.executable, given=given)
    return write_program(program, server.address, choice, "sys.argv[1:]")


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
