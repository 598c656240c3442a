# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the emulator's README lists what the code has: options, control requests, effects, faults, paths."""

from __future__ import annotations

import argparse
import inspect
import re

import pytest

from emulator.__main__ import parser
from emulator.app import ROUTER
from emulator.control import application, effects
from emulator.control.fault_kinds import KINDS, check_do
from emulator.state.unknowns import POSSIBILITIES
from emulator_tests.api import Api
from emulator_tests.process import TESTS

README = (TESTS / "emulator/README.md").read_text()
_READ = re.compile(r"""effect(?:\[|\.get\()"(\w+)"|_count_of\(effect, "(\w+)\"""")


def section(title: str, text: str = README) -> str:
    """Return the text under a headline, up to the next one of its level."""
    marks = title.split()[0]
    begin = text.index(f"\n{title}\n") + len(title) + 2
    end = re.search(rf"^#{{1,{len(marks)}}} ", text[begin:], re.MULTILINE)
    return text[begin : begin + end.start()] if end else text[begin:]


def rows(text: str) -> dict[str, str]:
    """Return the rows of tables: each name in the first column, and the rest of its row."""
    found: dict[str, str] = {}
    lines = text.splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        first, _bar, rest = line.strip("| ").partition(" | ")
        if line.startswith("| `") and not after.startswith("|--"):
            found |= dict.fromkeys(re.findall(r"`([^`]+)`", first), rest)
    return found


def options() -> dict[str, argparse.Action]:
    """Return all options but help, as the README writes them."""
    return {each.option_strings[0]: each for each in parser()._actions if each.dest != "help"}


def test_options() -> None:
    listed = {name.split()[0]: text for name, text in rows(section("## Run it")).items()}
    assert sorted(listed) == sorted(options())
    for name, action in options().items():
        missing = [each for each in action.choices or () if f"`{each}`" not in listed[name]]
        assert missing == [], f"the row of {name}"
        if action.default is not None:
            usual = f"{action.default:g}" if isinstance(action.default, float) else str(action.default)
            assert usual in listed[name].rpartition(" | ")[2], f"the default of {name}"


def test_requests_to_the_control_port() -> None:
    assert sorted(rows(section("## The control port").partition("### ")[0])) == sorted(
        f"{method} {path}" for method, path in application.HANDLERS
    )


def test_state() -> None:
    row = rows(section("## The control port"))["GET /state"]
    assert sorted(re.findall(r"`(\w+)`", row)) == sorted(Api().emulator.control("GET", "/state"))


def test_effects() -> None:
    assert sorted(rows(section("### Effects"))) == sorted(effects.ACTIONS)


@pytest.mark.parametrize("name", effects.ACTIONS)
def test_what_an_effect_reads(name: str) -> None:
    """Test that the keys which an effect's function reads are in its row."""
    row = rows(section("### Effects"))[name]
    read = {first or second for first, second in _READ.findall(inspect.getsource(effects.ACTIONS[name]))}
    assert [key for key in sorted(read) if not re.search(rf"\b{key}\b", row)] == []


def test_faults() -> None:
    listed = rows(section("### Faults"))
    assert sorted(listed) == sorted(KINDS)
    text = section("### Faults").rstrip().rpartition("\n\n")[2]
    for name, kind in KINDS.items():
        missing = [key for key in kind.fields if f"`{key}`" not in listed[name] and f"`{key}`" not in text]
        assert missing == [], f"the row of {name}"


def test_every_path_is_named() -> None:
    """Test that the README has each path by its family, the part before its first parameter."""
    played = README[README.index("## What is played") : README.index("## The control port")]
    words = {part for word in re.findall(r"`([^`]+)`", played) for part in word.strip("/").split("/")}
    words |= set(re.findall(r"[a-z_]+", played))
    families = {route.template.strip("/").split("/{")[0] for route in ROUTER.routes}
    assert [each for each in sorted(families) if not set(each.split("/")) - {"{index}", ""} <= words] == []


def test_each_switch_is_listed_with_its_possibilities() -> None:
    listed = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", section("## Switches for unknown behaviour"), re.MULTILINE)
    assert {name: tuple(re.findall(r"`(\w+)`", values)) for name, values in listed} == POSSIBILITIES


def test_a_wrong_kind_of_fault_hears_all() -> None:
    with pytest.raises(ValueError, match="known: ") as refused:
        check_do({"type": ""})
    assert str(refused.value).rpartition("known: ")[2].split(", ") == sorted(KINDS)
