# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults: what goes wrong between client and server, aimed at single requests.

A fault matches by operation, lets ``after`` matching requests pass, then fires ``times`` times. Effects and delays
may fire together with one fault that decides the answer; of several such the oldest fires.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

OPERATIONS: Final = (
    "start",
    "update",
    "stop",
    "stats",
    "cluster_state",
    "info",
    "model",
    "health",
    "settings",
    "any",
    "any_write",
    "any_read",
)
TYPES: Final = ("drop", "answer", "truncate", "delay", "timeout", "effect")
_BESIDES: Final = ("delay", "effect")


@dataclasses.dataclass
class Fault:
    """One fault; ``do`` is the control request's own object."""

    operation: str
    do: Mapping[str, Any]
    after: int = 0
    times: int = 1
    when: str = "before"
    fired: int = 0

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.do["type"])

    def matches(self, operation: str | None, *, write: bool) -> bool:
        """Whether it is aimed at such a request; ``operation`` ``None`` is a path without handler."""
        if self.operation == "any":
            return True
        if self.operation in ("any_write", "any_read"):
            return write == (self.operation == "any_write")
        return self.operation == operation

    def as_json(self) -> dict[str, Any]:
        """As the control port shows it."""
        return {**dataclasses.asdict(self), "do": dict(self.do)}


def from_json(body: Mapping[str, Any]) -> Fault:
    """A fault out of a control request; ``ValueError`` if it makes no sense."""
    do = body.get("do")
    if not isinstance(do, Mapping) or do.get("type") not in TYPES:
        raise ValueError(f"do.type must be one of {', '.join(TYPES)}")
    fault = Fault(
        str(body.get("operation", "any")),
        do,
        int(body.get("after", 0)),
        int(body.get("times", 1)),
        str(body.get("when", "before")),
    )
    if fault.operation not in OPERATIONS:
        raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}")
    if fault.when not in ("before", "after"):
        raise ValueError("when must be before or after")
    if fault.kind == "timeout" and fault.operation != "start":
        raise ValueError("only a start can time out: operation must be start")
    if fault.kind == "answer" and "status" not in do:
        raise ValueError("do.status is missing")
    return fault


class Faults:
    """All faults that are waiting."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def take(self, operation: str | None, *, write: bool) -> list[Fault]:
        """The faults that fire for one request."""
        firing: list[Fault] = []
        for fault in self.waiting:
            if not fault.matches(operation, write=write):
                continue
            if fault.after > 0:
                fault.after -= 1
            elif fault.kind in _BESIDES or all(other.kind in _BESIDES for other in firing):
                fault.fired += 1
                fault.times -= fault.times > 0
                firing.append(fault)
        self.waiting = [fault for fault in self.waiting if fault.times != 0]
        return firing
