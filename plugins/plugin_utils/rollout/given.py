# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variable of the role model_rollout: what a task asks for."""

from __future__ import annotations

import dataclasses
import math
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.durations import seconds
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import CONNECTION
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.given import checked
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.spec import Spec
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.deployment import (
    SPEC as OF_DEPLOYMENT,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.options import SPEC as OF_INFERENCE
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.model import require_one_id

Json = dict[str, t.Any]
Route = t.Literal["alias", "endpoint", "deployment"]

ROUTES: t.Mapping[str, Route] = {"model_alias": "alias", "inference_id": "endpoint", "deployment_id": "deployment"}
"""Option to the route that it chooses: the name by which clients ask for inferences."""
_FIXED = {
    *CONNECTION.argument_spec,
    "predictions",
    "fact_name",
    "state",
    "on_missing",
    "wait",
    "replace",
    "on_referenced",
}
NEW: Json = {
    name: option
    for name, option in OF_DEPLOYMENT.argument_spec.items()
    if name not in _FIXED | {"recovery_file", "on_failed", "on_endpoint_owned", "on_unsatisfied", "finish_pending_work"}
}
"""The options of the new deployment. The role decides about the others."""
SMOKE_TEST: Json = {
    name: option
    for name, option in OF_INFERENCE.argument_spec.items()
    if name not in {*CONNECTION.argument_spec, "predictions", "deployment_id"}
}
SPEC = Spec(
    {
        **{name: {"type": "str"} for name in ROUTES},
        "action": {"type": "str", "choices": ["rollout", "rollback"]},
        "strategy": {"type": "str", "choices": ["side_by_side", "in_place"]},
        "new": {"type": "dict", "options": NEW},
        "old_deployment_id": {"type": "list", "elements": "str"},
        "smoke_test": {"type": "dict", "options": {"enabled": {"type": "bool"}, **SMOKE_TEST}},
        "watch": {
            "type": "dict",
            "options": {
                "seconds": {"type": "raw"},
                "sleep": {"type": "raw"},
                "allow": {
                    "type": "dict",
                    "options": {name: {"type": "int"} for name in ("rejected", "timed_out", "failed")},
                },
            },
        },
        "drain_seconds": {"type": "raw"},
        "drain_sleep": {"type": "raw"},
        "keep_old": {"type": "bool"},
        "on_referenced": {"type": "str", "choices": ["fail", "force"]},
        "state_file": {"type": "path"},
        "dry_run": {"type": "bool"},
    },
    ids=(*ROUTES, "model_id", "old_deployment_id"),
)
_KINDS = {"model_alias": "model alias", "inference_id": "inference endpoint", "deployment_id": "deployment"}


@dataclasses.dataclass(frozen=True)
class Given:
    """``route`` and ``name``: by what clients ask, empty if a rollback takes that from the file.

    ``old``: ids of the deployments that serve now, ``None`` to find them. ``smoke_test`` and ``watch``: arguments of
    their modules, ``None`` for none of it. ``drain``: how often to look for waiting requests, and the seconds between.
    """

    route: Route | None
    name: str
    rolls_back: bool
    in_place: bool
    new: Json
    old: tuple[str, ...] | None
    smoke_test: Json | None
    watch: Json | None
    drain: tuple[int, float]
    keep_old: bool
    force: bool
    state_file: str
    dry_run: bool


def without_empty(value: t.Any) -> t.Any:
    """Return *value* without the items of dictionaries that are null or empty texts, which count as not given."""
    if not isinstance(value, t.Mapping):
        return value
    return {name: without_empty(each) for name, each in value.items() if each not in (None, "")}


def read(given: t.Any) -> Given:
    """Return what the variable *given* asks for.

    :raises Refusal: with each value that is wrong, or for a combination that makes no sense.
    """
    found = checked(SPEC, given if isinstance(given, dict) else {}, lambda name, index, item: f"{name}[{index}]")
    for name in _unknown(found, SPEC.argument_spec):
        raise Refusal("invalid_arguments", f"model_rollout has no key {name}")
    for name in ("action", "strategy", "on_referenced"):
        _refuse_other(name, found.get(name), SPEC.argument_spec[name]["choices"])
    rolls_back = found.get("action") == "rollback"
    named = [name for name in ROUTES if name in found]
    if len(named) != 1 and (named or not rolls_back):
        raise Refusal(
            "incomplete_options",
            f"model_rollout needs exactly one of {', '.join(ROUTES)}: what clients ask for",
            hint=f"Given are {' and '.join(named)}." if named else "A variable may be empty.",
        )
    option = named[0] if named else ""
    name = found[option] if named else ""
    if named:
        require_one_id(option, name, _KINDS[option])
    result = Given(
        ROUTES.get(option),
        name,
        rolls_back,
        found.get("strategy") == "in_place",
        found.get("new", {}),
        tuple(found["old_deployment_id"]) if "old_deployment_id" in found else None,
        _smoke_test(found.get("smoke_test", {})),
        _watch(found.get("watch", {})),
        _drain(found),
        found.get("keep_old", False),
        found.get("on_referenced") == "force",
        found.get("state_file", ""),
        found.get("dry_run", False),
    )
    _refuse_contradictions(result)
    return result


def _unknown(given: Json, specs: Json, within: str = "") -> t.Iterator[str]:
    """Yield the names that are no options."""
    for name, value in given.items():
        if name not in specs:
            yield f"{within}{name}"
        elif isinstance(value, dict) and "options" in specs[name]:
            yield from _unknown(value, specs[name]["options"], f"{within}{name}.")


def _refuse_other(name: str, value: str | None, choices: t.Sequence[str]) -> None:
    if value is not None and value not in choices:
        raise Refusal("invalid_value", f"{name} must be {' or '.join(choices)}, not '{value}'")


def _refuse_contradictions(given: Given) -> None:
    for name in ("deployment_id", "model_id"):
        require_one_id(f"new.{name}", given.new.get(name))
    if given.in_place and given.keep_old:
        raise Refusal(
            "invalid_value",
            "keep_old makes no sense with strategy in_place, which stops the old deployment first",
            hint="Leave one of them out.",
        )


def _smoke_test(given: Json) -> Json | None:
    options = dict(given)
    return options if options.pop("enabled", True) else None


def _watch(given: Json) -> Json | None:
    length = seconds("watch.seconds", given.get("seconds", 60), zero=True)
    sleep = seconds("watch.sleep", given.get("sleep", 5))
    allow = given.get("allow", {})
    for name, number in allow.items():
        if number < 0:
            raise Refusal("invalid_value", f"watch.allow.{name} must be 0 or more, not {number}")
    return {"watch_seconds": length, "watch_sleep": sleep, "allow": allow} if length else None


def _drain(given: Json) -> tuple[int, float]:
    length = seconds("drain_seconds", given.get("drain_seconds", 30), zero=True)
    sleep = seconds("drain_sleep", given.get("drain_sleep", 1))
    return math.ceil(length / sleep), sleep
