# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start an emulator in a process of its own, and send plain HTTP to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TESTS = Path(__file__).resolve().parent.parent


class Process:
    """The running program; ``first`` is its first line."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        assert popen.stdout is not None
        line = popen.stdout.readline()
        self.first: dict[str, Any] = json.loads(line) if line else {}

    def api(self, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send a request to the API on a connection of its own."""
        return self._send(self.first["url"], method, target, body, headers)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the control port."""
        status, _headers, raw = self._send(self.first["control_url"], method, path, body, {})
        assert status == 200, raw
        return json.loads(raw)

    def allocations(self, deployment_id: str = "m") -> int:
        """Return the number of allocations that a deployment should have."""
        state = self.control("GET", "/state")
        return int(state["deployments"][deployment_id]["task_parameters"]["number_of_allocations"])

    def connection(self) -> http.client.HTTPConnection:
        """Return an open connection to the API."""
        address = urlsplit(self.first["url"])
        return http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)

    def _send(
        self, url: str, method: str, target: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
        raw = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if raw is not None:
            named.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, target, raw, named)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


def launch(*arguments: str) -> subprocess.Popen[str]:
    """Start the program with some arguments."""
    command = [sys.executable, "-m", "emulator", "--parent-pid", str(os.getpid()), *arguments]
    return subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Process]:
    """Start an emulator; end it afterwards."""
    popen = launch(*arguments)
    with popen:
        process = Process(popen)
        try:
            yield process
        finally:
            popen.terminate()
            popen.wait(timeout=60)
