# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a list of deployments."""

from __future__ import annotations

import collections
import os
import typing as t

from ..._core.errors import Refusal, refuse_together
from ..._core.options.connection import CONNECTION
from ..._core.options.spec import Spec
from ..._core.patterns import matches
from ..._core.reasons import Reason, each_once
from ..._ml.predictions import PREDICTIONS
from ..records.desired import Desired, WaitPolicy
from ..records.desired import longest_time as longest_of
from . import deployment
from .deployment import DEPLOYMENT, FACTS, PREFLIGHT, WAIT
from .guard import GUARD, LIST_GUARD

INHERITED = ("preflight", "wait", "wait_for", "wait_docs", "allow_zero", "wait_timeout", "on_unsatisfied")
"""Options that an item has from the task, unless it sets them itself."""

ITEM = Spec(
    {
        **DEPLOYMENT.argument_spec,
        **GUARD.argument_spec,
        **{
            name: {key: value for key, value in PREFLIGHT.merge(WAIT).argument_spec[name].items() if key != "default"}
            for name in INHERITED
        },
    },
    required_one_of=DEPLOYMENT.required_one_of,
    mutually_exclusive=DEPLOYMENT.mutually_exclusive,
)

DEPLOYMENTS = Spec(
    {
        "deployments": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": ITEM.argument_spec,
            "required_one_of": [list(names) for names in ITEM.required_one_of],
            "mutually_exclusive": [list(names) for names in ITEM.mutually_exclusive],
        },
        "stop_unlisted": {"type": "bool", "default": False},
        "unlisted_except": {"type": "list", "elements": "str"},
        "unlisted_on_referenced": {"type": "str", "choices": ["fail", "force"], "default": "fail"},
        "detail": {"type": "str", "choices": ["all", "changed"], "default": "all"},
    },
    ids=(*DEPLOYMENT.ids, "unlisted_except"),
    never_empty=DEPLOYMENT.never_empty,
)

SPEC = CONNECTION.merge(DEPLOYMENTS).merge(LIST_GUARD).merge(PREFLIGHT).merge(WAIT).merge(FACTS).merge(PREDICTIONS)

Item = tuple[Desired, WaitPolicy]
Options = dict[str, t.Any]
_FROM_TASK = (*INHERITED, "wait_sleep")


def item_label(index: int, item: t.Mapping[str, t.Any]) -> str:
    """Return what a message calls an item: its place in the list, from 0, and its id."""
    named = item.get("deployment_id") or item.get("model_id")
    return f"deployments[{index}]" + (f" ('{named}')" if named and isinstance(named, str) else "")


def items(params: t.Mapping[str, t.Any]) -> list[Item]:
    """Return the desired state that validated options describe, item by item.

    :raises Refusal: with everything that is wrong with any of them.
    """
    deployment.wait_policy(params)  # a wrong one is no mistake of the items that have it from the task
    given = params["deployments"]
    found, wrong = _read(given, dict(enumerate(given)), params)
    refuse_together(wrong)
    return found


def wrong_values(given: t.Sequence[t.Any], valid: t.Mapping[int, Options]) -> t.Iterable[str]:
    """Return what is wrong with the items *given* together, and with the values of those that are *valid*, by place."""
    _found, wrong = _read(given, valid, {name: SPEC.argument_spec[name].get("default") for name in _FROM_TASK})
    return [each_once(wrong)] if wrong else []


def _read(
    given: t.Sequence[t.Any], valid: t.Mapping[int, Options], params: t.Mapping[str, t.Any]
) -> tuple[list[Item], list[Reason]]:
    """Return what the *valid* items describe, and all reasons why the items *given* are wrong.

    *params*: the options of the task that they may have.
    """
    found: list[Item] = []
    wrong: list[Reason] = []
    for index, options in valid.items():
        item = options | {name: params[name] for name in _FROM_TASK if options.get(name) is None}
        try:
            found.append((deployment.desired(item), deployment.wait_policy(item)))
        except Refusal as exc:
            named = str(options.get("deployment_id") or options.get("model_id") or "")
            wrong.append(Reason(named, str(exc), item_label(index, options)))
    return found, [*wrong, *_listed_twice(given), *_shared_files([desired for desired, _wait_policy in found])]


def _listed_twice(given: t.Sequence[t.Any]) -> list[Reason]:
    """Return a reason for each deployment that the items *given* name more than once."""
    places: dict[str, list[str]] = collections.defaultdict(list)
    for index, item in enumerate(given):
        named = item.get("deployment_id") or item.get("model_id") if isinstance(item, dict) else None
        if isinstance(named, str):
            places[named].append(f"deployments[{index}]")
    return [
        Reason(name, f"Deployment '{name}' is listed {len(found)} times, in {', '.join(found)}.")
        for name, found in places.items()
        if len(found) > 1
    ]


def _shared_files(desired_items: t.Sequence[Desired]) -> list[Reason]:
    """Return a reason for each recovery file that several deployments have in common."""
    users: dict[str, dict[str, None]] = {}
    for desired in desired_items:
        if desired.recovery_file:
            users.setdefault(os.path.realpath(desired.recovery_file), {})[f"'{desired.deployment_id}'"] = None
    return [
        Reason(
            next(iter(ids))[1:-1],
            f"Deployments {', '.join(ids)} have the same recovery_file '{path}'; give each a different one.",
        )
        for path, ids in users.items()
        if len(ids) > 1
    ]


def keep_filter(params: t.Mapping[str, t.Any]) -> t.Callable[[str], bool]:
    """Return a function that tells for a deployment id that is not listed whether to leave it alone.

    :raises Refusal: stop_unlisted is set, and unlisted_except does not say which ones to leave alone.
    """
    if not params["stop_unlisted"]:
        return lambda deployment_id: True
    patterns = params["unlisted_except"]
    if patterns is None:
        raise Refusal(
            "incomplete_options",
            "stop_unlisted is set without unlisted_except",
            hint="Give patterns of deployments to leave alone, or an empty list to stop everything that is not listed.",
        )
    return lambda deployment_id: matches(deployment_id, patterns)


def longest_time(items: t.Sequence[Item], params: t.Mapping[str, t.Any]) -> float:
    """Return the longest time that the waits of a list may take, those for what is not listed included."""
    policies = [policy for _desired, policy in items]
    if params["stop_unlisted"] or not items:
        policies.append(deployment.wait_policy(params))
    return longest_of(policies)


def stop_item(deployment_id: str, params: t.Mapping[str, t.Any]) -> Item:
    """Return the item that stops a deployment that is not listed."""
    desired = Desired(deployment_id, state="stopped", on_referenced=params["unlisted_on_referenced"], listed=False)
    return desired, deployment.wait_policy(params)
