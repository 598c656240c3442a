# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the emulator without a process: the same API application, driven synchronously on a private event loop.

>>> emulator = InProcess(version="8.19.21", models=[("my-model", 1000)])
>>> status, headers, body = emulator.request("POST", "/_ml/trained_models/my-model/deployment/_start", {}, None)
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import NEWEST
from .app import Api
from .control import application as control
from .emulator import Emulator
from .state import licence
from .state.cluster import Cluster, Config
from .state.nodes import Node
from .state.versions import features
from .wire.call import TRANSPORT

if TYPE_CHECKING:
    from .security.store import Declared

_LOCAL = threading.local()


class ConnectionDropped(ConnectionError):
    """No answer, or only a part of one: the connection ended, or the request would wait for ever."""


class _Transport:
    """A stand-in for the connection below HTTP; ``ended`` says how it ended."""

    def __init__(self) -> None:
        self.ended = ""
        self._below = ""

    def abort(self) -> None:
        """End at once."""
        self.ended = self._below or "closed"

    def close(self) -> None:
        """End after all that was sent."""
        self.ended = self._below or "closed in the middle of the answer"

    def write(self, raw: bytes) -> None:
        """Accept bytes outside of HTTP, which are not read here."""
        self._below = "not HTTP"

    def get_extra_info(self, name: str) -> _Transport:
        """Return itself, since there is no socket."""
        return self

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        """Make the end a reset, which the one option that is ever set means."""
        self._below = "reset"


def _loop() -> asyncio.AbstractEventLoop:
    """Return one private loop for each thread; making one takes longer than most requests."""
    loop: asyncio.AbstractEventLoop | None = getattr(_LOCAL, "loop", None)
    if loop is None or loop.is_closed():
        loop = _LOCAL.loop = asyncio.new_event_loop()
    return loop


def _declared(security: str | Path | Mapping[str, Any], version: str) -> Declared:
    """Read a security file, or a mapping with the same content."""
    from .security import file

    known = features(version)
    return file.declared(security, known) if isinstance(security, Mapping) else file.load(security, known)


class InProcess:
    """An emulator in this process. ``clock`` is ``eager`` or ``manual``: nothing runs between requests."""

    def __init__(
        self,
        version: str = NEWEST,
        nodes: Iterable[Node] | None = None,
        models: Iterable[tuple[str, int]] = (),
        clock: str = "eager",
        flavor: str = "default",
        without: Iterable[str] = (),
        security: str | Path | Mapping[str, Any] | None = None,
        license_type: str = licence.DEFAULT,
        lang_ident: bool = False,
    ) -> None:
        if clock not in ("eager", "manual"):
            raise ValueError("in process the clock is eager or manual")
        given = (Node("n1"), Node("n2")) if nodes is None else tuple(nodes)
        declared = None if security is None else _declared(security, version)
        begin = Config(version, flavor, given, tuple(models), frozenset(without), declared, license_type)
        begin = dataclasses.replace(begin, lang_ident=lang_ident)
        self.emulator = Emulator(begin, clock, alone=True)
        self._api = Api(self.emulator)

    @property
    def cluster(self) -> Cluster:
        """Return the cluster; ``reset`` replaces it."""
        return self.emulator.cluster

    def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send one request; raise ``ConnectionDropped`` if the emulator gives no answer."""
        path, _mark, query = target.partition("?")
        transport = _Transport()
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()
            ],
            "extensions": {TRANSPORT: transport},
        }
        sent: list[Any] = []
        coming = [{"type": "http.request", "body": body or b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            return coming.pop() if coming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        _loop().run_until_complete(self._api(scope, receive, send))
        if transport.ended or not sent:
            raise ConnectionDropped(f"{method} {target}: {transport.ended or 'no answer, ever'}")
        start, *pieces = sent
        return (
            start["status"],
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]],
            b"".join(piece["body"] for piece in pieces),
        )

    def control(self, method: str, path: str, json: Any = None) -> Any:
        """Send one control request; raise ``ValueError`` where the port would refuse it."""
        status, answer = control.handle(self.emulator, method, path, json)
        if status != 200:
            raise ValueError(f"{method} {path}: {answer['error']}")
        return answer

    def tick(self, steps: int = 1) -> bool:
        """Run rounds of catching up; return whether anything changed."""
        return bool(self.control("POST", "/tick", {"steps": steps})["changed"])

    def reset(
        self,
        version: str | None = None,
        nodes: Iterable[Node] | None = None,
        models: Iterable[tuple[str, int]] | None = None,
    ) -> None:
        """Return to the beginning, with changes if any are given."""
        begin = self.cluster.config
        self.emulator.reset(
            dataclasses.replace(
                begin,
                version=version or begin.version,
                nodes=begin.nodes if nodes is None else tuple(nodes),
                models=begin.models if models is None else tuple(models),
            )
        )

    def close(self) -> None:
        """Do nothing: the loop is shared."""
