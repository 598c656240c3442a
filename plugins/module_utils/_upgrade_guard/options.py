# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variable of the role: what it asks for, and what is wrong with it. Pure."""

from __future__ import annotations

import fnmatch
import math
import typing as t

from .._core.durations import seconds
from .._core.errors import Refusal
from .._core.words import joined

Json: t.TypeAlias = "dict[str, t.Any]"
NAME = "upgrade_guard"
RECORD, QUIESCE, RESTORE = "record", "quiesce", "restore"
ACTIONS = ((RECORD,), (QUIESCE,), (RESTORE,), (RECORD, QUIESCE))
"""What one use of the role can do."""
MODES = ("stop_all", "stop_nodes", "upgrade_mode", "none")
FORCE, SKIP, ADJUST, LEAVE = "force", "skip", "adjust", "leave"
CHOICES: dict[str, tuple[str, ...]] = {
    "on_referenced": ("fail", FORCE),
    "on_refused": ("fail", SKIP),
    "on_bounded": ("fail", ADJUST),
    "aliases": ("restore", LEAVE),
    "replace": ("never", "stop_start"),
}
"""Key to its choices; the first one is the default."""
FLAGS = ("overwrite", "stop_unrecorded", "finish_pending_work", "fail_on_drift", "dry_run")
LISTS = ("except", "nodes")
OF_MODULES = ("wait_for", "wait_timeout", "wait_sleep", "server_timeout", "preflight", "guard", "guard_of_list")
"""Keys that the role hands on to the modules, which validate them."""
KEYS = ("action", "file", "quiesce", "except", *CHOICES, *FLAGS, *OF_MODULES)
_IN_QUIESCE = ("mode", "nodes", "upgrade_mode")
_BETWEEN_LOOKS = 10.0
"""Seconds between two looks at the versions of the nodes, unless the task says how often to look."""
_TIMEOUT = 300.0


def options(given: t.Any) -> Json:
    """Return the options of the role that is *given* its variable. ``refused`` lists what is wrong with them.

    Null and empty text count as not given.
    """
    refused: list[str] = []
    top = _dictionary(given, NAME, KEYS, refused)
    quiesce = _dictionary(top.get("quiesce"), f"{NAME}.quiesce", _IN_QUIESCE, refused)
    found: Json = {"action": _action(top, refused), "file": _file(top, refused)}
    found["except"] = _texts(top.get("except"), "except", refused)
    for name, choices in CHOICES.items():
        found[name] = _choice(top.get(name), name, choices, choices[0], refused)
    for name in FLAGS:
        found[name] = _flag(top.get(name), name, refused)
    found["quiesce"] = _quiesce(quiesce, found["action"], refused)
    found["looks"] = _looks(top, refused)
    found["guard"] = top.get("guard")
    return {**found, "refused": refused}


def matches(name: str, patterns: t.Iterable[str]) -> bool:
    """Return whether *name* matches one of *patterns*, or is one."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _dictionary(value: t.Any, name: str, known: t.Sequence[str], refused: list[str]) -> Json:
    """Return what is given of a dictionary."""
    if value in (None, ""):
        return {}
    if not isinstance(value, t.Mapping):
        refused.append(f"{name} takes a dictionary.")
        return {}
    unknown = [str(key) for key in value if key not in known]
    if unknown:
        refused.append(f"{name} has no key {', '.join(unknown)}. Its keys are {joined(known)}.")
    return {key: each for key, each in value.items() if each not in (None, "")}


def _action(top: Json, refused: list[str]) -> list[str]:
    found = tuple(_texts(top.get("action"), "action", refused))
    if sorted(found) in [sorted(each) for each in ACTIONS]:
        return [name for name in (RECORD, QUIESCE, RESTORE) if name in found]
    refused.append(f"{NAME}.action is one of {RECORD}, {QUIESCE} and {RESTORE}, or the list [{RECORD}, {QUIESCE}].")
    return []


def _file(top: Json, refused: list[str]) -> str:
    value = top.get("file")
    if isinstance(value, str) and value.strip():
        return value.strip()
    refused.append(f"{NAME}.file is missing, or is no text. It is the path of the record.")
    return ""


def _texts(value: t.Any, name: str, refused: list[str]) -> list[str]:
    """Return a list of texts, which may be given as one text with commas or lines."""
    if value is None:
        return []
    if isinstance(value, str):
        return [each.strip() for each in value.replace("\n", ",").split(",") if each.strip()]
    if isinstance(value, t.Sequence) and all(isinstance(each, str) and each.strip() for each in value):
        return list(value)
    refused.append(f"{NAME}.{name} takes a list of texts, none of them empty.")
    return []


def _choice(value: t.Any, name: str, choices: t.Sequence[str], default: str, refused: list[str]) -> str:
    if value is None:
        return default
    if value in choices:
        return str(value)
    refused.append(f"{NAME}.{name} is one of {joined(choices)}.")
    return default


def _flag(value: t.Any, name: str, refused: list[str]) -> bool | None:
    """Return true or false, ``None`` if it is not given."""
    if value is None or isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    found = words.get(str(value).lower())
    if found is None:
        refused.append(f"{NAME}.{name} is true or false.")
    return found


def _quiesce(given: Json, action: t.Sequence[str], refused: list[str]) -> Json:
    """Return how to quiesce. YAML takes a bare ``none`` for text, so that it stays a choice."""
    mode = _choice(given.get("mode"), "quiesce.mode", MODES, "", refused)
    nodes = _texts(given.get("nodes"), "quiesce.nodes", refused)
    if QUIESCE in action:
        if not mode:
            refused.append(f"{NAME}.quiesce.mode is missing. It is one of {joined(MODES)}.")
        if mode == "stop_nodes" and not nodes:
            refused.append(f"{NAME}.quiesce.nodes is missing. It lists names or ids of nodes.")
        if mode and mode != "stop_nodes" and nodes:
            refused.append(f"{NAME}.quiesce.nodes has no meaning with the mode {mode}. Use stop_nodes.")
    asked = _flag(given.get("upgrade_mode"), "quiesce.upgrade_mode", refused)
    return {"mode": mode, "nodes": nodes, "upgrade_mode": bool(asked) or mode == "upgrade_mode"}


def _looks(top: Json, refused: list[str]) -> Json:
    """Return how often, and how many seconds apart, to look whether all nodes have the same version."""
    try:
        timeout = seconds("wait_timeout", top.get("wait_timeout", _TIMEOUT), zero=True)
        every = seconds("wait_sleep", top.get("wait_sleep", _BETWEEN_LOOKS))
    except Refusal as refusal:
        refused.append(f"{NAME}: {refusal}")
        timeout, every = 0.0, _BETWEEN_LOOKS
    return {"retries": math.ceil(timeout / every), "delay": every}
