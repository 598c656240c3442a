# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a task that clears a cache."""

from __future__ import annotations

import typing as t

from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.spec import Spec
from .._ml.model import require_one_id
from .._ml.predictions import PREDICTIONS

SPEC = CONNECTION.merge(Spec({"deployment_id": {"type": "str", "required": True}}, ids=("deployment_id",))).merge(
    PREDICTIONS
)


def deployment_id(params: t.Mapping[str, t.Any]) -> str:
    """Return the deployment that validated options name.

    :raises Refusal: they name none.
    """
    name = str(params["deployment_id"] or "")
    if not name:
        raise Refusal("incomplete_options", "deployment_id has no value", hint="A variable may be empty.")
    require_one_id("deployment_id", name)
    return name
