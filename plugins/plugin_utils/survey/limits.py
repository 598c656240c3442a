# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits that the owner of a job sets, and names of variables: by which others could lift them, and misspelt ones."""

from __future__ import annotations

import difflib
import json
import re
import typing as t

import yaml

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.given import checked, is_given
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.spec import Spec
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.guard import (
    GUARD,
    LIST_GUARD,
    guard,
    max_total_step,
)

Json = dict[str, t.Any]

ENVIRONMENT = "ELASTICSEARCH_ML_GUARD"
"""No artifact, no variable of a workflow and no answer can replace a variable of the environment."""
VARIABLE = "guard"
_LIKE = 0.75
"""How much of two names is the same if one is a mistake for the other: except and except_ids are."""

_OF_ONE: Json = GUARD.argument_spec["guard"]["options"]
_OF_LIST: Json = LIST_GUARD.argument_spec["guard"]["options"]
_BOTH = Spec({VARIABLE: {"type": "dict", "options": {**_OF_ONE, **_OF_LIST}}})
_POLICY = "on_violation"
_POLICIES: t.Sequence[str] = _OF_ONE[_POLICY]["choices"]


class Limits(t.NamedTuple):
    """``guard`` is that of one deployment, ``guard_of_list`` that of a list; empty if it limits nothing.

    ``replaced`` has a sentence for each variable that does not count.
    """

    guard: Json
    guard_of_list: Json
    replaced: tuple[str, ...]


def limits(of_environment: t.Any, of_variable: t.Any) -> Limits:
    """Return the limits of the environment, or without them those of the variable ``guard``.

    :raises Refusal: they cannot be read. A job must not go on without limits that its owner has set.
    """
    replaced: tuple[str, ...] = ()
    if not _is_set(of_environment):
        found = _guard(VARIABLE, of_variable) if _is_set(of_variable) else {}
    else:
        found = _guard(ENVIRONMENT, of_environment)
        if _is_set(of_variable):
            replaced = (f"The variable {VARIABLE} does not count: the credential sets the limits ({ENVIRONMENT}).",)
    return Limits(_part(found, _OF_ONE), _part(found, _OF_LIST), replaced)


def replacing(extra: t.Iterable[str], reserved: t.Collection[str]) -> tuple[str, ...]:
    """Return a sentence about *extra* variables, by name, that would replace what a playbook works with.

    Those that begin with two underscores, *reserved* ones, and those that begin with a reserved one, as the names of a
    role do. Extra variables replace registered results as well.
    """
    own = ("__", *(f"{name}_" for name in reserved))
    names = sorted(name for name in set(map(str, extra)) if name.startswith(own) or name in reserved)
    if not names:
        return ()
    which = "variables" if len(names) > 1 else "variable"
    return (
        f"The extra {which} {', '.join(names)} would replace what the playbook works with. Do not give it; if it is an "
        "artifact of another job in the workflow, rename it there.",
    )


def misspelt(extra: t.Iterable[str], asked: t.Collection[str], given: t.Collection[str]) -> tuple[str, ...]:
    """Return a sentence about each *extra* variable that is nearly one of those *asked* that are not *given*.

    A workflow has variables for other jobs, too, so that a name that nothing asks for is no mistake by itself.
    """
    missing = [name for name in asked if name not in given]
    return tuple(
        f"The variable {name} does not count. The playbook asks for {meant[0]}: is that meant?"
        for name in sorted(map(str, extra))
        if name not in asked and (meant := difflib.get_close_matches(name, missing, n=1, cutoff=_LIKE))
    )


def _is_set(value: t.Any) -> bool:
    return is_given(value.strip() if isinstance(value, str) else value)


def _guard(name: str, given: t.Any) -> Json:
    found = _parsed(given) if isinstance(given, str) else given
    if not isinstance(found, dict):
        raise Refusal(
            "invalid_value",
            f"{name} is no dictionary of limits",
            hint="Write it like {max: 8, max_step: 2}, as JSON or YAML.",
        )
    known = {**_OF_ONE, **_OF_LIST}
    unknown = sorted(str(each) for each in found if each not in known)
    if unknown:
        raise Refusal("invalid_value", f"{name} has {', '.join(unknown)}", hint=f"It takes {', '.join(known)}.")
    return _checked(name, found)


def _checked(name: str, found: Json) -> Json:
    """Return the limits, each a number; in messages the guard has the *name* of where it comes from."""
    try:
        read: Json = checked(_BOTH, {VARIABLE: found}, lambda option, index, item: option).get(VARIABLE) or {}
        if read.get(_POLICY, _POLICIES[0]) not in _POLICIES:
            raise Refusal("invalid_value", f"{VARIABLE}.{_POLICY} must be {' or '.join(_POLICIES)}")
        guard({VARIABLE: read})
        max_total_step({VARIABLE: read})
    except Refusal as exc:
        raise Refusal("invalid_value", re.sub(rf"\b{VARIABLE}\b", name, exc.reason)) from None
    return read


def _parsed(text: str) -> t.Any:
    for parse in (json.loads, yaml.safe_load):
        try:
            return parse(text)
        except (ValueError, yaml.YAMLError):
            continue
    return None


def _part(found: Json, options: t.Mapping[str, t.Any]) -> Json:
    part = {name: value for name, value in found.items() if name in options}
    return part if part.keys() - {_POLICY} else {}
