# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let coverage trace the code under test, and not the emulator beside it: tracing doubles the time of either."""

from __future__ import annotations

import contextlib
import sys
import typing as t
from collections.abc import Iterator

from emulator.inprocess import InProcess


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Trace nothing within the block."""
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)
        _begin_again()


def _begin_again() -> None:
    """Be called: the tracer of coverage takes over with the first call that it sees, and has to see each return."""


class UntracedCluster(InProcess):
    """The emulator in this process."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        with untraced():
            super().__init__(*args, **kwargs)

    def request(
        self, method: str, target: str, headers: t.Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        with untraced():
            return super().request(method, target, headers, body)

    def control(self, method: str, path: str, json: t.Any = None) -> t.Any:
        with untraced():
            return super().control(method, path, json)
