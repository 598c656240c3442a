# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the region policy."""

from __future__ import annotations

import typing as t

from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.spec import Spec
from .records import Desired, RegionPolicy

_REGION = {"csp": {"type": "str", "required": True}, "region": {"type": "str", "required": True}}
_LISTS = ("allowed_geos", "allowed_regions")
SPEC = CONNECTION.merge(
    Spec(
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "allowed_geos": {"type": "list", "elements": "str"},
            "allowed_regions": {"type": "list", "elements": "dict", "options": _REGION},
            "force": {"type": "bool", "default": False},
        },
        mutually_exclusive=(_LISTS,),
        ids=("allowed_geos", "csp", "region"),
    )
)


def desired(params: t.Mapping[str, t.Any]) -> Desired:
    """Return what validated options ask for.

    :raises Refusal: a list is empty, and so allows no place at all.
    """
    present = params["state"] == "present"
    empty = [name for name in _LISTS if params[name] == []]
    if present and empty:
        hint = "Give it at least one item. To lift all limits, use state: absent; to only read, leave it out."
        raise Refusal("invalid_value", f"{empty[0]} is an empty list", hint=hint)
    given = present and any(params[name] for name in _LISTS)
    policy = RegionPolicy.of(params["allowed_geos"] or (), params["allowed_regions"] or ()) if given else None
    return Desired(params["state"], policy, params["force"])
