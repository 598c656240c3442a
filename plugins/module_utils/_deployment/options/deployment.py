# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of one deployment."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.durations import elasticsearch_time, seconds
from ..._core.errors import Refusal
from ..._core.options.connection import CONNECTION
from ..._core.options.facts import facts
from ..._core.options.paths import require_path
from ..._core.options.spec import Spec
from ..._core.sizes import parse_size
from ..._ml.adaptive import UNSET, AdaptivePatch
from ..._ml.documents import documents
from ..._ml.model import require_one_id
from ..._ml.predictions import PREDICTIONS
from ..._ml.settings import SETTINGS
from ..records.desired import Desired, WaitPolicy
from .guard import GUARD, guard

DEFAULT_FACT = "elasticsearch_ml_deployments"

DEPLOYMENT = Spec(
    {
        "deployment_id": {"type": "str"},
        "model_id": {"type": "str"},
        "state": {"type": "str", "choices": ["started", "stopped", "restarted"], "default": "started"},
        **{name: setting.option for name, setting in SETTINGS.items()},
        "adaptive_allocations": {
            "type": "dict",
            "options": {
                "enabled": {"type": "bool"},
                "min_number_of_allocations": {"type": "int"},
                "max_number_of_allocations": {"type": "int"},
            },
        },
        "initial_number_of_allocations": {"type": "int"},
        "replace": {"type": "str", "choices": ["never", "stop_start"], "default": "never"},
        "on_missing": {"type": "str", "choices": ["start", "fail", "skip"], "default": "start"},
        "on_adaptive": {"type": "str", "choices": ["fail", "skip", "override"], "default": "fail"},
        "on_failed": {"type": "str", "choices": ["fail", "recover"], "default": "fail"},
        "on_referenced": {"type": "str", "choices": ["fail", "force"], "default": "fail"},
        "on_endpoint_owned": {
            "type": "str",
            "choices": ["fail", "update_endpoint", "update_deployment"],
            "default": "fail",
        },
        "finish_pending_work": {"type": "bool"},
        "recovery_file": {"type": "path"},
    },
    required_one_of=(("deployment_id", "model_id"),),
    mutually_exclusive=(("number_of_allocations", "initial_number_of_allocations"),),
    ids=("deployment_id", "model_id"),
    never_empty={"deployment_id": "model_id"},
)

WAIT = Spec(
    {
        "wait": {"type": "bool", "default": True},
        "wait_for": {
            "type": "str",
            "choices": ["started", "fully_allocated", "steady", "answering"],
            "default": "fully_allocated",
        },
        "wait_docs": {"type": "raw"},
        "allow_zero": {"type": "bool", "default": False},
        "wait_timeout": {"type": "raw", "default": 300},
        "wait_sleep": {"type": "raw", "default": 2},
        "on_unsatisfied": {"type": "str", "choices": ["fail", "keep", "rollback"], "default": "fail"},
        "server_timeout": {"type": "raw", "default": "30s"},
    }
)

PREFLIGHT = Spec({"preflight": {"type": "str", "choices": ["fail", "warn", "off"], "default": "fail"}})

FACTS = facts(DEFAULT_FACT)

SPEC = CONNECTION.merge(DEPLOYMENT).merge(GUARD).merge(PREFLIGHT).merge(WAIT).merge(FACTS).merge(PREDICTIONS)

_CONVERTED = ("deployment_id", "model_id", "adaptive_allocations", "recovery_file", "guard")
_AS_GIVEN = {field.name for field in dataclasses.fields(Desired)} & SPEC.argument_spec.keys() - {*_CONVERTED}
"""Options that the desired state has unchanged."""


