# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Aim faults between client and server at single requests.

A fault matches by operation, method and path, lets ``after`` matching requests pass, then fires ``times`` times. What
happens besides the answer may fire together with one fault that decides it; of several such the oldest fires, and the
others wait for the next request.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final

from . import effects, fault_kinds
from .fault_kinds import BESIDES, Field, Kind
from .journal import without_secret_headers

_GROUPS: Final = ("any", "any_write", "any_read")
_READS: Final = ("GET", "HEAD")
_NOT_QUEUED: Final = (
    "any_read",
    "cache",
    "cluster_state",
    "health",
    "infer",
    "info",
    "memory",
    "nodes",
    "stats",
    "tasks",
)
"""Operations that never wait in the master's queue."""
_METHOD: Final = re.compile(r"[A-Z]+")
_FIELDS: Final[Mapping[str, Field]] = {
    "operation": fault_kinds.TEXT,
    "method": Field(lambda value: isinstance(value, str) and _METHOD.fullmatch(value) is not None, "a method: POST"),
    "path": Field(
        lambda value: isinstance(value, str) and value.startswith("/") and "?" not in value,
        "a path that begins with / and has no query; * stands for anything but /, ** for anything",
    ),
    "nth": fault_kinds.COUNT,
    "after": Field(lambda value: fault_kinds.is_int(value) and value >= 0, "a whole number, 0 or more"),
    "times": Field(lambda value: fault_kinds.is_int(value) and value != 0 and value >= -1, "1 or more, or -1 for ever"),
    "when": fault_kinds.one_of("before", "after"),
    "do": Field(lambda value: isinstance(value, Mapping), "an object with a key type", required=True),
}


@dataclasses.dataclass
class Asked:
    """The parts of a request that a fault matches; ``operation`` ``None`` is a path without handler."""

    method: str
    path: str
    operation: str | None


@dataclasses.dataclass
class Fault:
    """One fault; ``do`` is the control request's own object."""

    do: Mapping[str, Any]
    operation: str = "any"
    method: str | None = None
    path: str | None = None
    after: int = 0
    times: int = 1
    when: str = "before"
    seen: int = 0
    fired: int = 0
    results: list[Any] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self._path = None if self.path is None else re.compile(_pattern(self.path))

    @property
    def type(self) -> str:
        """Return ``do.type``."""
        return str(self.do["type"])

    @property
    def kind(self) -> Kind:
        """Return the kind of its type."""
        return fault_kinds.KINDS[self.type]

    @property
    def spent(self) -> bool:
        """Return whether it never fires again."""
        return 0 <= self.times <= self.fired

    def matches(self, asked: Asked) -> bool:
        """Return whether it matches such a request."""
        if self.kind.operations is not None and asked.operation not in self.kind.operations:
            return False
        if self.type == "master_timeout" and (asked.method in _READS or asked.operation in _NOT_QUEUED):
            return False
        if self.method is not None and asked.method != self.method:
            return False
        if self._path is not None and self._path.fullmatch(asked.path) is None:
            return False
        if self.operation in ("any_write", "any_read"):
            return (asked.method not in _READS) == (self.operation == "any_write")
        return self.operation in ("any", asked.operation)

    def as_json(self) -> dict[str, Any]:
        """Return it as the control port shows it."""
        shown = dataclasses.asdict(self)
        if isinstance(self.do.get("headers"), Mapping):
            shown["do"] = {**shown["do"], "headers": without_secret_headers(self.do["headers"])}
        return shown


def _pattern(path: str) -> str:
    parts = re.split(r"(\*+)", path.rstrip("/") or "/")
    wild = {"*": "[^/]*"}
    return "".join(wild.get(part, ".*") if part.startswith("*") else re.escape(part) for part in parts) + "/?"


def from_json(body: Mapping[str, Any], operations: frozenset[str]) -> Fault:
    """Read a fault from a control request; raise ``ValueError`` if it makes no sense.

    ``operations`` are those of the API.
    """
    fault_kinds.check("a fault", body, _FIELDS)
    kind = fault_kinds.check_do(body["do"])
    if body["do"]["type"] == "effect":
        effects.known(body["do"]["effect"])
        effects.known(body["do"].get("back"))
    operation = body.get("operation", "any")
    if operation not in operations and operation not in _GROUPS:
        raise ValueError(f"operation must be one of {', '.join([*sorted(operations), *_GROUPS])}")
    if kind.operations is not None and operation not in (*kind.operations, "any", "any_write"):
        raise ValueError(f"{body['do']['type']} can hit only {', '.join(kind.operations)}, not {operation}")
    if body["do"]["type"] == "master_timeout" and (operation in _NOT_QUEUED or body.get("method") in _READS):
        raise ValueError("master_timeout can hit only what waits in the master's queue: writes, not reads")
    if "nth" in body and "after" in body:
        raise ValueError("nth and after exclude each other: nth n is after n - 1")
    return Fault(
        body["do"],
        operation,
        body.get("method"),
        body.get("path"),
        body["nth"] - 1 if "nth" in body else body.get("after", 0),
        body.get("times", 1),
        body.get("when", "before"),
    )


class Faults:
    """All faults, in the order in which they were planted; spent ones stay visible."""

    def __init__(self) -> None:
        self.planted: list[Fault] = []

    def take(self, asked: Asked) -> list[Fault]:
        """Return the faults that fire for one request."""
        firing: list[Fault] = []
        for fault in self.planted:
            if fault.spent or not fault.matches(asked):
                continue
            fault.seen += 1
            if fault.seen <= fault.after:
                continue
            if fault.kind.role == BESIDES or all(other.kind.role == BESIDES for other in firing):
                fault.fired += 1
                firing.append(fault)
        return firing


def decisive(firing: list[Fault]) -> Fault | None:
    """Return the fault that decides the answer."""
    return next((fault for fault in firing if fault.kind.role != BESIDES), None)
