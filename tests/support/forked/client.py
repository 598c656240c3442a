# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make programs that let :mod:`support.forked.server` do their work, for others who start them by name."""

from __future__ import annotations

import sys
from pathlib import Path

_PROGRAM = """#!{python} -IS
import sys

sys.path[:] = {path}
import os

{choice}

import _socket
import json

request = {{"argv": {argv}, "environ": dict(os.environ), "cwd": os.getcwd()}}
server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server.sendmsg([json.dumps(request).encode() + b"\\n"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
answers = b""
while answers.count(b"\\n") < 2:
    answers += server.recv(4096)
status = json.loads(answers.splitlines()[1])["status"]
os._exit(status if status >= 0 else 128 - status)
"""


def write_program(program: Path, address: str, choice: str, argv: str) -> str:
    """Write *program*, which asks the server at *address* to run *argv*, an expression. Return its path.

    *choice*: statements before that, which may run something else instead. They know ``os`` and ``sys``.
    """
    standard = [each for each in sys.path if each.startswith(sys.base_prefix)]
    program.write_text(
        _PROGRAM.format(python=sys.executable, path=standard, choice=choice.strip(), argv=argv, address=address)
    )
    program.chmod(0o755)
    return str(program)
