# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that messages advise only what the caller of a module offers."""

from __future__ import annotations

import ast
import re
import types
import typing as t
from collections.abc import Iterator

import pytest
import yaml

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.advice import (
    OF_LIST_ALONE,
    OFFERED,
    for_caller,
    of_role,
    options_in,
    with_offered,
)
from support.documents import ROOT

Json = dict[str, t.Any]
[PLAY] = yaml.safe_load((ROOT / "playbooks/scale.yml").read_text())
SCALE: list[str] = PLAY["vars"][OFFERED]
ROLE = yaml.safe_load((ROOT / "roles/deployments/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
EXPLAINS = "While enabled, they set the number"
"""What a hint says of the option that the task has given, and that no playbook gives."""
MODULE = "mlops.elasticsearch.trained_model_deployment"
LISTED = "mlops.elasticsearch.deployments"


def texts(node: ast.expr) -> Iterator[str]:
    """Yield what a hint may say: each constant, and an f-string with an id in place of what it inserts."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values).lstrip("x")
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body), *texts(node.orelse))


def hints() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of every hint of every failure."""
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            found: list[ast.expr] = []
            name = getattr(getattr(node, "targets", [None])[0], "id", "")
            if isinstance(node, ast.keyword) and node.arg in ("hint", "instead"):
                found = [node.value]
            if isinstance(node, ast.Assign) and "hint" in name.lower():
                found = [node.value]
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_bypasses_owner", "_refuse_before"):
                found = list(node.args[-1:])
            for value in found:
                yield from ((f"{path.name}:{value.lineno}", text) for text in texts(value) if text)


HINTS = list(hints())


def test_hints_are_found() -> None:
    assert len(HINTS) > 60
    assert {"replace", "on_adaptive", "on_missing", "allow_zero", "stop_unlisted"} <= {
        name for _place, text in HINTS for name in options_in(text)
    }


@pytest.mark.parametrize(("place", "hint"), HINTS, ids=[place for place, _hint in HINTS])
def test_every_hint_names_only_what_its_caller_offers(place: str, hint: str) -> None:
    if not hint.startswith(EXPLAINS):
        assert options_in(with_offered(f"Something is wrong. {hint}", SCALE)) <= set(SCALE)
    assert not re.search(rf"\b({'|'.join(OF_LIST_ALONE - {'deployments', 'detail'})})\b", of_role(hint, "deployments"))


def test_the_role_has_a_variable_for_each_option_of_a_list() -> None:
    assert {f"deployments_{name}" for name in OF_LIST_ALONE - {"deployments"}} <= ROLE["options"].keys()


@pytest.mark.parametrize(
    ("given", "offered"),
    [
        (
            "It is adaptive. Set on_adaptive to override (turns them off) or skip, or give adaptive_allocations.",
            "It is adaptive. Set on_adaptive to override (turns them off) or skip.",
        ),
        (
            "No. Give adaptive_allocations with min_number_of_allocations instead, or set on_adaptive to skip.",
            "No. Set on_adaptive to skip.",
        ),
        (
            "It is missing. Check the id and the cluster, or choose another value of on_missing. There are no others.",
            "It is missing. Check the id and the cluster. There are no others.",
        ),
        (
            "It is used. Take it out of use first, or set on_referenced to force.",
            "It is used. Take it out of use first.",
        ),
        ("It failed. With on_failed: recover the task stops it and starts it again.", "It failed."),
        ("This needs 8.6. With replace: stop_start the task stops it.", "This needs 8.6."),
        ("No allocation runs: it sleeps; allow_zero accepts that.", "No allocation runs: it sleeps."),
        (
            "It would hide a variable. Rename the variable, or set fact_name to another name, or to an empty text.",
            "It would hide a variable. Rename the variable.",
        ),
        ("It runs. Run the task again with replace: stop_start.", "It runs."),
        ("Number 9 is above max 8. Ask for a number that the guard allows, or change the guard.", None),
        ("threads_per_allocation is 1, not 2. Repeating does not help: add ML nodes, stop something.", None),
    ],
)
def test_a_playbook_advises_what_its_variables_can_change(given: str, offered: str | None) -> None:
    assert with_offered(given, SCALE) == (offered or given)


def test_a_role_names_its_variables() -> None:
    message = "stop_unlisted is set without unlisted_except. Set replace to stop_start."
    expected = "deployments_stop_unlisted is set without deployments_unlisted_except. Set replace to stop_start."
    assert of_role(message, "deployments") == expected
    assert of_role(expected, "deployments") == expected


def test_the_playbook_offers_the_options_that_a_variable_sets() -> None:
    [scale] = [task for task in PLAY["tasks"] if "block" in task]
    [module] = [task[MODULE] for task in scale["block"] if MODULE in task]
    assert {name for name, value in module.items() if "{{" in str(value)} == set(SCALE)


def test_warnings_name_what_the_caller_offers() -> None:
    stays = "Deployment 'a' was skipped: it is adaptive."
    clusters = "Two clusters. Give the tasks of each cluster a fact_name of their own."
    good: Json = {"changed": True, "warnings": [stays, clusters, "Set replace to stop_start."]}
    assert for_caller(good, None, "") is good
    assert for_caller(good, SCALE, "")["warnings"] == [stays, "Two clusters."]
    assert for_caller(good, None, LISTED)["warnings"] == [
        stays,
        "Two clusters. Give the tasks of each cluster a deployments_fact_name of their own.",
        "Set replace to stop_start.",
    ]
    of_module = types.SimpleNamespace(event=types.SimpleNamespace(msg=clusters))
    kept = types.SimpleNamespace(event=types.SimpleNamespace(msg=stays))
    assert for_caller({"warnings": [of_module, kept]}, SCALE, "")["warnings"] == ["Two clusters.", kept]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("guard takes 1. wait takes 2.", "deployments_guard takes 1. deployments_wait takes 2."),
        ("value of wait_for must be one of: a", "value of deployments_wait_for must be one of: a"),
        ("guard.max_total_step must be", "deployments_guard.max_total_step must be"),
        ("deployments takes a list", "deployments_list takes a list"),
        ("deployments[1] takes a dictionary", "deployments_list[1] takes a dictionary"),
        ("deployments[0] ('a'): guard takes 1.", "deployments_list[0] ('a'): guard takes 1."),
        (
            "deployments[0] ('a'): value of wait_for must be b.",
            "deployments_list[0] ('a'): value of wait_for must be b.",
        ),
        ("The deployments are 'deployments[0]'. Give a guard.", None),
        ("'a': No allocation runs; allow_zero accepts that.", None),
    ],
)
def test_a_role_names_its_variables_where_the_list_is_meant(given: str, expected: str | None) -> None:
    assert of_role(given, "deployments") == (expected or given)
    assert of_role(expected or given, "deployments") == (expected or given)


def test_only_messages_of_failures_change() -> None:
    good: Json = {"changed": True, "msg": "Set replace to stop_start."}
    assert for_caller(good, SCALE, "") is good
    bad: Json = {
        "failed": True,
        "msg": "A. Set replace to stop_start.",
        "deployments": [{"msg": "Set state to stopped."}, {}],
    }
    assert for_caller(bad, None, "") is bad
    # It hands on options under their own names.
    assert for_caller(bad, None, "mlops.elasticsearch.builtin_model") is bad
    assert for_caller(bad, SCALE, "") == {"failed": True, "msg": "A.", "deployments": [{"msg": ""}, {}]}
    assert for_caller({"failed": True, "msg": "fact_name"}, None, LISTED)["msg"] == "deployments_fact_name"
