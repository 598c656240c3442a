# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the emulator's own time, from which every timestamp comes: it can be frozen and advanced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_LONGEST: Final = 10**9
"""Seconds, some thirty years: every time stays one that a calendar knows."""


class Timeline:
    """Epoch nanoseconds. Calling it reads it."""

    def __init__(self, source: Callable[[], int]) -> None:
        self._source = source
        self._ahead = 0
        self._stopped: int | None = None

    def __call__(self) -> int:
        """Return the time now."""
        return (self._source() if self._stopped is None else self._stopped) + self._ahead

    @property
    def millis(self) -> int:
        """Return the time now, in epoch milliseconds."""
        return self() // 1_000_000

    @property
    def frozen(self) -> bool:
        """Return whether it stands still."""
        return self._stopped is not None

    def freeze(self, frozen: bool = True) -> None:
        """Freeze it, or let it go on from where it stands: it never goes back."""
        if frozen and self._stopped is None:
            self._stopped = self._source()
        elif not frozen and self._stopped is not None:
            self._ahead -= self._source() - self._stopped
            self._stopped = None

    def advance(self, seconds: float) -> None:
        """Advance, frozen or not; raise ``ValueError`` for going back."""
        if seconds < 0:
            raise ValueError("time does not go back")
        if not seconds <= _LONGEST:
            raise ValueError(f"time goes on by at most {_LONGEST} seconds at once, not {seconds!r}")
        self._ahead += round(seconds * 1e9)
