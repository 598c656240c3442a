# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that what Elasticsearch is certain to refuse is refused before a write, above all before a deletion."""

from __future__ import annotations

import json
import typing as t

import pytest

from support.emulated_cluster import Answer, Emulator
from support.endpoints import BOUNDS, KEY, ONE, OPENAI, OWN, attached, openai, put, there

Json = dict[str, t.Any]
REPLACING: Json = {**OWN, "replace": "recreate"}


def refused(emulator: Emulator, **options: t.Any) -> str:
    """Return the code with which a task is refused, in check mode in the same words; what is there stays."""
    before = there(emulator)
    emulator.forget()
    checked, result = emulator.run_endpoint(True, **options), emulator.run_endpoint(**options)
    assert (checked["msg"], checked["failure"]) == (result["msg"], result["failure"])
    assert (emulator.journal(), there(emulator)) == ([], before)
    return str(result["failure"]["code"])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"num_threads": 3}, "invalid_value"),
        ({"num_threads": 2**31}, "invalid_value"),
        ({"num_allocations": 10**12}, "invalid_value"),
        ({"num_allocations": "99999999999"}, "invalid_value"),
        ({"model_id": ["m"]}, "invalid_value"),
        ({"deployment_id": 7}, "invalid_value"),
        ({"adaptive_allocations": {"enabled": True}}, "conflicting_options"),
        ({"num_allocations": None, "adaptive_allocations": {"max_number_of_allocations": 0}}, "invalid_value"),
        ({"num_allocations": None, "adaptive_allocations": {"max_number_of_allocations": True}}, "invalid_value"),
        ({"num_allocations": None, "adaptive_allocations": {"enabled": None}}, "incomplete_options"),
    ],
)
def test_bad_settings(emulator: Emulator, given: Json, code: str) -> None:
    settings = {**ONE, "num_threads": 2, **given}
    assert refused(emulator, **OWN, service_settings=settings) == code
    put(emulator)
    if code != "incomplete_options":
        assert refused(emulator, **REPLACING, service_settings=settings) == code


def test_a_bound_that_crosses_the_one_that_is_there(emulator: Emulator) -> None:
    put(emulator, num_allocations=None, adaptive_allocations=BOUNDS)
    settings = {"adaptive_allocations": {"min_number_of_allocations": 4}}
    assert refused(emulator, **OWN, service_settings=settings) == "conflicting_settings"


def test_the_id_of_a_model(emulator: Emulator) -> None:
    assert refused(emulator, **{**OWN, "inference_id": "m"}, service_settings=ONE) == "inference_id_taken"
    openai_m = emulator.run_endpoint(**{**OPENAI, "inference_id": "m"}, service_settings={"model_id": "gpt"})
    assert openai_m["operation"] == "create", "Elasticsearch takes it where nothing is deployed"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"model_type": "tree_ensemble"}, "model_not_deployable"), ({"fully_defined": False}, "model_incomplete")],
)
@pytest.mark.parametrize("lost", [False, True])
def test_a_model_of_which_no_deployment_starts(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, change: Json, code: str, lost: bool
) -> None:
    put(emulator)
    inner = emulator.request

    def request(method: str, target: str, headers: t.Mapping[str, str], body: bytes | None) -> Answer:
        status, answered, content = inner(method, target, headers, body)
        if target.startswith("/_ml/trained_models/m?") and b"trained_model_configs" in content:
            answer = json.loads(content)
            answer["trained_model_configs"][0] |= change
            content = json.dumps(answer).encode()
        return status, answered, content

    monkeypatch.setattr(emulator, "request", request)
    if lost:
        emulator.effect("remove_deployment", deployment_id="e")
        assert refused(emulator, inference_id="e") == code
    else:
        assert refused(emulator, **REPLACING, service_settings={"num_threads": 2}) == code


def test_a_lost_deployment_starts_in_no_upgrade_mode(emulator: Emulator) -> None:
    put(emulator)
    emulator.effect("remove_deployment", deployment_id="e")
    emulator.effect("set_setting", name="upgrade_mode", value=True)
    assert refused(emulator, inference_id="e") == "upgrade_mode"


def test_threads_of_a_deployment_that_another_manages(emulator: Emulator) -> None:
    attached(emulator, "other", "d")
    settings = {"deployment_id": "d", "num_threads": 2}
    assert refused(emulator, **OWN, service_settings=settings) == "attached_deployment"
    attached(emulator)
    assert refused(emulator, **OWN, service_settings=settings) == "attached_deployment"
    assert refused(emulator, **REPLACING, service_settings={"num_threads": 2}) == "attached_deployment"


def test_an_endpoint_with_its_own_deployment_is_not_attached_to_another(emulator: Emulator) -> None:
    attached(emulator, "other", "d")
    put(emulator)
    settings = {"deployment_id": "d"}
    assert refused(emulator, **OWN, service_settings=settings) == "endpoint_differs"
    moved = emulator.run_endpoint(**REPLACING, service_settings=settings)
    assert (moved["operation"], moved["endpoint"]["deployment"]["deployment_id"]) == ("recreate", "d")
    assert emulator.run_endpoint(**OWN, service_settings=settings)["changed"] is False
    own = {**ONE, "deployment_id": "own"}
    put(emulator, "own")
    assert emulator.run_endpoint(**{**OWN, "inference_id": "own"}, service_settings=own)["not_shown"] == []


@pytest.mark.parametrize("option", ["service_settings", "task_settings", "chunking_settings"])
def test_a_secret_within_a_list(emulator: Emulator, option: str) -> None:
    openai(emulator)
    options = {**OPENAI, option: {"headers": [{"deep": {"api_key": KEY}}]}}
    assert refused(emulator, **options) == "misplaced_secret"
    assert KEY not in json.dumps(emulator.run_endpoint(**options), default=str)


def test_the_refusal_of_an_id_speaks_of_endpoints(emulator: Emulator) -> None:
    refusal = emulator.run_endpoint(inference_id="a/b", state="absent")["msg"]
    assert refusal == (
        "inference_id 'a/b' is not the id of one inference endpoint. Patterns and lists are not allowed here."
    )
