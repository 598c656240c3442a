# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start the Elasticsearch emulator as a process of its own, for tests that run real playbooks."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import tempfile
import typing as t
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from support import emulated_versions
from support.forked import Forking

TESTS = Path(__file__).resolve().parent.parent
ONE_NODE = ("--node", "ml-1=8,16gb", "--model", "sentiment")


class Emulator(t.NamedTuple):
    """An emulator: ``url`` plays Elasticsearch; by ``control_url`` the test reads its state and plants faults.

    ``shown`` is all that the emulator prints about itself, such as the paths of certificates.
    """

    url: str
    control_url: str
    shown: dict[str, t.Any]

    def control(self, method: str, path: str, body: t.Any = None) -> t.Any:
        """Return the JSON answer of the control port, ``None`` if it is empty."""
        return _request(method, self.control_url + path, body)

    def api(self, method: str, path: str, body: t.Any = None) -> t.Any:
        """Return the JSON answer of Elasticsearch itself, by none of the collection's code.

        :raises urllib.error.HTTPError: for a status that is an error.
        """
        return _request(method, self.url + path, body)

    def writes(self) -> list[dict[str, t.Any]]:
        """Return every write since the last ``DELETE /journal``, in order."""
        return t.cast("list[dict[str, t.Any]]", self.control("GET", "/journal"))


@contextlib.contextmanager
def emulator(*options: str, version: str = "9.5.3") -> Iterator[Emulator]:
    """Start a new emulator on free ports; it ends with the block. *options* replace the one node and the one model."""
    emulated_versions.VERSIONS.add(version)
    server = _server()
    command = ["emulator", "--version", version, "--parent-pid", str(server.pid), *(options or ONE_NODE)]
    reading, writing = os.pipe()
    with tempfile.TemporaryFile("w+") as errors, open(os.devnull) as nothing, open(reading) as output:
        with open(writing, "w") as theirs:
            process = server.start(command, os.environ, TESTS, (nothing.fileno(), theirs.fileno(), errors.fileno()))
        try:
            line = output.readline()  # empty if the process ended
            if not line:
                errors.seek(0)
                raise RuntimeError(f"the emulator did not start: {errors.read()}")
            addresses = json.loads(line)
            yield Emulator(addresses["url"], addresses["control_url"], addresses)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


@functools.cache
def _server() -> Forking:
    """Return the server that forks emulators: they read no variables, and live in processes of their own."""
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH", ""))))
    return Forking("support.forked.elasticsearch_emulator", str(TESTS), {**os.environ, "PYTHONPATH": path}, TESTS)


def _request(method: str, url: str, body: t.Any) -> t.Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None
