# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test options of one deployment: what is refused before anything is read."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.facts import require_fact_name
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.spec import Spec
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import deployment as options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.adaptive import AdaptivePatch


def params(**given: t.Any) -> dict[str, t.Any]:
    checked = ArgumentSpecValidator(**options.SPEC.to_kwargs()).validate({"model_id": "m", **given})
    assert not checked.error_messages, checked.error_messages
    return dict(checked.validated_parameters)


def reported(**given: t.Any) -> list[str]:
    return list(ArgumentSpecValidator(**options.SPEC.to_kwargs()).validate(given).error_messages)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "one of the following is required: deployment_id, model_id"),
        ({"model_id": "m", "number_of_allocations": "many"}, "number_of_allocations"),
        ({"model_id": "m", "threads_per_allocation": 3}, "must be one of: 1, 2, 4, 8, 16, 32, got: 3"),
        ({"model_id": "m", "priority": "high"}, "must be one of: normal, low, got: high"),
        ({"model_id": "m", "state": "paused"}, "must be one of: started, stopped, restarted"),
        (
            {"model_id": "m", "number_of_allocations": 1, "initial_number_of_allocations": 1},
            "mutually exclusive: number_of_allocations|initial_number_of_allocations",
        ),
        ({"model_id": "m", "adaptive_allocations": {"enable": True}}, "adaptive_allocations.enable"),
    ],
)
def test_the_spec_tells(given: dict[str, t.Any], said: str) -> None:
    assert [message for message in reported(**given) if said in message]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"number_of_allocations": 0},
            "number_of_allocations must be 1 or more, not 0. To run no allocation, set state to",
        ),
        ({"initial_number_of_allocations": -2}, "initial_number_of_allocations must be 1 or more, not -2"),
        ({"queue_capacity": 0}, "queue_capacity must be 1 or more, not 0"),
        ({"cache_size": "12"}, "cache_size '12' is not a size. Write it like 500mb"),
        ({"cache_size": "many"}, "cache_size 'many' is not a size"),
        ({"deployment_id": "a*"}, "deployment_id 'a*' is not the id of one deployment or model"),
        ({"deployment_id": "a,b"}, "deployment_id 'a,b' is not"),
        ({"model_id": "_all"}, "model_id '_all' is not"),
        ({"deployment_id": "", "model_id": ""}, "Neither deployment_id nor model_id has a value"),
        ({"adaptive_allocations": {"enabled": True}, "number_of_allocations": 2}, "cannot be given beside adaptive"),
        (
            {"adaptive_allocations": {"max_number_of_allocations": 3}, "initial_number_of_allocations": 2},
            "initial_number_of_allocations cannot be given beside adaptive",
        ),
        (
            {"adaptive_allocations": {"min_number_of_allocations": 4, "max_number_of_allocations": 3}},
            "min_number_of_allocations 4 is above max_number_of_allocations 3",
        ),
        ({"adaptive_allocations": {"min_number_of_allocations": -2}}, "min_number_of_allocations must be 0 or more"),
        ({"adaptive_allocations": {"max_number_of_allocations": 0}}, "max_number_of_allocations must be 1 or more"),
    ],
)
def test_desired_refuses(given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(Refusal) as caught:
        options.desired(params(**given))
    assert said in str(caught.value)


def test_deployment_id_defaults_to_the_model() -> None:
    desired = options.desired(params())
    assert (desired.deployment_id, desired.deployment_id_given) == ("m", False)
    assert options.desired(params(deployment_id="")).deployment_id_given is False
    desired = options.desired(params(deployment_id="d", model_id=""))
    assert (desired.deployment_id, desired.model_id) == ("d", None)
    desired = options.desired(params(deployment_id="d"))
    assert (desired.deployment_id, desired.deployment_id_given, desired.model_id) == ("d", True, "m")


def test_adaptive_options() -> None:
    assert options.desired(params(adaptive_allocations={})).adaptive_allocations is None
    given = {"enabled": False, "max_number_of_allocations": -1}
    desired = options.desired(params(adaptive_allocations=given, number_of_allocations=2))
    assert desired.adaptive_allocations == AdaptivePatch(False, None, -1)


@pytest.mark.parametrize(
    ("read", "given", "said"),
    [
        (options.wait_policy, {"wait_timeout": -1}, "wait_timeout is '-1', not a time. It takes a number of seconds"),
        (options.wait_policy, {"wait_sleep": 0}, "wait_sleep must be above 0 seconds and at most 168h, not 0"),
        (
            options.server_timeout,
            {"server_timeout": "30d"},
            "server_timeout is '30d', not a time. It takes a number of seconds, or a time such as 500ms",
        ),
        (options.server_timeout, {"server_timeout": "0s"}, "server_timeout must be above 0 seconds"),
        (
            options.server_timeout,
            {"server_timeout": "1m"},
            "server_timeout 1m must be shorter than request_timeout 60.",
        ),
        (require_fact_name, {"fact_name": "1st"}, "fact_name '1st' is not a variable name"),
    ],
)
def test_waiting_refuses(read: t.Callable[[t.Any], t.Any], given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(params(**given))
    assert said in str(caught.value)


def test_times_and_names_that_are_taken() -> None:
    assert options.server_timeout(params()) == "30s"
    assert options.server_timeout(params(server_timeout="59999ms")) == "59999ms"
    assert options.server_timeout(params(server_timeout=30, request_timeout="31")) == "30s"
    assert options.server_timeout(params(server_timeout="0.5m")) == "30s"
    policy = options.wait_policy(params(wait_timeout="5m", wait_sleep="500ms"))
    assert (policy.timeout, policy.sleep) == (300.0, 0.5)
    require_fact_name(params(fact_name=""))
    assert options.wait_policy(params(wait_timeout=0)).timeout == 0


def test_specs_merge_with_their_rules() -> None:
    one = Spec({"a": {}}, mutually_exclusive=(("a", "b"),), required_by={"a": ("b",)})
    two = Spec({"b": {}}, mutually_exclusive=(("c", "d"),), required_if=(("b", 1, ("a",)),), required_by={"b": ("a",)})
    merged = one.merge(two)
    assert merged.argument_spec == {"a": {}, "b": {}}
    assert merged.mutually_exclusive == (("a", "b"), ("c", "d"))
    assert merged.required_if == (("b", 1, ("a",)),)
    assert merged.required_by == {"a": ("b",), "b": ("a",)}
