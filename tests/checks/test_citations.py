# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that what is cited is there: pages of ``docs/development``, their sections, recorded rows, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checks.collection import ROOT, versioned_files
from support.citations import PAGES, Citation, RecordedRow, citations, in_one_line, is_there, recorded_rows, sections

TEXTS = (".cfg", ".ini", ".j2", ".json", ".md", ".patch", ".py", ".rst", ".sh", ".toml", ".yaml", ".yml")
NOT_OURS = ("LICENSES/", "changelogs/", "tests/recorded/classes/", "tests/emulator_tests/yaml_suite/")
HERE = Path(__file__).relative_to(ROOT).as_posix()
FILES = sorted(
    path for path in versioned_files() if path.endswith(TEXTS) and not path.startswith(NOT_OURS) and path != HERE
)
PAGE_NAMES = sorted(path.name for path in PAGES.glob("*.md"))
OLD_FORMS = (
    r"\bserver behaviou?r\b",
    r"\bnotes, (?:sections? )?\d",
    r"(?<!RFC \d{4}, )\bsections? \d",
    r"\brecorded (?:HTTP )?answers? \d",
    r"\btraps? \d",
)
_OLD = re.compile("|".join(OLD_FORMS), re.IGNORECASE)
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def missing(text: str) -> list[str]:
    """List what is cited and is not there."""
    cited: list[Citation | RecordedRow] = [*citations(text), *recorded_rows(text)]
    return [str(each) for each in cited if not is_there(each)]


def test_what_is_cited_is_there() -> None:
    found = {path: missing(read(path)) for path in FILES}
    assert {path: each for path, each in found.items() if each} == {}


def test_citations_have_one_form() -> None:
    """Refuse chapters without their page, and the notes of old: see docs/development/README.md."""
    found = {path: _OLD.findall(in_one_line(read(path))) for path in FILES if not path.startswith("docs/development/")}
    assert {path: each for path, each in found.items() if each} == {}


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_pages_refer_to_what_is_there(name: str) -> None:
    """A page may name its own sections, and other pages."""
    text = (PAGES / name).read_text(encoding="utf-8")
    named = re.findall(r"\b[Ss]ections? ((?:\d+(?:\.\d+)*(?:, | and | to )?)+)", text)
    assert [each for part in named for each in re.findall(r"\d+(?:\.\d+)*", part) if each not in sections(name)] == []
    assert [each for each in re.findall(r"(?<![\w/-])[a-z-]+\.md\b", text) if each not in PAGE_NAMES] == []


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_numbers_of_sections_are_unique(name: str) -> None:
    numbers = re.findall(r"^#{2,4} (\d+(?:\.\d+)*) ", (PAGES / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(numbers) == len(set(numbers))


def test_every_page_is_listed() -> None:
    listed = _LINK.findall((PAGES / "README.md").read_text(encoding="utf-8"))
    assert sorted([*listed, "README.md"]) == PAGE_NAMES


def test_links_resolve() -> None:
    """Look up the relative links of every Markdown file."""
    links = [(path, link) for path in FILES if path.endswith(".md") for link in _LINK.findall(read(path))]
    assert [each for each in links if "://" not in each[1] and not ((ROOT / each[0]).parent / each[1]).exists()] == []


@pytest.mark.parametrize(
    "text",
    [
        "server-behaviour.md 99",
        "server-behaviour.md 3.1 and 99.1",
        "server-behaviour.md 3.1 row 999",
        "server-behaviour.md\n    # 7 item 999",
        "around.md 4.1",
        "http:0",
        "http:1-100000",
    ],
)
def test_what_is_missing_is_found(text: str) -> None:
    assert missing(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "(server behaviour, errors of start)",
        "Server behaviour notes, section 4",
        "(notes, 3.2)",
        "Section 3.1: first",
        "recorded HTTP answers 59 and 60",
        "section 7, trap 5",
    ],
)
def test_old_forms_are_found(text: str) -> None:
    assert _OLD.search(text)


def test_citations_are_read() -> None:
    text = "Follow server-behaviour.md 3.1 row 8b, 3.2 and 7 item\n# 5: planner.md 3 to 5.1. See start_request:1, 3-4."
    server, planner = "server-behaviour.md", "planner.md"
    assert list(citations(text)) == [
        Citation(server, "3.1", "row", "8b"),
        Citation(server, "3.2"),
        Citation(server, "7", "item", "5"),
        Citation(planner, "3"),
        Citation(planner, "5.1"),
    ]
    assert list(recorded_rows(text)) == [RecordedRow("start_request", line) for line in (1, 3, 4)]
