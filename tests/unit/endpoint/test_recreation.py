# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that a recreated endpoint keeps what the task does not name, as it was when it was deleted."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.endpoints import BOUNDS, KEY, ONE, OPENAI, OWN, attached, openai, put, there

Json = dict[str, t.Any]
THREADS: Json = {**OWN, "replace": "recreate"}


def recreated(emulator: Emulator, **options: t.Any) -> Json:
    """Return the settings of the service after a recreation that check mode predicts and a second run leaves alone."""
    predicted = emulator.run_endpoint(True, **options)
    result = emulator.run_endpoint(**options)
    assert (result["operation"], result.get("msg")) == ("recreate", None)
    assert (predicted["api_calls"], predicted["after"]) == (result["api_calls"], result["after"])
    assert emulator.run_endpoint(**options)["changed"] is False
    sent: Json = result["api_calls"][1]["body"]["service_settings"]
    return sent


@pytest.mark.parametrize("version", ["8.16.0", "8.17.0", "9.1.0", "9.5.3"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, BOUNDS),
        ({"adaptive_allocations": {"max_number_of_allocations": 2}}, {**BOUNDS, "max_number_of_allocations": 2}),
    ],
)
def test_adaptive_allocations_stay(version: str, given: Json, expected: Json) -> None:
    with Emulator(version) as emulator:
        put(emulator, num_allocations=None, adaptive_allocations=BOUNDS)
        sent = recreated(emulator, **THREADS, service_settings={"num_threads": 2, **given})
        assert sent == {"model_id": "m", "num_threads": 2, "adaptive_allocations": expected}


@pytest.mark.parametrize(
    ("on_adaptive", "expected"),
    [("skip", {"adaptive_allocations": BOUNDS}), ("override", {"num_allocations": 2})],
)
def test_a_number_follows_on_adaptive(on_adaptive: str, expected: Json, emulator: Emulator) -> None:
    put(emulator, num_allocations=None, adaptive_allocations=BOUNDS)
    settings = {"num_threads": 2, "num_allocations": 2}
    sent = recreated(emulator, **THREADS, service_settings=settings, on_adaptive=on_adaptive)
    assert sent == {"model_id": "m", "num_threads": 2, **expected}


@pytest.mark.parametrize("settings", [{"num_allocations": 2}, {"adaptive_allocations": BOUNDS}])
def test_changes_that_the_endpoint_does_not_show_stay(settings: Json) -> None:
    with Emulator("8.16.0") as emulator:
        put(emulator)
        assert emulator.run_endpoint(**OWN, service_settings=settings)["changed"]
        sent = recreated(emulator, **THREADS, service_settings={"num_threads": 2})
        assert sent == {"model_id": "m", "num_threads": 2, **settings}


def test_another_name_of_the_service_leaves_the_settings_as_they_are(emulator: Emulator) -> None:
    put(emulator, num_allocations=2)
    sent = recreated(emulator, **{**THREADS, "service": "elser"}, service_settings={"num_threads": 2})
    assert sent == {"model_id": "m", "num_threads": 2, "num_allocations": 2}


def test_settings_within_settings_stay(emulator: Emulator) -> None:
    openai(emulator, rate_limit={"requests_per_minute": 500, "window": 1})
    settings = {"model_id": "gpt-5", "rate_limit": {"requests_per_minute": 600}}
    sent = recreated(emulator, **OPENAI, service_settings=settings, secrets={"api_key": KEY}, replace="recreate")
    assert sent["rate_limit"] == {"requests_per_minute": 600, "window": 1}
    assert there(emulator) is not None


def test_adaptive_allocations_that_are_turned_off_leave_the_number(emulator: Emulator) -> None:
    put(emulator, num_allocations=None, adaptive_allocations={**BOUNDS, "min_number_of_allocations": 2})
    emulator.effect("set_number", deployment_id="e", number_of_allocations=2)
    settings = {"num_threads": 2, "adaptive_allocations": {"enabled": False}}
    assert recreated(emulator, **THREADS, service_settings=settings)["num_allocations"] == 2


def test_lost_chunking_settings_come_back_with_the_next_run_of_a_task_that_may_recreate() -> None:
    with Emulator("8.19.0") as emulator:
        chunking = {"strategy": "sentence", "max_chunk_size": 100, "sentence_overlap": 0}
        made = {**OWN, "service_settings": ONE, "chunking_settings": chunking}
        assert emulator.run_endpoint(**made)["operation"] == "create"
        options = {**made, **THREADS, "service_settings": {**ONE, "num_allocations": 2}}
        lost = emulator.run_endpoint(**options)
        assert lost["failure"]["code"] == "chunking_reset"
        assert lost["msg"].endswith("Run the task again to get those that the task gives.")
        assert emulator.run_endpoint(**options)["endpoint"]["chunking_settings"] == chunking


def sent(emulator: Emulator, **options: t.Any) -> list[str]:
    """Return the methods of all requests of a recreation, reads included."""
    methods: list[str] = []
    request = emulator.request

    def noted(method: str, target: str, *arguments: t.Any) -> t.Any:
        methods.append("GET" if "dry_run" in target else method)
        return request(method, target, *arguments)

    emulator.request = noted  # type: ignore[method-assign,assignment]
    result = emulator.run_endpoint(**options, replace="recreate")
    assert (result["operation"], result.get("msg")) == ("recreate", None)
    return methods


@pytest.mark.parametrize("kind", ["own", "attached", "outside"])
def test_no_request_lengthens_the_time_without_the_endpoint(kind: str, emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="second")
    emulator.settle()
    if kind == "outside":
        openai(emulator)
        methods = sent(emulator, **OPENAI, service_settings={"model_id": "gpt-5"}, secrets={"api_key": KEY})
    else:
        (put if kind == "own" else attached)(emulator)
        methods = sent(emulator, **OWN, service_settings={"deployment_id": "second"})
    deleted = methods.index("DELETE")
    assert methods[deleted + 1] == "PUT"


def test_a_deletion_without_an_answer_is_looked_at_before_the_creation(emulator: Emulator) -> None:
    put(emulator)
    emulator.fault("any_write", {"type": "drop"}, "after", after=1, path="/_inference/**")
    methods = sent(emulator, **OWN, service_settings={"num_threads": 2})
    deleted = methods.index("DELETE")
    assert set(methods[deleted + 1 : methods.index("PUT")]) == {"GET"}
