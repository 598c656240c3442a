# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The difference between two results ``before`` and ``after``, as a person reviews it. Pure."""

from __future__ import annotations

import typing as t

from ..._ml.settings import LEFT_TO_SERVER

Json = dict[str, t.Any]


def settings_diff(before: Json | None, after: Json | None) -> dict[t.Literal["before", "after"], Json]:
    """Return the settings that differ, of both sides; nothing if one side is not known.

    What does not run has only its ``state``. A value that is not set has no key.
    """
    old, new = _set_values(before), _set_values(after)
    names = sorted(old.keys() | new.keys()) if old and new else ()
    changed = [name for name in names if old.get(name) != new.get(name) and not _is_default(name, old, new)]
    return {
        "before": {name: old[name] for name in changed if name in old},
        "after": {name: new[name] for name in changed if name in new},
    }


def _set_values(settings: Json | None) -> Json:
    if not settings or settings["state"] == "stopped":
        return {"state": "stopped"} if settings else {}
    return {name: _without_nulls(value) for name, value in settings.items() if value is not None}


def _without_nulls(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: inner for name, inner in value.items() if inner is not None}
    return value


def _is_default(name: str, old: Json, new: Json) -> bool:
    """Return whether the new value is the default, which a start leaves out: then nothing is lost."""
    if new["state"] == "stopped" or name in new:
        return False
    return name in LEFT_TO_SERVER or old[name] == {"enabled": False}
