# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables for people, as lines of text that a terminal shows as they are. Pure."""

from __future__ import annotations

import itertools
import textwrap
import typing as t

Cell: t.TypeAlias = "str | t.Sequence[str]"
"""A text, or several that are listed and may stand on lines of their own."""
WIDTH = 76
"""Columns of a line that Ansible does not break where it prints a list as YAML."""
_GAP = "  "
_NARROWEST = 12


class Column(t.NamedTuple):
    """A column: its ``title``, which may have lines, and whether it holds ``numbers``, which end at its right."""

    title: str
    numbers: bool = False


def as_table(columns: t.Sequence[Column], rows: t.Iterable[t.Sequence[Cell]], width: int = WIDTH) -> list[str]:
    """Return the lines of a table that is no wider than *width*, if its numbers leave room for that.

    A cell that is too long goes on below; nothing is cut off.
    """
    parts = [[[cell] if isinstance(cell, str) else list(cell) for cell in row] for row in rows]
    widths = _widths(columns, [[", ".join(texts) for texts in row] for row in parts], width)
    titles = [column.title.split("\n") for column in columns]
    cells = ([_packed(texts, each) for texts, each in zip(row, widths, strict=True)] for row in parts)
    rule = [["-" * each] for each in widths]
    return [_line(columns, line, widths) for lines in (titles, rule, *cells) for line in _lines(lines)]


def _widths(columns: t.Sequence[Column], texts: t.Sequence[t.Sequence[str]], width: int) -> list[int]:
    """Return the width of each column: as wide as its texts, or less of those that are no numbers."""
    titles = [max(map(len, column.title.split("\n"))) for column in columns]
    needed = [max([title, *(len(row[index]) for row in texts)]) for index, title in enumerate(titles)]
    room = (
        width
        - len(_GAP) * (len(columns) - 1)
        - sum(each for each, column in zip(needed, columns, strict=True) if column.numbers)
    )
    flexible = sorted((each, index) for index, each in enumerate(needed) if not columns[index].numbers)
    for left, (each, index) in zip(range(len(flexible), 0, -1), flexible, strict=True):
        needed[index] = min(each, max(titles[index], _NARROWEST, room // left))
        room -= needed[index]
    return needed


def _packed(texts: t.Sequence[str], width: int) -> list[str]:
    """Return the lines of a cell: as many of *texts* on each as fit, and none broken that fits on one."""
    lines: list[str] = []
    for number, text in enumerate(texts, 1):
        listed = text if number == len(texts) else f"{text},"
        if lines and len(lines[-1]) + 1 + len(listed) <= width:
            lines[-1] += f" {listed}"
        else:
            lines += textwrap.wrap(listed, width, break_on_hyphens=False)
    return lines


def _lines(cells: t.Sequence[t.Sequence[str]]) -> t.Iterator[tuple[str, ...]]:
    """Yield the lines of one row, whose cells have more or fewer of them."""
    return itertools.zip_longest(*cells, fillvalue="")


def _line(columns: t.Sequence[Column], texts: t.Sequence[str], widths: t.Sequence[int]) -> str:
    cells = [
        text.rjust(width) if column.numbers else text.ljust(width)
        for column, text, width in zip(columns, texts, widths, strict=True)
    ]
    return _GAP.join(cells).rstrip()
