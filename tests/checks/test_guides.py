# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the guides name only what there is: options, choices, results, failure codes."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.collection import ROOT, documentation, modules, read_yaml
from support.documents import block, rows

GUIDES = sorted(path for path in (ROOT / "docs/docsite/rst").glob("*.rst") if path.stem != "emulator")
# Words of Ansible, of AWX and of Elasticsearch, and a variable of an example.
OTHERS = {
    "ansible_connection",
    "ansible_playbook_python",
    "ansible_python_interpreter",
    "allow_restricted_indices",
    "check_mode",
    "delegate_facts",
    "elasticsearch_url",
    "http_proxy",
    "https_proxy",
    "inference_id",
    "machine_learning_admin",
    "machine_learning_user",
    "manage_inference",
    "manage_ml",
    "module_defaults",
    "monitor_inference",
    "monitor_ml",
    "no_log",
    "read_pipeline",
    "search_inference_id",
    "semantic_text",
    "view_index_metadata",
}
_LITERAL = re.compile(r"``([^`]+)``")
_NAME = re.compile(r"(?<![\w/.-])[a-z]+(?:_[a-z]+)+(?![\w/])")


def keys(value: t.Any) -> Iterator[str]:
    """Yield each key of nested tables, and each choice of an option."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from map(str, inner) if name == "choices" else keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def of_roles() -> Iterator[str]:
    """Yield each role, its variables with their keys, and the fact that it sets."""
    for path in sorted((ROOT / "roles").iterdir()):
        yield from (path.name, f"{path.name}_results")
        options = read_yaml(f"roles/{path.name}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
        yield from keys(options)
        # Choices are in the description: the modules validate them.
        yield from re.findall(r"C\((\w+)\)", str(options))


def of_playbooks() -> Iterator[str]:
    """Yield the variables and choices of surveys, and what playbooks hand to the next job."""
    yield from (f"{path.stem}_result" for path in (ROOT / "playbooks").glob("*.yml"))
    for path in sorted((ROOT / "playbooks/files").glob("*_survey.json")):
        for question in json.loads(path.read_text())["spec"]:
            yield from (question["variable"], *(question["choices"] or ()))


def of_setup() -> Iterator[str]:
    """Yield the variables of the playbook that sets up AWX."""
    yield from re.findall(r"^(\w+):", (ROOT / "extensions/awx/variables.yml").read_text(), re.MULTILINE)


def known() -> set[str]:
    codes = {code for row in rows("troubleshooting") for code in re.findall(r"``(\w+)``", row[0])}
    filters = {path.stem for path in (ROOT / "plugins/filter").glob("*.py")}
    found = {*modules(), *filters, *of_roles(), *codes, *OTHERS, *of_playbooks(), *of_setup()}
    for module, documented in documentation().items():
        found |= {*keys(documented["options"]), *keys(block(module, "RETURN"))}
        # Values that a result can have are in its description.
        found |= set(re.findall(r"[VC]\((\w+)\)", str(block(module, "RETURN"))))
    return found


def names(text: str) -> Iterator[str]:
    """Yield each name of several words in the literals of a guide."""
    for literal in _LITERAL.findall(text):
        yield from _NAME.findall(literal)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_literals_of_a_guide_are_names_that_there_are(path: Path) -> None:
    assert set(names(path.read_text())) - known() == set()


def test_names_are_found() -> None:
    assert list(names("``on_guarded: skip``, ``wait`` and ``replace: stop_start``")) == ["on_guarded", "stop_start"]


def test_no_paragraph_stands_twice() -> None:
    found = [" ".join(text.split()) for path in GUIDES for text in path.read_text().split("\n\n")]
    long = [text for text in found if len(text) > 120 and not text.startswith("..")]
    assert [text for text in set(long) if long.count(text) > 1] == []
