# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find citations of the pages in ``docs/development`` and of recorded rows, and look them up."""

from __future__ import annotations

import functools
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "docs/development"
RECORDED = ROOT / "tests/recorded"

_PLACE = r"\d+(?:\.\d+)*(?: (?:row|item) \w+(?:-\w+)*)?"
_CITATION = re.compile(rf"(?<![\w/-])([a-z-]+\.md) ({_PLACE}(?:(?:, | and | to ){_PLACE})*)")
_PART = re.compile(r"(\d+(?:\.\d+)*)(?: (row|item) (\w+(?:-\w+)*))?")
_HEADING = re.compile(r"^#{2,4} (\d+(?:\.\d+)*) ", re.MULTILINE)
_ROWS = r"\d+(?:-\d+(?!\d*\.\d))?"
_LINE_END = re.compile(r"\s*\n\s*(?:# )?")


class Citation(t.NamedTuple):
    """A place on a page: a section, perhaps a row of its table or an item of its list."""

    page: str
    section: str
    kind: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.page} {self.section} {self.kind} {self.name}".rstrip()


class RecordedRow(t.NamedTuple):
    """A line of a file of recorded answers."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def in_one_line(text: str) -> str:
    """Join lines, so that a citation may go on in the next one, comments included."""
    return _LINE_END.sub(" ", text)


def citations(text: str) -> Iterator[Citation]:
    """Find every place on a page that the *text* cites."""
    for page, places in _CITATION.findall(in_one_line(text)):
        for section, kind, name in _PART.findall(places):
            yield Citation(page, section, kind, name)


def recorded_rows(text: str) -> Iterator[RecordedRow]:
    """Find every recorded row that the *text* cites; of a range the first and the last."""
    names = "|".join(sorted(recordings()))
    for file, rows in re.findall(rf"(?<![\w/.-])({names}):({_ROWS}(?:, {_ROWS})*)", in_one_line(text)):
        yield from (RecordedRow(file, int(number)) for number in re.findall(r"\d+", rows))


@functools.cache
def recordings() -> dict[str, int]:
    """Count the lines of each recorded file, by its name without folder and ending."""
    return {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in RECORDED.rglob("*.jsonl")}


@functools.cache
def sections(page: str) -> dict[str, str]:
    """Return the text below each numbered heading of a page, up to the next one; nothing if there is no such page."""
    path = PAGES / page
    if not path.is_file():
        return {}
    parts = _HEADING.split(path.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def is_there(cited: Citation | RecordedRow) -> bool:
    """Return whether the cited place exists."""
    if isinstance(cited, RecordedRow):
        return 0 < cited.line <= recordings()[cited.file]
    text = sections(cited.page).get(cited.section)
    if text is None or not cited.kind:
        return text is not None
    begin = r"\| {}(?: \|)" if cited.kind == "row" else r"{}\. "
    return re.search("^" + begin.format(re.escape(cited.name)), text, re.MULTILINE) is not None
