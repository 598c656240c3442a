# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API was asked: every request, and every write with what came of it."""

from __future__ import annotations

import collections
import dataclasses
import json
from typing import Any, Final

from ..wire.call import Call

_KEPT: Final = 100_000
_SECRET: Final = frozenset({"authorization", "proxy-authorization", "cookie", "es-secondary-authorization"})
_READS: Final = ("GET", "HEAD", "OPTIONS")


@dataclasses.dataclass
class Entry:
    """One write; ``status`` is ``None`` if the connection was dropped, or while the answer is not there yet."""

    n: int
    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int | None = None
    committed: bool = False


class Journal:
    """Requests in the order they came."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.requests: collections.deque[dict[str, Any]] = collections.deque(maxlen=_KEPT)
        self.counters = {"requests": 0, "reads": 0, "writes": 0}

    def begin(self, call: Call) -> tuple[dict[str, Any], Entry | None]:
        """Notes a request; its status comes later, with ``end``."""
        self.counters["requests"] += 1
        headers = {name: value for name, value in call.headers.items() if name not in _SECRET}
        line = {"method": call.method, "path": call.path, "query": call.parameters, "headers": headers, "status": None}
        self.requests.append(line)
        if call.method in _READS:
            self.counters["reads"] += 1
            return line, None
        self.counters["writes"] += 1
        entry = Entry(self.counters["writes"], call.method, call.path, call.parameters, _readable(call.body))
        self.entries.append(entry)
        return line, entry

    def end(self, noted: tuple[dict[str, Any], Entry | None], status: int | None, *, committed: bool) -> None:
        """Completes what ``begin`` noted."""
        line, entry = noted
        line["status"] = status
        if entry is not None:
            entry.status, entry.committed = status, committed

    def as_json(self) -> list[dict[str, Any]]:
        """The writes."""
        return [dataclasses.asdict(entry) for entry in self.entries]

    def clear(self) -> None:
        """Forgets everything."""
        self.entries.clear()
        self.requests.clear()
        self.counters.update(requests=0, reads=0, writes=0)


def _readable(body: bytes) -> Any:
    if not body:
        return None
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
