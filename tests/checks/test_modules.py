# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that each module is whole: documentation that matches its spec, the action group, the fast front door."""

from __future__ import annotations

import importlib
import typing as t
from collections.abc import Iterator

import pytest

from checks.collection import NAME, PLUGINS, documentation, imports, modules, read_yaml
from support.documents import MODULES, WITHOUT_CLUSTER

ATTRIBUTES = {"action_group", "check_mode", "diff_mode", "idempotent"}
GROUP = f"{NAME}.ml"


def spec_of(module: str) -> t.Any:
    """Return the SPEC object that a module file imports, or its action plugin if that is all."""
    folder = "action" if module in WITHOUT_CLUSTER else "modules"
    found = [name for name in imports(PLUGINS / folder / f"{module}.py") if name.endswith(".SPEC")]
    assert len(found) == 1, f"{module} imports {found}, should be one SPEC"
    return importlib.import_module(found[0].removesuffix(".SPEC")).SPEC


def facts(option: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what documentation and spec of an option both say, in one form. Choices may be documented as a dict."""
    return {
        "type": option.get("type") or "str",
        "elements": option.get("elements"),
        "required": bool(option.get("required")),
        "default": option.get("default"),
        "choices": list(option.get("choices") or ()),
        "aliases": sorted(option.get("aliases") or ()),
    }


def differences(documented: dict[str, t.Any], spec: dict[str, t.Any], where: str = "") -> Iterator[str]:
    """Yield a line for each fact in which options, with their suboptions, are not the same."""
    for name in sorted(documented.keys() ^ spec.keys()):
        yield f"{where}{name}: {'only documented' if name in documented else 'not documented'}"
    for name in sorted(documented.keys() & spec.keys()):
        reported, meant = facts(documented[name]), facts(spec[name])
        for fact in reported:
            if reported[fact] != meant[fact]:
                yield f"{where}{name}: {fact} is documented as {reported[fact]!r}, but is {meant[fact]!r}"
        yield from differences(
            documented[name].get("suboptions") or {}, spec[name].get("options") or {}, f"{where}{name}."
        )


def test_there_are_modules() -> None:
    assert modules()
    assert sorted(documentation()) == modules()


@pytest.mark.parametrize("module", modules())
def test_documentation_is_the_spec(module: str) -> None:
    assert list(differences(documentation()[module]["options"], spec_of(module).argument_spec)) == []


@pytest.mark.parametrize("module", modules())
def test_rules_name_options_that_exist(module: str) -> None:
    spec = spec_of(module)
    named = {
        name
        for rule in ("mutually_exclusive", "required_together", "required_one_of")
        for names in getattr(spec, rule)
        for name in names
    }
    named |= {rule[0] for rule in spec.required_if} | {name for rule in spec.required_if for name in rule[2]}
    named |= set(spec.required_by) | {name for names in spec.required_by.values() for name in names}
    assert named <= spec.argument_spec.keys()


@pytest.mark.parametrize("module", modules())
def test_attributes_are_documented(module: str) -> None:
    attributes = documentation()[module].get("attributes", {})
    assert attributes.keys() >= ATTRIBUTES - ({"action_group"} if module in WITHOUT_CLUSTER else set())
    assert module in WITHOUT_CLUSTER or GROUP in attributes["action_group"]["membership"]


@pytest.mark.parametrize("module", modules())
def test_has_an_action_plugin(module: str) -> None:
    assert (PLUGINS / "action" / f"{module}.py").is_file()


def test_no_action_plugin_without_a_module() -> None:
    assert {path.stem for path in PLUGINS.glob("action/*.py")} - {"__init__"} <= set(modules())


def test_action_group_holds_every_module_with_a_connection() -> None:
    assert read_yaml("meta/runtime.yml")["action_groups"]["ml"] == MODULES
