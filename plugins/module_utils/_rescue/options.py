# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variable of the role rescue: what it asks for, and what is wrong with it. Pure."""

from __future__ import annotations

import typing as t

from .._core.options.role_variable import read
from .._core.options.spec import Spec
from .._core.patterns import matches

Json: t.TypeAlias = "dict[str, t.Any]"
NAME = "rescue_options"
LOST, FAILED, STUCK, ENDPOINTS = "lost", "failed", "stuck", "endpoints"
KINDS = (LOST, FAILED, STUCK, ENDPOINTS)
"""What the role looks for."""
OF_MODULE = ("guard", "guard_of_list", "wait_timeout", "wait_sleep", "server_timeout")
"""Keys that the role hands on to the module, which validates them."""
SPEC = Spec(
    {
        "deployments": {"type": "list", "elements": "str", "default": ["*"]},
        "except": {"type": "list", "elements": "str", "default": []},
        "kinds": {"type": "list", "elements": "str", "choices": KINDS, "default": list(KINDS)},
        "stuck_after": {"type": "raw", "default": 600.0},
        "limit": {"type": "int", "default": 5},
        **{name: {"type": "path", "default": ""} for name in ("record", "recovery_folder")},
        "dry_run": {"type": "bool", "default": False},
        **{name: {"type": "raw"} for name in OF_MODULE},
    },
    ids=("deployments", "except"),
)


def options(given: t.Any) -> Json:
    """Return the options of the role that is *given* its variable. ``refused`` lists what is wrong with them."""
    found, wrong = read(NAME, SPEC, given, {"stuck_after": True})
    return {**found, "refused": wrong or list(_mistakes(found))}


def _mistakes(found: Json) -> t.Iterator[str]:
    for name in ("deployments", "kinds"):
        # It may be a mistake: all of them would be meant.
        if not found[name]:
            yield f"{NAME}.{name} has no value."
    if found["limit"] < 0:
        yield f"{NAME}.limit must be 0 or more, not {found['limit']}."


def is_meant(deployment_id: str, chosen: Json) -> bool:
    """Return whether the options *chosen* cover a deployment."""
    return matches(deployment_id, chosen["deployments"]) and not matches(deployment_id, chosen["except"])
