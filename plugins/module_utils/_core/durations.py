# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times that options take: a number of seconds, or a text such as ``500ms``, ``90s``, ``5m`` and ``1h``."""

from __future__ import annotations

import re
import typing as t

from .errors import Refusal

_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MANY = 10**12
LONGEST = 7 * 24 * 3600.0
"""Libraries take no time that is much longer."""


def seconds(option: str, value: t.Any, *, zero: bool = False) -> float:
    """Return the seconds of *value*, which *option* has. *zero*: it may be 0.

    :raises Refusal: if it is no time, or one of another length.
    """
    text = "" if isinstance(value, bool) or not isinstance(value, (str, int, float)) else _plain(value)
    match = _TIME.fullmatch(text)
    if match is None:
        shown = f"'{text[:40]}', " if text else ""
        raise Refusal(
            "invalid_value",
            f"{option} is {shown}not a time",
            hint="It takes a number of seconds, or a time such as 500ms, 90s, 5m or 1h.",
        )
    found = float(match[1]) * _UNITS[match[2] or "s"]
    if not 0 < found <= LONGEST and not (zero and found == 0):
        least = "0 seconds or more" if zero else "above 0 seconds"
        raise Refusal("invalid_value", f"{option} must be {least} and at most 168h, not {text[:40]}")
    return found


def elasticsearch_time(length: float) -> str:
    """Return *length*, in seconds above 0, as a time of Elasticsearch, which takes whole numbers only."""
    milliseconds = max(1, round(length * 1000))
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def _plain(value: str | float) -> str:
    """Return a number as a person writes it, without an exponent."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int):
        return str(max(min(value, _MANY), -_MANY))
    return f"{value:.6f}".rstrip("0").rstrip(".")
