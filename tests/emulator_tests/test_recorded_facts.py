# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test texts and facts that recordings settled (server-behaviour.md 10)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api

MODELS = "/_ml/trained_models"
ADAPTIVE = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}


def test_audit_lines() -> None:
    """Test server-behaviour.md 10: of start, update, rebalance and stop."""
    api = Api(clock="eager")
    api.start(number_of_allocations=5, wait_for="started")
    api.update(number_of_allocations=6)
    api.effect("remove_node", node_id="n2")
    api.stop()
    lines = api.audit()
    planned = "Rebalanced trained model allocations because [model deployment {}]"
    assert lines[:2] == [planned.format("started"), "Started deployment"]
    assert lines[2:4] == [planned.format("updated"), "Updated number_of_allocations to [6]"]
    assert lines[4] == "Rebalanced trained model allocations because [nodes changed]"
    assert lines[-1] == "Stopped deployment"


@pytest.mark.parametrize(
    ("stored", "given", "merged"),
    [
        (ADAPTIVE, {"enabled": False}, {**ADAPTIVE, "enabled": False}),
        (ADAPTIVE, {"min_number_of_allocations": 2}, {**ADAPTIVE, "min_number_of_allocations": 2}),
        (
            ADAPTIVE,
            {"min_number_of_allocations": None},
            {"enabled": True, "max_number_of_allocations": 4},
        ),
        (
            ADAPTIVE,
            {"max_number_of_allocations": -1},
            {"enabled": True, "min_number_of_allocations": 1},
        ),
        (ADAPTIVE, {}, ADAPTIVE),
        (
            {"enabled": True, "max_number_of_allocations": -1},
            {"enabled": False},
            {"enabled": False, "max_number_of_allocations": -1},
        ),
        (None, {}, {"enabled": False}),
        (None, {"min_number_of_allocations": None}, {"enabled": False, "min_number_of_allocations": -1}),
        (None, None, None),
        (ADAPTIVE, None, None),
    ],
)
def test_merge(stored: Any, given: Any, merged: Any) -> None:
    """Test server-behaviour.md 6 and 10: field by field; a stored -1 stays until it is set or cleared again."""
    api = Api()
    assert api.start(body={"adaptive_allocations": stored}).status == 200
    api.settle()
    answer = api.update(adaptive_allocations=given)
    assert answer.assignment["adaptive_allocations"] == merged


def test_name_of_the_nested_parser() -> None:
    """Test server-behaviour.md 10."""
    assert "[autoscaling_settings] unknown field [x]" in str(Api().update(adaptive_allocations={"x": 1}).body)


@pytest.mark.parametrize(
    ("operation", "version", "known"),
    [
        ("update", "8.15.5", {"model_id", "number_of_allocations", "timeout"}),
        ("update", "8.16.0", {"model_id", "number_of_allocations", "timeout", "adaptive_allocations"}),
        ("stop", "8.10.4", {"model_id", "allow_no_match", "force"}),
        ("stop", "8.11.0", {"model_id", "allow_no_match", "force", "finish_pending_work"}),
    ],
)
def test_known_keys(operation: str, version: str, known: set[str]) -> None:
    """Test server-behaviour.md 10: deployment_id, for instance, is unknown to both."""
    values: dict[str, Any] = {
        "model_id": "m",
        "number_of_allocations": 1,
        "timeout": "1s",
        "adaptive_allocations": {},
        "allow_no_match": True,
        "force": True,
        "finish_pending_work": True,
        "deployment_id": "m",
    }
    found = set()
    for name, value in values.items():
        api = Api(version)
        answer = api.send("POST", f"{MODELS}/m/deployment/_{operation}", {name: value})
        if "unknown field" not in str(answer.body):
            found.add(name)
    assert found == known


