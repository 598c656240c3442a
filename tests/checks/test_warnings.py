# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that warnings are made of ids, nodes, numbers and choices: Ansible may print them whatever ``no_log`` says.

mypy refuses a warning that is no ``WarningText``; here is what may go into one.
"""

from __future__ import annotations

import ast
import collections
from collections.abc import Iterator

from checks.collection import PLUGINS, python_files

# What an f-string of a warning may have in braces: attributes of any object, by their last name, and local texts, which
# are made of the same.
ATTRIBUTES = {
    "_deployment_id",
    "cache_size",
    "deployment_id",
    "inference_id",
    "model_alias",
    "model_id",
    "number_of_allocations",
    "start_time",
    "strerror",
}
LOCALS = {
    "allocations",
    "at",  # a time
    "awaited",  # a choice of wait_for
    "condition",
    "consequence",
    "count",
    "deployment_id",
    "existing",  # ids of deployments
    "fact_name",
    "figures",  # of nodes
    "fits",  # numbers, in words
    "have",  # "have" or "may have", in words
    "inference_id",
    "limit",
    "missing",  # of a deployment without reasons
    "node",  # its name
    "named",  # ids of consumers, or settings
    "noun",  # what a resource is called
    "number",
    "option",  # the name of one
    "privileges",
    "resource_id",
    "settings",  # their names
    "skipped",  # a choice, in words
    "things",  # what could not be read, in words
    "values",  # a count
    "variable",  # the name of an environment variable
}
# Functions of warnings whose texts are warnings already, or are made of ids and choices.
FUNCTIONS = {"_named", "_with_lead", "human_size", "quoted_ids", "unreadable"}


def warnings() -> Iterator[tuple[str, ast.expr]]:
    """Yield the place of each warning of the collection, and its text: a local one as it was assigned, each time."""
    for path in python_files("plugins"):
        tree = ast.parse(path.read_text())
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            assigned: dict[str, list[ast.expr]] = collections.defaultdict(list)
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    assigned[node.targets[0].id].append(node.value)
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "WarningText":
                    text = node.args[0]
                    for found in assigned.get(getattr(text, "id", ""), [text]):
                        yield f"{path.relative_to(PLUGINS)}:{node.lineno}", found


def unsafe(text: ast.expr) -> Iterator[str]:
    """Yield what a warning must not have."""
    if isinstance(text, ast.JoinedStr):
        for part in text.values:
            if isinstance(part, ast.FormattedValue):
                yield from unsafe(part.value)
    elif isinstance(text, ast.Call):
        if getattr(text.func, "id", "") not in FUNCTIONS:
            yield ast.unparse(text)
    elif isinstance(text, ast.Attribute):
        if text.attr not in ATTRIBUTES:
            yield ast.unparse(text)
    elif not isinstance(text, ast.Constant) and getattr(text, "id", "") not in LOCALS:
        yield ast.unparse(text)


def test_warnings_are_made_of_ids_nodes_numbers_and_choices() -> None:
    found = list(warnings())
    assert len(found) > 20
    assert [f"{place}: {part}" for place, text in found for part in unsafe(text)] == []


def test_a_value_of_an_option_or_a_text_of_the_server_is_noticed() -> None:
    for wrong in ("error", "str(error)", "f'{error}'", "f'{self}'", "f'{desired.recovery_file}'", "f'{a.reason}'"):
        assert list(unsafe(ast.parse(wrong, mode="eval").body)), wrong
    assert not list(unsafe(ast.parse("f'{plan.after.deployment_id}, {unreadable(kind)}'", mode="eval").body))
