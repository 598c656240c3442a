# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the kinds of faults: what each may say in ``do``, and when it comes in.

``BESIDES`` happen around the real answer and fire together with anything. Of all others one fires for a request:
``INSTEAD`` replaces the answer (or takes the connection), ``ALTERED`` spoils the real one on its way, ``WITHIN`` makes
the server itself fail.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from ..wire import suggest
from . import gateways, refusals

BESIDES: Final = "besides"
INSTEAD: Final = "instead"
ALTERED: Final = "altered"
WITHIN: Final = "within"


@dataclasses.dataclass(frozen=True)
class Field:
    """One key of an object: ``says`` completes the sentence "x must be ..."."""

    check: Callable[[Any], bool]
    says: str
    required: bool = False


@dataclasses.dataclass(frozen=True)
class Kind:
    """One ``do.type``. ``operations`` are those it can hit at all; ``None`` is any."""

    role: str
    fields: Mapping[str, Field] = dataclasses.field(default_factory=dict)
    operations: Collection[str] | None = None


def is_int(value: Any) -> bool:
    """Return whether a value is a whole number; ``true`` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return is_int(value) or isinstance(value, float)


def one_of(*known: Any, required: bool = False) -> Field:
    """Return a field with a choice of values."""
    return Field(lambda value: value in known, f"one of {', '.join(str(each) for each in known)}", required)


TEXT: Final = Field(lambda value: isinstance(value, str), "a text")
FLAG: Final = Field(lambda value: isinstance(value, bool), "true or false")
OBJECT: Final = Field(lambda value: isinstance(value, Mapping), "an object")
ANY: Final = Field(lambda value: True, "anything")
COUNT: Final = Field(lambda value: is_int(value) and value >= 1, "a whole number, 1 or more")
SECONDS: Final = Field(lambda value: _is_number(value) and value >= 0, "a number of seconds, 0 or more")
STATUS: Final = Field(lambda value: is_int(value) and 200 <= value <= 999, "an HTTP status, 200 to 999")
ACTION: Final = Field(lambda value: isinstance(value, Mapping) and "do" in value, "an object with a key do")
PATH: Final = Field(lambda value: isinstance(value, str) and value.startswith("/"), "a text that begins with /")


def _needed(field: Field) -> Field:
    return dataclasses.replace(field, required=True)


_BY: Final = {"by": one_of(*gateways.NAMES)}
_STARTS: Final = ("start", "endpoint")
_WHILE: Final = {"requests": COUNT, "ticks": COUNT}

KINDS: Final[Mapping[str, Kind]] = {
    # around the real answer
    "delay": Kind(BESIDES, {"seconds": _needed(SECONDS)}),
    "effect": Kind(BESIDES, {"effect": _needed(ACTION), "back": ACTION, **_WHILE}),
    "node_lost": Kind(BESIDES, {"node_id": _needed(TEXT), **_WHILE}),
    "master_lost": Kind(BESIDES, _WHILE),
    "scaler_tick": Kind(BESIDES),
    "frozen_clock": Kind(BESIDES, {"requests": COUNT}),
    "request": Kind(BESIDES, {"method": _needed(TEXT), "path": _needed(PATH), "body": ANY, "headers": OBJECT}),
    # the connection
    "drop": Kind(INSTEAD),
    "reset": Kind(INSTEAD),
    "hang": Kind(INSTEAD),
    "garbage": Kind(INSTEAD, {"text": TEXT}),
    # another answer
    "answer": Kind(INSTEAD, {"status": _needed(STATUS), "headers": OBJECT, "body": ANY, "product": FLAG}),
    "empty": Kind(INSTEAD, {"status": STATUS}),
    "redirect": Kind(INSTEAD, {"status": one_of(301, 302, 303, 307, 308), "location": _needed(TEXT)}),
    "bad_gateway": Kind(INSTEAD, _BY),
    "service_unavailable": Kind(INSTEAD, _BY),
    "gateway_timeout": Kind(INSTEAD, _BY),
    "too_many_requests": Kind(INSTEAD, {**_BY, "retry_after": SECONDS, "as_date": FLAG}),
    # the server's own refusals
    "conflict": Kind(INSTEAD, operations=tuple(refusals.CONFLICT)),
    "capacity": Kind(INSTEAD, {"some_fit": FLAG}, operations=("start", "update")),
    "master_timeout": Kind(INSTEAD),
    "no_master": Kind(INSTEAD),
    # the work goes wrong
    "timeout": Kind(WITHIN, operations=_STARTS),
    "route_failed": Kind(WITHIN, {"reason": TEXT, "node_id": TEXT}, operations=_STARTS),
    # the real answer, spoilt
    "truncate": Kind(ALTERED, {"cut": FLAG}),
    "overrun": Kind(ALTERED),
    "slow_body": Kind(ALTERED, {"seconds": SECONDS, "pieces": COUNT, "chunked": FLAG}),
    "content_type": Kind(ALTERED, {"value": TEXT}),
    "no_product": Kind(ALTERED),
    "broken_gzip": Kind(ALTERED),
}
CONNECTION: Final = ("drop", "reset", "hang", "garbage")


def check(what: str, given: Mapping[str, Any], fields: Mapping[str, Field]) -> None:
    """Raise ``ValueError`` with a sentence if an object has unknown or wrong keys."""
    for name, value in given.items():
        if name not in fields:
            hint = suggest.did_you_mean(name, fields)
            raise ValueError(f"{what} has no key [{name}]{hint}; its keys are {', '.join(sorted(fields)) or 'none'}")
        if not fields[name].check(value):
            raise ValueError(f"{what}: [{name}] must be {fields[name].says}, not {value!r}")
    for name, field in fields.items():
        if field.required and name not in given:
            raise ValueError(f"{what}: [{name}] is missing")


def check_do(do: Any) -> Kind:
    """Return the kind of a ``do``; raise ``ValueError`` if it makes no sense."""
    if not isinstance(do, Mapping) or "type" not in do:
        raise ValueError("do must be an object with a key type")
    kind = KINDS.get(str(do["type"]))
    if kind is None:
        hint = suggest.did_you_mean(str(do["type"]), KINDS)
        raise ValueError(f"unknown do.type [{do['type']}]{hint}; known: {', '.join(sorted(KINDS))}")
    check(f"do of type [{do['type']}]", {key: value for key, value in do.items() if key != "type"}, kind.fields)
    if "requests" in do and "ticks" in do:
        raise ValueError("requests and ticks exclude each other")
    if "back" in do and not {"requests", "ticks"} & set(do):
        raise ValueError("back needs requests or ticks: when")
    return kind
