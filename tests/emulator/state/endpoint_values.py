# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read single settings of inference endpoints, and word the complaints about them (public inference sources)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..planner import java
from ..wire import errors
from ..wire.values import INT_MAX, INT_MIN

Json = dict[str, Any]
SERVICE: Final = "service_settings"


def java_text(value: Any) -> str:
    """Return a map, list or value as Java prints it; a map lists its keys by their hashes."""
    if isinstance(value, dict):
        names = java.map_order(value, java.hash_of_text)
        return "{" + ", ".join(f"{name}={java_text(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(java_text, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def positive_integer(settings: Json, name: str, complaints: list[str], where: str = SERVICE) -> int | None:
    """Take an ``Integer``, not a text or a fraction; ``None`` if it is missing or wrong."""
    value = settings.pop(name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not INT_MIN <= value <= INT_MAX:
        complaints.append(wrong_type(name, value, "Integer"))
        return None
    if value <= 0:
        complaints.append(f"[{where}] Invalid value [{value}]. [{name}] must be a positive integer")
        return None
    return value


def bounded(
    value: int, name: str, complaints: list[str], where: str, *, least: int | None = None, most: int | None = None
) -> int | None:
    """Return a number that is within its bounds; these are shown as fractions."""
    shown = f"[{where}] Invalid value [{float(value)}]. [{name}] must be"
    if least is not None and value < least:
        complaints.append(f"{shown} greater than or equal to [{float(least)}]")
        return None
    if most is not None and value > most:
        complaints.append(f"{shown} less than or equal to [{float(most)}]")
        return None
    return value


def text(settings: Json, name: str, complaints: list[str]) -> str | None:
    """Take a text that is not empty."""
    value = settings.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, str):
        complaints.append(wrong_type(name, value, "String"))
        return None
    if not value:
        complaints.append(f"[{SERVICE}] Invalid value empty string. [{name}] must be a non-empty string")
    return value or None


def wrong_type(name: str, value: Any, kind: str) -> str:
    """Return the complaint about a value of another kind."""
    found = java_text(value)
    return f"field [{name}] is not of the expected type. The value [{found}] cannot be converted to a [{kind}]"


def missing(name: str, where: str = SERVICE) -> str:
    """Return the complaint about a setting that must be given."""
    return f"[{where}] does not contain the required setting [{name}]"


def invalid(name: str, value: Any, choices: Sequence[str], where: str = SERVICE) -> str:
    """Return the complaint about a text that is none of some choices."""
    return f"[{where}] Invalid value [{java_text(value)}] received. [{name}] must be one of [{', '.join(choices)}]"


def required_map(config: Json, name: str) -> Json:
    """Take a map that must be given."""
    found = optional_map(config, name) if config.get(name) is not None else None
    if found is None:
        raise errors.status(400, f"Missing required field [{name}]")
    return found


def optional_map(config: Json, name: str) -> Json:
    """Take a map, or an empty one; Java's cast refuses anything else."""
    value = config.pop(name, None)
    if value is None:
        return {}
    if not isinstance(value, dict):
        kinds = {str: "lang.String", bool: "lang.Boolean", int: "lang.Integer", float: "lang.Double"}
        kind = f"java.{kinds.get(type(value), 'util.ArrayList')}"
        what = f"class {kind} cannot be cast to class java.util.Map ({kind} and java.util.Map are in module java.base"
        raise errors.ApiError(500, "class_cast_exception", f"{what} of loader 'bootstrap')")
    return dict(value)
