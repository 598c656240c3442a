# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End states by themselves after a number of requests, or of rounds of the clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass
class _TemporaryState:
    back: Callable[[], object]
    requests: int | None
    ticks: int | None


class TemporaryStates:
    """All states that will end."""

    def __init__(self) -> None:
        self._list: list[_TemporaryState] = []

    def begin(self, back: Callable[[], object], do: Mapping[str, Any], *, now: bool) -> None:
        """Begin a state; ``do`` has ``requests`` or ``ticks``, or it lasts. ``now``: this request counts already."""
        requests = do.get("requests")
        if requests is not None:
            self._list.append(_TemporaryState(back, requests if now else requests + 1, None))
        elif "ticks" in do:
            self._list.append(_TemporaryState(back, None, do["ticks"]))

    def request_ended(self) -> None:
        """Count a request that has its answer."""
        for each in self._list:
            each.requests = None if each.requests is None else each.requests - 1
        self._end()

    def round_begins(self) -> bool:
        """Count a round of the clock; return whether a state still waits for rounds."""
        for each in self._list:
            each.ticks = None if each.ticks is None else each.ticks - 1
        waited = any(each.ticks is not None for each in self._list)
        self._end()
        return waited

    def _end(self) -> None:
        over = [each for each in self._list if each.requests == 0 or (each.ticks is not None and each.ticks < 0)]
        self._list = [each for each in self._list if each not in over]
        for each in over:
            each.back()
