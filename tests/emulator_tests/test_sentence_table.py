# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the table of sentences is true: its tests exist and cite their section, and every switch is tried."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator
from typing import Final

import pytest

from emulator.state.unknowns import POSSIBILITIES
from emulator_tests import sentence_table
from emulator_tests.sentence_table import HERE, Sentence, Unknown, page_and_section
from support.citations import citations, sections

WITHOUT_SENTENCES: Final = {
    "server-behaviour.md": {
        *("1", "2", "4", "5"),  # headings of others
        *("7", "7.1"),  # for clients; test_versions has the table
        "8",  # the tests of security cite it
        "9",  # about the emulator itself
        "11",  # the list of unknowns
    },
    "planner.md": {
        "1",  # words
        "5",  # what follows has its own numbers
        *("12", "13", "13.1", "13.2", "13.3"),  # what is proven, and what a client can do
        "14",  # the files that hold the rules
    },
}
_ID = re.compile(r"(planner-)?[0-9.]+/[a-z0-9-]+")


def _cited(docstring: str) -> set[tuple[str, str]]:
    """Return the pages and sections that a docstring cites."""
    return {(each.page, each.section) for each in citations(docstring)}


def _section(sentence: Sentence) -> str:
    """Return what the ids of a section's sentences begin with."""
    return sentence.id.partition("/")[0]


def test_ids_are_unique_and_well_formed() -> None:
    listed = [each.id for each in sentence_table.sentences()] + [each.id for each in sentence_table.unknowns()]
    ids = collections.Counter(listed)
    assert [name for name, count in ids.items() if count > 1] == []
    assert [name for name in ids if not _ID.fullmatch(name)] == []


def test_every_section_is_there() -> None:
    for page, without in WITHOUT_SENTENCES.items():
        listed = {each.section for each in sentence_table.sentences() if each.page == page}
        assert listed == set(sections(page)) - without
    assert {each.page for each in sentence_table.sentences()} == set(WITHOUT_SENTENCES)


def _complaints(sentence: Sentence) -> Iterator[str]:
    """Return what is wrong with a sentence."""
    if bool(sentence.tests) == bool(sentence.unseen):
        yield f"{sentence.id}: needs tests, or a reason why it has none"
    place = (sentence.page, sentence.section)
    for name in sentence.tests:
        if name not in sentence_table.tests():
            yield f"{sentence.id}: there is no {name}"
        elif place not in _cited(sentence_table.tests()[name]):
            yield f"{sentence.id}: {name} does not cite {' '.join(place)}"


@pytest.mark.parametrize("section", sorted({_section(each) for each in sentence_table.sentences()}))
def test_sentences(section: str) -> None:
    """Test that each sentence has tests, or a reason why it has none, and that its tests cite its section."""
    listed = [each for each in sentence_table.sentences() if _section(each) == section]
    assert [complaint for each in listed for complaint in _complaints(each)] == []


@pytest.mark.parametrize("unknown", sentence_table.unknowns(), ids=lambda each: each.id)
def test_unknown(unknown: Unknown) -> None:
    """Test that a mark [U] has a switch, or a bracket of versions, or a reason why it has neither."""
    assert sum(each is not None for each in (unknown.switch, unknown.version, unknown.none)) == 1
    assert [name for name in unknown.tests if name not in sentence_table.tests()] == []
    assert bool(unknown.tests) == (unknown.none is None)
    assert unknown.switch is None or unknown.switch in POSSIBILITIES
    page, section = page_and_section(unknown.id)
    assert section in sections(page)


def test_every_switch_is_listed() -> None:
    assert {each.switch for each in sentence_table.unknowns() if each.switch} == set(POSSIBILITIES)


@pytest.mark.parametrize("switch", POSSIBILITIES)
def test_every_possibility_is_tried(switch: str) -> None:
    """Test that the files of a switch's tests name the switch and each of its possibilities."""
    files = {
        test.partition("::")[0] for each in sentence_table.unknowns() if each.switch == switch for test in each.tests
    }
    texts = "".join((HERE / name).read_text(encoding="utf-8") for name in sorted(files))
    assert f'"{switch}"' in texts
    assert [each for each in POSSIBILITIES[switch] if f'"{each}"' not in texts] == []


def test_figures_add_up() -> None:
    total = sentence_table.figures().splitlines()[-3].split()
    assert int(total[1]) == int(total[2]) + int(total[3]) == len(sentence_table.sentences())
