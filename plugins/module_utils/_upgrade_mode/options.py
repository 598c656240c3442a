# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the upgrade mode."""

from __future__ import annotations

import typing as t

from .._core.durations import seconds
from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.facts import facts
from .._core.options.spec import Spec
from .._ml.predictions import PREDICTIONS
from .records import Desired

MODE = Spec(
    {
        "enabled": {"type": "bool", "required": True},
        "wait_timeout": {"type": "raw", "default": 300},
        "wait_sleep": {"type": "raw", "default": 2},
    }
)
SPEC = CONNECTION.merge(MODE).merge(facts("elasticsearch_ml_upgrade_mode")).merge(PREDICTIONS)


def desired(params: t.Mapping[str, t.Any]) -> Desired:
    """Return what validated options ask for.

    :raises Refusal: a value is wrong.
    """
    if params["enabled"] is None:
        raise Refusal("incomplete_options", "enabled has no value", hint="A variable may be empty.")
    return Desired(
        params["enabled"],
        seconds("wait_timeout", params["wait_timeout"]),
        seconds("wait_sleep", params["wait_sleep"]),
    )