def desired(params: t.Mapping[str, t.Any]) -> Desired:
    """Return the desired state that validated options describe.

    :raises Refusal: for values and combinations that no version of Elasticsearch accepts.
    """
    if not params.get("deployment_id") and not params.get("model_id"):
        raise Refusal(
            "incomplete_options", "Neither deployment_id nor model_id has a value", hint="A variable may be empty."
        )
    for name in ("deployment_id", "model_id"):
        require_one_id(name, params.get(name))
    for name in ("initial_number_of_allocations", *(name for name, setting in SETTINGS.items() if setting.is_count)):
        _refuse_below_one(name, params.get(name))
    cache_size = params.get("cache_size")
    if cache_size is not None and parse_size(cache_size) is None:
        raise Refusal(
            "invalid_value",
            f"cache_size '{cache_size}' is not a size",
            hint="Write it like 500mb or 2gb; 0 turns the cache off.",
        )
    if params["recovery_file"]:
        require_path("recovery_file", params["recovery_file"])
    adaptive = _adaptive_patch(params)
    _refuse_number_with_adaptive(params, adaptive)
    return Desired(
        deployment_id=params["deployment_id"] or params["model_id"],
        deployment_id_given=bool(params["deployment_id"]),
        adaptive_allocations=adaptive,
        model_id=params["model_id"] or None,
        recovery_file=params["recovery_file"] or None,
        guard=guard(params),
        **{name: params[name] for name in _AS_GIVEN},
    )


def wait_policy(params: t.Mapping[str, t.Any]) -> WaitPolicy:
    """Return how long to wait, and for what."""
    return WaitPolicy(
        params["wait"],
        params["wait_for"],
        seconds("wait_timeout", params["wait_timeout"], zero=True),
        seconds("wait_sleep", params["wait_sleep"]),
        params["on_unsatisfied"],
        documents("wait_docs", params["wait_docs"]) or (),
    )


def server_timeout(params: t.Mapping[str, t.Any]) -> str:
    """Return the acknowledgement time-out, which must end before the client gives the request up."""
    length = seconds("server_timeout", params["server_timeout"])
    if length >= seconds("request_timeout", params["request_timeout"]):
        given, longest = (str(params[name]).strip() for name in ("server_timeout", "request_timeout"))
        raise Refusal(
            "invalid_value",
            f"server_timeout {given} must be shorter than request_timeout {longest}",
            hint="Otherwise the client stops listening before the server answers.",
        )
    return elasticsearch_time(length)


def _refuse_below_one(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        hint = "To run no allocation, set state to stopped." if name == "number_of_allocations" else ""
        raise Refusal("invalid_value", f"{name} must be 1 or more, not {value}", hint=hint)


def _adaptive_patch(params: t.Mapping[str, t.Any]) -> AdaptivePatch | None:
    given = params.get("adaptive_allocations")
    if given is None:
        return None
    low, high = given.get("min_number_of_allocations"), given.get("max_number_of_allocations")
    if low is not None and low < UNSET:
        raise Refusal("invalid_value", f"min_number_of_allocations must be 0 or more, or -1 for no bound, not {low}")
    if high is not None and high != UNSET and high < 1:
        raise Refusal("invalid_value", f"max_number_of_allocations must be 1 or more, or -1 for no bound, not {high}")
    if None not in (low, high) and UNSET not in (low, high) and low > high:
        raise Refusal("invalid_value", f"min_number_of_allocations {low} is above max_number_of_allocations {high}")
    patch = AdaptivePatch(given.get("enabled"), low, high)
    return None if patch == AdaptivePatch() else patch


def _refuse_number_with_adaptive(params: t.Mapping[str, t.Any], adaptive: AdaptivePatch | None) -> None:
    if adaptive is None or adaptive.enabled is False:
        return
    for name in ("number_of_allocations", "initial_number_of_allocations"):
        if params.get(name) is not None:
            raise Refusal(
                "conflicting_options",
                f"{name} cannot be given beside adaptive_allocations, unless those are given with enabled: false",
                hint="While enabled, they set the number of allocations, beginning at min_number_of_allocations.",
            )
