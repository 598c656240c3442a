# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make an ``ansible-playbook`` for molecule that runs in processes of :mod:`support.forked`, as do its modules."""

from __future__ import annotations

import configparser
import contextlib
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

from molecule.constants import DEFAULT_ANSIBLE_CFG_OPTIONS
from molecule.util import merge_dicts

from support.forked import Forking
from support.forked.client import write_program
from support.forked.python import python
from support.playbook import BIN

_CHOICE = """
if os.environ.get("MOLECULE_SCENARIO_NAME") in {plain!r}:
    os.execv({program!r}, [{program!r}, *sys.argv[1:]])
if sys.argv[1:] != ["--version"]:
    sys.argv += ["--extra-vars", "ansible_python_interpreter={python}"]
"""


@contextlib.contextmanager
def ansible_playbook(
    folder: Path, environment: Mapping[str, str], shared: Mapping[str, t.Any], *plain: str
) -> Iterator[None]:
    """Put the program into *folder*, with a server for the variables and settings of molecule. At the end, check them.

    *environment*: of molecule, whose files are in ``MOLECULE_EPHEMERAL_DIRECTORY``. *shared*: its base configuration.
    The scenarios that *plain* names run as they stand.
    """
    written = Path(environment["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ansible.cfg"
    written.parent.mkdir(parents=True, exist_ok=True)
    settings = configparser.RawConfigParser()
    settings.read_dict(merge_dicts(DEFAULT_ANSIBLE_CFG_OPTIONS, shared["ansible"]["cfg"]))
    with written.open("w") as file:
        settings.write(file)
    (folder / "packed").mkdir(parents=True)
    variables = {**environment, "ANSIBLE_CONFIG": str(written), "PACKED_MODULES": str(folder / "packed")}
    variables |= {"ANSIBLE_PIPELINING": "false"}  # python() runs files
    server = Forking("support.forked.ansible_playbook", str(BIN), variables, folder)
    program = str(BIN / "ansible-playbook")
    choice = _CHOICE.format(plain=plain, program=program, python=python())
    write_program(folder / "ansible-playbook", server.address, choice, f"[{program!r}, *sys.argv[1:]]")
    try:
        yield
    finally:
        server.close()
    used = configparser.RawConfigParser()
    used.read(written)
    assert used == settings, "molecule has other settings than the server"
