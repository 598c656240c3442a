# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of sentences tells the truth: its tests exist, name their section, and every switch is tried."""

from __future__ import annotations

import collections
import re

import pytest

from emulator.state.unknowns import POSSIBILITIES
from emulator_tests import behaviour
from emulator_tests.behaviour import HERE, Sentence, Unknown

SECTIONS = [
    *("0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "2.1", "2.2", "2.3", "2.4", "3", "3.1", "3.2", "3.3", "3.4"),
    *("4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "5.1", "5.2", "5.3", "5.4", "5.5", "6", "10"),
]
_ID = re.compile(r"[0-9.]+/[a-z0-9-]+")


def _names(docstring: str, section: str) -> bool:
    """Whether the docstring says ``Section 3.1`` or ``Sections 2.1, 3.1 and 4.2``."""
    said = re.findall(r"[Ss]ections? ((?:\d+(?:\.\d+)*(?:, | and | to )?)+)", docstring)
    numbers = {number for part in said for number in re.findall(r"\d+(?:\.\d+)*", part)}
    return section in numbers


def test_ids_are_unique_and_well_formed() -> None:
    listed = [each.id for each in behaviour.sentences()] + [each.id for each in behaviour.unknowns()]
    ids = collections.Counter(listed)
    assert [name for name, count in ids.items() if count > 1] == []
    assert [name for name in ids if not _ID.fullmatch(name)] == []


def test_every_section_is_there() -> None:
    assert {each.section for each in behaviour.sentences()} == set(SECTIONS)


@pytest.mark.parametrize("sentence", behaviour.sentences(), ids=lambda each: each.id)
def test_sentence(sentence: Sentence) -> None:
    """A sentence has tests or a reason why it cannot have one; its tests exist and name its section."""
    assert bool(sentence.tests) != bool(sentence.unseen), "tests, or a reason"
    missing = [name for name in sentence.tests if name not in behaviour.tests()]
    assert missing == []
    silent = [name for name in sentence.tests if not _names(behaviour.tests()[name], sentence.section)]
    assert silent == [], f"these do not say 'Section {sentence.section}'"


@pytest.mark.parametrize("unknown", behaviour.unknowns(), ids=lambda each: each.id)
def test_unknown(unknown: Unknown) -> None:
    """A mark [U] has a switch, or a bracket of versions, or a reason why it has neither."""
    assert sum(each is not None for each in (unknown.switch, unknown.version, unknown.none)) == 1
    assert [name for name in unknown.tests if name not in behaviour.tests()] == []
    assert bool(unknown.tests) == (unknown.none is None)
    assert unknown.switch is None or unknown.switch in POSSIBILITIES


def test_every_switch_is_listed() -> None:
    assert {each.switch for each in behaviour.unknowns() if each.switch} == set(POSSIBILITIES)


@pytest.mark.parametrize("switch", POSSIBILITIES)
def test_every_possibility_is_tried(switch: str) -> None:
    """The files of a switch's tests name the switch and each of its possibilities."""
    files = {test.partition("::")[0] for each in behaviour.unknowns() if each.switch == switch for test in each.tests}
    texts = "".join((HERE / name).read_text(encoding="utf-8") for name in sorted(files))
    assert f'"{switch}"' in texts
    assert [each for each in POSSIBILITIES[switch] if f'"{each}"' not in texts] == []


def test_figures_add_up() -> None:
    total = behaviour.figures().splitlines()[-3].split()
    assert int(total[1]) == int(total[2]) + int(total[3]) == len(behaviour.sentences())
