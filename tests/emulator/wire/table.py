# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render tables of the ``_cat`` APIs: as text, or as a list of objects where JSON or YAML is requested.

The reference's page on compact and aligned text; http:14, 233, 553.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Sequence
from typing import Final

from . import errors
from .call import Call, Reply

PARAMETERS: Final = ("bytes", "h", "s", "size", "time", "ts", "v")
_STRUCTURED: Final = ("json", "yaml", "cbor", "smile")


@dataclasses.dataclass(frozen=True)
class Column:
    """One column; numbers stand to the right."""

    name: str
    aliases: tuple[str, ...] = ()
    about: str = ""
    shown: bool = True
    right: bool = False


Row = dict[str, str | None]


@dataclasses.dataclass(frozen=True)
class Request:
    """The query's parameters of form."""

    columns: str | None
    sort: str | None
    header: bool
    help: bool
    structured: bool


def read(call: Call) -> Request:
    """Return the parameters of every table."""
    for name in PARAMETERS:
        call.text(name)
    return Request(
        call.text("h"), call.text("s"), call.boolean("v", False), call.boolean("help", False), _is_structured(call)
    )


def _is_structured(call: Call) -> bool:
    """Return whether the table is a list of objects: ``format`` decides, then ``Accept``; without both it is a text."""
    chosen = call.text("format")
    if chosen is not None:
        return chosen in _STRUCTURED
    accept = call.headers.get("accept", "")
    return any(kind in accept for kind in _STRUCTURED)


def answer(request: Request, columns: Sequence[Column], rows: Sequence[Row]) -> Reply:
    """Return the table in the requested form."""
    if request.help:
        return _text([[each.name, "|", ",".join(each.aliases), "|", each.about] for each in columns], [])
    chosen = _chosen(request.columns, columns)
    ordered = _sorted(request.sort, columns, rows)
    if request.structured:
        return Reply(200, [{shown: row.get(each.name) for shown, each in chosen} for row in ordered])
    lines = [[_cell(row.get(each.name)) for _shown, each in chosen] for row in ordered]
    if request.header:
        lines.insert(0, [shown for shown, _each in chosen])
    return _text(lines, [each.right for _shown, each in chosen])


def _cell(value: str | None) -> str:
    return "" if value is None else value


def _chosen(expression: str | None, columns: Sequence[Column]) -> list[tuple[str, Column]]:
    """Return columns under the requested names; unknown ones are left out."""
    if expression is None:
        return [(each.name, each) for each in columns if each.shown]
    found: list[tuple[str, Column]] = []
    for desired in expression.split(","):
        for each in columns:
            if fnmatch.fnmatchcase(each.name, desired):
                found.append((each.name, each))
            elif desired in each.aliases:
                found.append((desired, each))
    return found


def _sorted(expression: str | None, columns: Sequence[Column], rows: Sequence[Row]) -> list[Row]:
    ordered = list(rows)
    for part in reversed(expression.split(",") if expression else []):
        name, _colon, direction = part.partition(":")
        column = next((each for each in columns if name == each.name or name in each.aliases), None)
        if column is None:
            raise errors.ApiError(
                500, "unsupported_operation_exception", f"Unable to sort by unknown sort key `{name}`"
            )
        keys = {id(row): _order(row.get(column.name)) for row in ordered}
        ordered.sort(key=lambda row, keys=keys: keys[id(row)], reverse=direction == "desc")  # type: ignore[misc]
    return ordered


def _order(value: str | None) -> tuple[int, float, str]:
    """Return a key that sorts nothing first, then numbers, then texts."""
    if value is None:
        return (0, 0.0, "")
    try:
        return (1, float(value), "")
    except ValueError:
        return (2, 0.0, value)


def _text(lines: Sequence[Sequence[str]], right: Sequence[bool]) -> Reply:
    """Return columns padded to their widest cell, the last one only if it stands to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)] if lines else []
    written = []
    for line in lines:
        cells = []
        for index, cell in enumerate(line):
            if index < len(right) and right[index]:
                cells.append(cell.rjust(widths[index]))
            else:
                cells.append(cell if index == len(line) - 1 else cell.ljust(widths[index]))
        written.append(" ".join(cells) + "\n")
    return Reply(200, "".join(written).encode(), content_type="text/plain; charset=UTF-8")
