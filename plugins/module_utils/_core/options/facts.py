# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option that names the fact of a task."""

from __future__ import annotations

import re
import typing as t

from ..errors import Refusal
from .spec import Spec

_FACT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def facts(default: str) -> Spec:
    """Return the option, with the name of the fact by *default*."""
    return Spec({"fact_name": {"type": "str", "default": default}}, may_be_empty=("fact_name",))


def require_fact_name(params: t.Mapping[str, t.Any]) -> None:
    """Refuse a name that no variable can have; an empty one stands for no fact.

    :raises Refusal: it is such a name.
    """
    name = str(params["fact_name"])
    if name and not _FACT.fullmatch(name):
        raise Refusal(
            "invalid_value",
            f"fact_name '{name}' is not a variable name",
            hint="Letters, digits and underscores; no digit first.",
        )
