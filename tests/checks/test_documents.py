# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the pages of modules begin with what most tasks need, and that shared parts have one source."""

from __future__ import annotations

import re
import subprocess
import typing as t
from collections.abc import Iterator

import pytest

from checks.collection import ROOT, documentation, modules
from generate_docs import PARTS, generated, projects
from support.documents import MODULES, block

LONGEST = 450
GUIDES = "ansible_collections.mlops.elasticsearch.docsite."
PROJECT = ROOT / "extensions/awx/project"
BY_HAND = 4
"""The files that name a setting which only a start sets: the table, its figures, the keys of results, one page."""


def every_option(documented: dict[str, t.Any], within: str = "") -> Iterator[tuple[str, dict[str, t.Any]]]:
    """Yield the options of a module by their whole names, with those within them."""
    for name, option in documented.items():
        yield f"{within}{name}", option
        yield from every_option(option.get("suboptions") or {}, f"{within}{name}.")


def text_of(description: str | list[str]) -> str:
    return description if isinstance(description, str) else " ".join(description)


def policies_of(module: str) -> dict[str, str]:
    """Return the options that say what to do in a case, with their defaults; not those of items."""
    return {
        name: option["default"]
        for name, option in options_of(module).items()
        if re.search(r"(^|[._])on_", name) and not name.startswith("deployments.")
    }


def options_of(module: str) -> dict[str, dict[str, t.Any]]:
    return dict(every_option(documentation()[module]["options"]))


@pytest.mark.parametrize("path", PARTS)
def test_shared_parts_are_generated(path: str) -> None:
    assert generated(path) == (ROOT / path).read_text(encoding="utf-8"), "run: make generate"


def test_every_marked_part_is_generated() -> None:
    files = [
        path for folder in ("plugins", "roles") for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".yml")
    ]
    marked = {str(path.relative_to(ROOT)) for path in files if "# BEGIN " in path.read_text(encoding="utf-8")}
    assert marked == set(PARTS)


def test_the_project_for_awx_has_each_playbook() -> None:
    written = {f"extensions/awx/project/{path.name}": path.read_text() for path in PROJECT.glob("*.yml")}
    assert written == projects(), "run: make generate"


@pytest.mark.parametrize("module", modules())
def test_no_option_needs_a_page_to_explain(module: str) -> None:
    lengths = {name: len(text_of(option["description"])) for name, option in options_of(module).items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}, "the rest belongs to a guide"


@pytest.mark.parametrize("module", MODULES)
def test_each_privilege_is_named_once(module: str) -> None:
    found = [name for name, option in options_of(module).items() if "privilege" in text_of(option["description"])]
    assert found == [], "privileges belong to the notes, and to their guide"
    assert f"R(Privileges,{GUIDES}privileges)" in text_of(documentation()[module]["notes"])


@pytest.mark.parametrize("module", modules())
def test_the_page_begins_with_what_most_tasks_need(module: str) -> None:
    if len(documentation()[module]["options"]) > 25:  # those of the connection are 20
        assert "Most tasks need only" in text_of(documentation()[module]["description"][:2])


@pytest.mark.parametrize("module", modules())
def test_several_policies_are_listed_with_their_defaults(module: str) -> None:
    policies = policies_of(module)
    text = "\n".join(documentation()[module]["description"])
    listed = dict(re.findall(r"^O\(([a-z_.]+)\): .*V\((.+?)\), the default, ", text, re.MULTILINE))
    assert listed == (policies if len(policies) > 1 else {}), "its option is enough for a single one"


@pytest.mark.parametrize("module", modules())
def test_whole_plays_come_first(module: str) -> None:
    examples = block(module, "EXAMPLES")
    assert ["hosts" in example for example in examples] == sorted(("hosts" in each for each in examples), reverse=True)
    assert "hosts" in examples[min(1, len(examples) - 1)]
    assert not any("block" in example for example in examples), "a task is copied whole"


@pytest.mark.parametrize("module", modules())
def test_links_lead_to_guides(module: str) -> None:
    labels = {
        label
        for guide in (ROOT / "docs/docsite/rst").glob("*.rst")
        for label in re.findall(r"^\.\. _(.+):$", guide.read_text(encoding="utf-8"), re.MULTILINE)
    }
    linked = {entry["ref"] for entry in documentation()[module]["seealso"] if "ref" in entry}
    assert linked
    assert linked <= labels


@pytest.mark.parametrize("setting", ["queue_capacity"])
def test_a_setting_stands_by_hand_in_few_files(setting: str) -> None:
    listed = subprocess.run(
        ["git", "grep", "-l", "--untracked", setting, "--", "plugins", "roles"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = [path for path in listed.stdout.split() if setting in _without_generated(path)]
    assert len(found) <= BY_HAND, found


def _without_generated(path: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.sub(r"# BEGIN (.+)\n(?:.*\n)*?.*# END \1\n", "", text)
