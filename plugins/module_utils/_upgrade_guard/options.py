# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variable of the role: what it asks for, and what is wrong with it. Pure."""

from __future__ import annotations

import math
import typing as t

from .._core.options.role_variable import read
from .._core.options.spec import Spec
from .._core.words import joined

Json: t.TypeAlias = "dict[str, t.Any]"
NAME = "upgrade_guard"
RECORD, QUIESCE, RESTORE = "record", "quiesce", "restore"
ACTIONS = ([RECORD], [QUIESCE], [RESTORE], [RECORD, QUIESCE])
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
OF_MODULES = ("wait_timeout", "wait_sleep", "wait_for", "server_timeout", "preflight", "guard", "guard_of_list")
"""Keys that the role hands on to the modules, which validate them and have their defaults."""
_LOOKS = {"wait_timeout": 300.0, "wait_sleep": 10.0}
SPEC = Spec(
    {
        "action": {"type": "list", "elements": "str", "choices": (RECORD, QUIESCE, RESTORE), "required": True},
        "file": {"type": "path", "required": True},
        "quiesce": {
            "type": "dict",
            "options": {
                "mode": {"type": "str", "choices": MODES, "default": ""},
                "nodes": {"type": "list", "elements": "str", "default": []},
                "upgrade_mode": {"type": "bool", "default": False},
            },
        },
        "except": {"type": "list", "elements": "str", "default": []},
        **{name: {"type": "str", "choices": each, "default": each[0]} for name, each in CHOICES.items()},
        **{name: {"type": "bool"} for name in FLAGS},
        **{name: {"type": "raw"} for name in OF_MODULES},
    },
    ids=("except", "nodes"),
)


def options(given: t.Any) -> Json:
    """Return the options of the role that is *given* its variable. ``refused`` lists what is wrong with them.

    ``looks``: how often, and how many seconds apart, to look whether all nodes have the same version.
    """
    found, wrong = read(NAME, SPEC, given, {"wait_timeout": True, "wait_sleep": False})
    asked, quiesce = found["action"] or [], found["quiesce"]
    timeout, every = (found[name] if found[name] is not None else each for name, each in _LOOKS.items())
    return {
        **found,
        "action": [name for name in (RECORD, QUIESCE, RESTORE) if name in asked],
        "file": found["file"] or "",
        "quiesce": {**quiesce, "upgrade_mode": quiesce["upgrade_mode"] or quiesce["mode"] == "upgrade_mode"},
        "looks": {"retries": math.ceil(timeout / every), "delay": every},
        "refused": wrong or list(_mistakes(sorted(asked), **quiesce)),
    }


def _mistakes(action: t.Sequence[str], mode: str, nodes: t.Sequence[str], upgrade_mode: bool) -> t.Iterator[str]:
    """Yield what is wrong with options that have the right types."""
    if action not in [sorted(each) for each in ACTIONS]:
        yield f"{NAME}.action is one of {RECORD}, {QUIESCE} and {RESTORE}, or the list [{RECORD}, {QUIESCE}]."
    if QUIESCE in action:
        if not mode:
            yield f"{NAME}.quiesce.mode has no value. It is one of {joined(MODES)}."
        if mode == "stop_nodes" and not nodes:
            yield f"{NAME}.quiesce.nodes has no value. It lists names or ids of nodes."
        if mode and mode != "stop_nodes" and nodes:
            yield f"{NAME}.quiesce.nodes has no meaning with the mode {mode}. Use stop_nodes."
