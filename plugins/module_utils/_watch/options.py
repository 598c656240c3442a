# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a watch."""

from __future__ import annotations

import typing as t

from .._core.durations import seconds
from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.spec import Spec
from .._ml.model import require_one_id
from .._ml.predictions import PREDICTIONS
from .records import COUNTERS, Desired

WATCH = Spec(
    {
        "deployment_id": {"type": "list", "elements": "str", "required": True},
        "watch_seconds": {"type": "raw", "default": 60},
        "watch_sleep": {"type": "raw", "default": 5},
        "allow": {"type": "dict", "options": {name: {"type": "int", "default": 0} for name in COUNTERS}},
    },
    ids=("deployment_id",),
)

SPEC = CONNECTION.merge(WATCH).merge(PREDICTIONS)


def desired(params: t.Mapping[str, t.Any]) -> Desired:
    """Return what validated options ask for.

    :raises Refusal: a value is wrong.
    """
    ids = tuple(dict.fromkeys(filter(None, params["deployment_id"])))
    if not ids:
        raise Refusal("incomplete_options", "deployment_id has no value", hint="A variable may be empty.")
    for name in ids:
        require_one_id("deployment_id", name)
    allow = {name: (params["allow"] or {}).get(name) or 0 for name in COUNTERS}
    if negative := [name for name, number in allow.items() if number < 0]:
        raise Refusal("invalid_value", f"allow.{negative[0]} must be 0 or more, not {allow[negative[0]]}")
    return Desired(
        ids,
        seconds("watch_seconds", params["watch_seconds"], zero=True),
        seconds("watch_sleep", params["watch_sleep"]),
        allow,
    )
