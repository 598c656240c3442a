# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Byte sizes as Elasticsearch writes them: ``10kb``, ``1.5gb``, ``0``, ``-1``."""

from __future__ import annotations

import re

_UNITS = {"b": 0, "k": 1, "kb": 1, "m": 2, "mb": 2, "g": 3, "gb": 3, "t": 4, "tb": 4, "p": 5, "pb": 5}
_NAMES = ("b", "kb", "mb", "gb", "tb", "pb")
_SIZE = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-zA-Z]+)\s*")


def parse_size(text: str) -> int | None:
    """Return the bytes of *text*, or ``None`` if Elasticsearch would not read it as a size.

    A number without a unit is a size only when it is ``0`` or ``-1`` (cache off, server's own limit).
    """
    bare = text.strip()
    if bare in ("0", "-1"):
        return int(bare)
    match = _SIZE.fullmatch(text)
    if match is None or match["unit"].lower() not in _UNITS:
        return None
    return int(float(match["number"]) * 1024 ** _UNITS[match["unit"].lower()])


def stored_size(text: str) -> str:
    """Return a size as Elasticsearch keeps it, such as ``10kb`` for ``10K``; other text is returned as it is."""
    size, match = parse_size(text), _SIZE.fullmatch(text)
    if size is None or size <= 0:
        return text if size is None else str(size)
    unit = match["unit"].lower() if match and "." not in match["number"] else "b"
    return f"{size // 1024 ** _UNITS[unit]}{_NAMES[_UNITS[unit]]}"


def human_size(size: int) -> str:
    """Return *size* bytes as ``_stats`` shows them: in the largest fitting unit, cut (not rounded) to one decimal."""
    if size < 1024:
        return f"{size}b"
    power = min((size.bit_length() - 1) // 10, len(_NAMES) - 1)
    tenths = size * 10 // 1024**power
    whole, tenth = divmod(tenths, 10)
    return f"{whole}.{tenth}{_NAMES[power]}" if tenth else f"{whole}{_NAMES[power]}"