@pytest.mark.parametrize("version", ["8.8.0", "8.19.21", "9.5.3"])
@pytest.mark.parametrize(
    ("body", "number"),
    [
        ('{"model_threads":3}', 3),
        ('{"model_threads":3,"number_of_allocations":2}', 2),
        ('{"number_of_allocations":2,"model_threads":3}', 3),
    ],
)
def test_later_of_two_names(version: str, body: str, number: int) -> None:
    """Test server-behaviour.md 10: the old names work up to 9.5, with a warning; the later one counts."""
    answer = Api(version).send("POST", f"{MODELS}/m/deployment/_start?wait_for=starting", body.encode())
    assert answer.assignment["task_parameters"]["number_of_allocations"] == number
    assert "Deprecated field [model_threads]" in answer.headers["Warning"]


@pytest.mark.parametrize("name", ["UPPER", "a b", "x" * 300, "_", ""])
def test_form_of_a_deployment_id(name: str) -> None:
    """Test server-behaviour.md 10: nothing checks it."""
    assert Api().start(deployment_id=name).assignment["task_parameters"]["deployment_id"] == name


@pytest.mark.parametrize(
    ("privilege", "update", "start", "stats"),
    [
        ("manage_ml", 404, 200, 200),
        ("manage", 404, 200, 200),
        ("all", 404, 200, 200),
        ("manage_inference", 403, 200, 403),
        ("monitor_ml", 403, 403, 200),
    ],
)
def test_privileges(privilege: str, update: int, start: int, stats: int) -> None:
    """Test server-behaviour.md 10: update is granted by three, never by manage_inference."""
    api = Api("8.19.21")
    api.emulator.control("POST", "/privileges", {"username": "u", "password": "p", "privileges": [privilege]})
    headers = {"Authorization": "Basic dTpw", "Content-Type": "application/json"}
    path = f"{MODELS}/m/deployment/"
    body = b'{"number_of_allocations":1}'
    assert api.emulator.request("POST", f"{path}_update", headers, body)[0] == update
    assert api.emulator.request("POST", f"{path}_start?wait_for=starting", headers)[0] == start
    assert api.emulator.request("GET", f"{MODELS}/_stats", headers)[0] == stats


@pytest.mark.parametrize(("version", "shown"), [("8.10.4", "10.0.0"), ("8.13.0", "12.0.0"), ("9.5.3", "12.0.0")])
def test_version_of_a_model(version: str, shown: str) -> None:
    """Test server-behaviour.md 10: that of its configuration, not of the product."""
    api = Api(version)
    body = {"model_type": "pytorch", "inference_config": {"text_embedding": {}}}
    assert api.send("PUT", f"{MODELS}/new", body).status == 200
    assert api.send("GET", f"{MODELS}/new").body["trained_model_configs"][0]["version"] == shown


@pytest.mark.parametrize(("version", "status"), [("8.10.4", 400), ("8.13.4", 200)])
@pytest.mark.parametrize(
    "field", [{"platform_architecture": "linux-x86_64"}, {"prefix_strings": {"search": "a", "ingest": "b"}}]
)
def test_fields_of_a_model(version: str, status: int, field: dict[str, Any]) -> None:
    """Test server-behaviour.md 10: unknown in 8.10, known in 8.13."""
    body = {"model_type": "pytorch", "inference_config": {"text_embedding": {}}, **field}
    assert Api(version).send("PUT", f"{MODELS}/new", body).status == status


@pytest.mark.parametrize(
    ("alias", "status"),
    [("nick", 200), ("a-b_c", 200), ("1a", 200), ("Upper", 400), ("a1", 400), ("a-", 400), ("_a", 400), ("a b", 400)],
)
def test_form_of_an_alias(alias: str, status: int) -> None:
    """Test server-behaviour.md 10."""
    path = f"{MODELS}/m/model_aliases/{alias.replace(' ', '%20')}"
    assert Api().send("PUT", path).status == status


def test_alias_like_its_model() -> None:
    """Test server-behaviour.md 10."""
    assert "model_alias [m] cannot equal model_id [m]" in Api().send("PUT", f"{MODELS}/m/model_aliases/m").reason
