# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that limit how far a task may move numbers of allocations."""

from __future__ import annotations

import typing as t

from ..._core.errors import Refusal
from ..._core.options.spec import Spec
from ..records.guard import Guard, OnViolation

_ON_VIOLATION = {"type": "str", "choices": ["fail", "skip"], "default": "fail"}
GUARD = Spec(
    {
        "guard": {
            "type": "dict",
            "options": {
                "number_of_allocations": {"type": "int"},
                "min": {"type": "int"},
                "max": {"type": "int"},
                "max_step": {"type": "int"},
                "on_violation": _ON_VIOLATION,
            },
        },
    }
)

LIST_GUARD = Spec(
    {"guard": {"type": "dict", "options": {"max_total_step": {"type": "int"}, "on_violation": _ON_VIOLATION}}}
)
_LIMITS = ("number_of_allocations", "min", "max", "max_step")


def guard(params: t.Mapping[str, t.Any]) -> Guard:
    """Return the guard of one deployment.

    :raises Refusal: no plan could ever pass it.
    """
    given = params.get("guard") or {}
    _refuse_negative(given, _LIMITS)
    low, high = given.get("min"), given.get("max")
    if low is not None and high is not None and low > high:
        raise Refusal("invalid_value", f"guard.min {low} is above guard.max {high}")
    return Guard(given.get("number_of_allocations"), low, high, given.get("max_step"), on_violation(params))


def max_total_step(params: t.Mapping[str, t.Any]) -> int | None:
    """Return by how much a list may move all numbers of allocations together; ``None`` if it does not say."""
    given = params.get("guard") or {}
    _refuse_negative(given, ("max_total_step",))
    return t.cast("int | None", given.get("max_total_step"))


def on_violation(params: t.Mapping[str, t.Any]) -> OnViolation:
    """Return what the guard of one deployment, or of a list, says to do if it is violated."""
    return t.cast("OnViolation", (params.get("guard") or {}).get("on_violation") or "fail")


def _refuse_negative(given: t.Mapping[str, t.Any], names: t.Iterable[str]) -> None:
    for name in names:
        value = given.get(name)
        if value is not None and value < 0:
            raise Refusal("invalid_value", f"guard.{name} must be 0 or more, not {value}")
