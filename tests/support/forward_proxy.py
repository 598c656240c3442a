# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a real forward proxy, the program proxy.py, that notes the hosts which clients ask for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

from support.processes import ended_with_the_block

TESTS = Path(__file__).resolve().parent.parent
SEEN = "PROXY_SEEN_FILE"


class Proxy(t.NamedTuple):
    url: str
    file: Path

    def seen(self) -> list[str]:
        """Return its requests in order, such as ``CONNECT es.example.com:9200`` or ``GET 127.0.0.1:9200``."""
        return self.file.read_text().splitlines()

    def forget(self) -> None:
        self.file.write_text("")


@contextlib.contextmanager
def forward_proxy(*options: str, scheme: str = "http") -> Iterator[Proxy]:
    """Start a proxy on a free port. It alone resolves names that end in ``.invalid``, to this machine."""
    with tempfile.TemporaryDirectory() as folder:
        port, seen = Path(folder, "port"), Path(folder, "seen")
        seen.touch()
        path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH", ""))))
        one = ("--num-acceptors", "1", "--num-workers", "1", "--hostname", "127.0.0.1", "--port", "0")
        log = ("--log-file", f"{folder}/log", "--data-dir", folder, "--plugins", "support.proxy_plugin.NotesHosts")
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy", *one, *log, "--port-file", str(port), *options],
            env={**os.environ, "PYTHONPATH": path, SEEN: str(seen)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
        )
        with ended_with_the_block(process):
            yield Proxy(f"{scheme}://127.0.0.1:{_port(process, port)}", seen)


def _port(process: subprocess.Popen[bytes], file: Path) -> int:
    for _time in range(1000):
        if file.exists() and file.read_text().strip():
            return int(file.read_text().split()[0])
        assert process.poll() is None, "the proxy did not start"
        time.sleep(0.02)
    raise AssertionError("the proxy did not write its port")
