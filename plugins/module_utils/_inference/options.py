# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of an inference."""

from __future__ import annotations

import math
import typing as t

from .._core.durations import seconds
from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.spec import Spec
from .._ml.documents import documents
from .._ml.model import require_one_id
from .._ml.predictions import PREDICTIONS
from .records import Desired, Expectations

INFERENCE = Spec(
    {
        "deployment_id": {"type": "str", "required": True},
        "docs": {"type": "raw"},
        "inference_config": {"type": "dict"},
        "expect": {
            "type": "dict",
            "options": {
                "max_latency": {"type": "raw"},
                "vector_length": {"type": "int"},
                "label": {"type": "str"},
                "min_score": {"type": "raw"},
            },
        },
        "repeat": {"type": "int", "default": 1},
        "return_results": {"type": "bool", "default": True},
        "wait_timeout": {"type": "raw", "default": 300},
        "wait_sleep": {"type": "raw", "default": 2},
    },
    ids=("deployment_id",),
)

SPEC = CONNECTION.merge(INFERENCE).merge(PREDICTIONS)

MOST_REPETITIONS = 10_000


def desired(params: t.Mapping[str, t.Any]) -> Desired:
    """Return what validated options ask for.

    :raises Refusal: a value is wrong.
    """
    name = str(params["deployment_id"] or "")
    if not name:
        raise Refusal("incomplete_options", "deployment_id has no value", hint="A variable may be empty.")
    require_one_id("deployment_id", name)
    repeat = params["repeat"]
    if not 1 <= repeat <= MOST_REPETITIONS:
        raise Refusal("invalid_value", f"repeat must be 1 to {MOST_REPETITIONS}, not {repeat}")
    return Desired(
        name=name,
        docs=documents("docs", params["docs"]),
        inference_config=params["inference_config"] or None,
        expect=_expectations(params["expect"] or {}),
        repeat=repeat,
        wait_timeout=seconds("wait_timeout", params["wait_timeout"]),
        wait_sleep=seconds("wait_sleep", params["wait_sleep"]),
        request_timeout=seconds("request_timeout", params["request_timeout"]),
    )


def _expectations(given: t.Mapping[str, t.Any]) -> Expectations:
    latency, length, score = (given.get(name) for name in ("max_latency", "vector_length", "min_score"))
    if length is not None and length < 1:
        raise Refusal("invalid_value", f"expect.vector_length must be 1 or more, not {length}")
    return Expectations(
        None if latency is None else seconds("expect.max_latency", latency),
        length,
        given.get("label"),
        None if score is None else _number("expect.min_score", score),
    )


def _number(option: str, value: t.Any) -> float:
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise Refusal("invalid_value", f"{option} is not a number", hint="It takes a number such as 0.8.")
    return found
