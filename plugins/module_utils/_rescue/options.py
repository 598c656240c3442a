# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variable of the role rescue: what it asks for, and what is wrong with it. Pure."""

from __future__ import annotations

import fnmatch
import typing as t

from .._core.durations import seconds
from .._core.errors import Refusal
from .._core.words import joined

Json: t.TypeAlias = "dict[str, t.Any]"
NAME = "rescue_options"
LOST, FAILED, STUCK, ENDPOINTS = "lost", "failed", "stuck", "endpoints"
KINDS = (LOST, FAILED, STUCK, ENDPOINTS)
"""What the role looks for."""
OF_MODULE = ("guard", "guard_of_list", "wait_timeout", "wait_sleep", "server_timeout")
"""Keys that the role hands on to the module, which validates them."""
KEYS = ("deployments", "except", "kinds", "stuck_after", "limit", "record", "recovery_folder", "dry_run", *OF_MODULE)
_STUCK_AFTER = 600
_LIMIT = 5


def options(given: t.Any) -> Json:
    """Return the options of the role that is *given* its variable. ``refused`` lists what is wrong with them.

    Null and empty text count as not given.
    """
    refused: list[str] = []
    top = _dictionary(given, refused)
    found: Json = {
        "deployments": _texts(top, "deployments", ["*"], refused),
        "except": _texts(top, "except", [], refused),
        "kinds": _texts(top, "kinds", list(KINDS), refused),
        "stuck_after": _time(top, refused),
        "limit": _limit(top, refused),
        "record": _path(top, "record", refused),
        "recovery_folder": _path(top, "recovery_folder", refused),
        "dry_run": _flag(top, refused),
        "guard": top.get("guard"),
    }
    unknown = [each for each in found["kinds"] if each not in KINDS]
    if unknown:
        refused.append(f"{NAME}.kinds lists {joined(KINDS)}, not {', '.join(unknown)}.")
    return {**found, "refused": refused}


def is_meant(deployment_id: str, chosen: Json) -> bool:
    """Return whether the options *chosen* cover a deployment."""
    return _matches(deployment_id, chosen["deployments"]) and not _matches(deployment_id, chosen["except"])


def _matches(name: str, patterns: t.Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _dictionary(value: t.Any, refused: list[str]) -> Json:
    """Return what is given of the variable."""
    if value in (None, ""):
        return {}
    if not isinstance(value, t.Mapping):
        refused.append(f"{NAME} takes a dictionary.")
        return {}
    unknown = [str(key) for key in value if key not in KEYS]
    if unknown:
        refused.append(f"{NAME} has no key {', '.join(unknown)}. Its keys are {joined(KEYS)}.")
    return {str(key): each for key, each in value.items() if each is not None and each != ""}


def _texts(top: Json, name: str, default: list[str], refused: list[str]) -> list[str]:
    """Return a list of texts, which may be given as one text with commas or lines."""
    value = top.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return default
    if isinstance(value, str):
        found = [each.strip() for each in value.replace("\n", ",").split(",") if each.strip()]
    else:
        texts = isinstance(value, (list, tuple)) and all(isinstance(each, str) and each.strip() for each in value)
        found = list(value) if texts else []
    # An empty list of deployments may be a mistake: all of them would be meant.
    if not found and (name != "except" or value not in ([], ())):
        refused.append(f"{NAME}.{name} takes a list of texts, none of them empty.")
    return found or default


def _time(top: Json, refused: list[str]) -> float:
    try:
        return seconds("stuck_after", top.get("stuck_after", _STUCK_AFTER), zero=True)
    except Refusal as refusal:
        refused.append(f"{NAME}: {refusal}")
        return _STUCK_AFTER


def _limit(top: Json, refused: list[str]) -> int:
    value = top.get("limit", _LIMIT)
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    refused.append(f"{NAME}.limit is a whole number of 0 or more.")
    return 0


def _flag(top: Json, refused: list[str]) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    found = words.get(str(top.get("dry_run", False)).lower())
    if found is None:
        refused.append(f"{NAME}.dry_run is true or false.")
    # A mistake must not become a change.
    return found is not False


def _path(top: Json, name: str, refused: list[str]) -> str:
    value = top.get(name, "")
    if isinstance(value, str):
        return value.strip()
    refused.append(f"{NAME}.{name} is a path, and so a text.")
    return ""
