# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test recovery and rollback: no settings are lost with the process, and deployments of other clients stay."""

from __future__ import annotations

import contextlib
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.emulated_cluster import NODES, Emulator

Json = dict[str, t.Any]
OWNED = ("model_id", "number_of_allocations", "threads_per_allocation", "priority", "queue_capacity", "cache_size")
SAME = ("changed", "operation", "skipped_because", "before", "after", "diff", "api_calls", "warnings")
AMPLE = ("n1=32,64gb", "n2=32,64gb")
RELEASES = ("8.9.2", "8.16.0", "9.5.3")
SLOW = [HealthCheck.too_slow]
laws = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=SLOW)

numbers, threads = st.integers(1, 6), st.sampled_from((1, 2, 4))
queues, caches = st.sampled_from((77, 500)), st.sampled_from(("123kb", "3mb"))
FIXED = {"threads_per_allocation": threads, "queue_capacity": queues, "cache_size": caches}
BOUNDS = {"enabled": True, "min_number_of_allocations": 2, "max_number_of_allocations": 4}
COUNT: st.SearchStrategy[Json] = st.builds(lambda number: {"number_of_allocations": number}, numbers)
running: st.SearchStrategy[Json] = st.builds(
    lambda count, fixed: {**count, **fixed},
    st.one_of(COUNT, st.just({"adaptive_allocations": BOUNDS})),
    st.fixed_dictionaries({}, optional=FIXED),
)
named: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {}, optional={**FIXED, "number_of_allocations": numbers, "model_id": st.sampled_from(("m", "other"))}
)
WAYS: tuple[Json, ...] = (
    {"replace": "stop_start"},
    {"state": "restarted"},
    {"replace": "stop_start", "on_failed": "recover"},
)


def build(version: str, before: Json, nodes: t.Sequence[str] = NODES, failed: bool = False) -> Emulator:
    emulator = Emulator(version, nodes)
    if version == "8.9.2" and "adaptive_allocations" in before:
        before = {**before, "adaptive_allocations": None}
    emulator.effect("start_deployment", model_id="m", deployment_id="d", **before)
    emulator.settle()
    if failed:
        for node in emulator.deployments()["d"]["routing_table"]:
            emulator.effect("fail_route", deployment_id="d", node_id=node, reason="planted")
    emulator.forget()
    return emulator


def there(emulator: Emulator) -> Json | None:
    """Return the settings that a user owns, by none of the collection's code; -1 counts as not set."""
    assignment = emulator.deployments().get("d")
    if assignment is None:
        return None
    adaptive = assignment.get("adaptive_allocations") or {"enabled": False}
    found = {name: assignment["task_parameters"][name] for name in OWNED}
    if adaptive["enabled"]:
        del found["number_of_allocations"]
    return {**found, "adaptive_allocations": {name: value for name, value in adaptive.items() if value != -1}}


def overlaid(before: Json, change: Json) -> Json:
    after = {**before, **{name: value for name, value in change.items() if name in OWNED}}
    if "number_of_allocations" in change and before["adaptive_allocations"]["enabled"]:
        after["adaptive_allocations"] = {**before["adaptive_allocations"], "enabled": False}
    if (
        "model_id" in change
        and "cache_size" not in change
        and before["cache_size"].endswith("b")
        and (before["cache_size"].removesuffix("b").isdigit())
    ):
        del after["cache_size"]  # the default is the size of the model
    return after


kills = st.tuples(st.integers(0, 14), st.booleans())


@laws
@given(
    st.sampled_from(RELEASES), running, named, st.sampled_from(WAYS), st.lists(kills, min_size=1, max_size=3), st.data()
)
def test_a_run_after_kills_has_lost_no_setting(
    version: str, before: Json, change: Json, way: Json, deaths: list[tuple[int, bool]], data: st.DataObject
) -> None:
    """The process dies before or after any request, up to three times."""
    cluster = (version, before, AMPLE, "on_failed" in way)
    with tempfile.TemporaryDirectory() as folder, build(*cluster) as emulator:
        was = t.cast("Json", there(emulator))
        file = Path(folder, "d")
        options: Json = {"deployment_id": "d", "on_adaptive": "override", "recovery_file": str(file), **way, **change}
        for survived, sent in deaths:
            with emulator.kill(survived, sent):
                emulator.run(**options)
            if data.draw(st.booleans()):
                emulator.settle()
        content = file.read_bytes() if file.exists() else None
        predicted = emulator.run(True, **options)
        assert (file.read_bytes() if file.exists() else None) == content
        result = emulator.run(**options)
        assert not result.get("failed"), result["msg"]
        assert {key: predicted[key] for key in SAME} == {key: result[key] for key in SAME}
        desired = overlaid(was, change)
        now = t.cast("Json", there(emulator))
        assert {name: now[name] for name in desired} == desired
        assert list(Path(folder).iterdir()) == []


REFUSED = {"error": {"type": "status_exception", "reason": "planted"}}


@laws
@given(st.sampled_from(RELEASES), running, named, st.sampled_from(WAYS[:2]), st.sampled_from((400, 404, 429)))
def test_a_refused_start_after_a_kill_restores_the_deployment(
    version: str, before: Json, change: Json, way: Json, status: int
) -> None:
    """Elasticsearch refuses the start that the killed run did not send; the previous one follows, unless equal."""
    with tempfile.TemporaryDirectory() as folder, build(version, before, AMPLE) as emulator:
        was = there(emulator)
        options: Json = {"deployment_id": "d", "on_adaptive": "override", "recovery_file": f"{folder}/d"}
        with emulator.kill(what="_start"):
            emulator.run(**options, **way, **change)
        if emulator.deployments():
            return
        emulator.fault("start", {"type": "answer", "status": status, "body": {**REFUSED, "status": status}})
        result = emulator.run(**options, **way, **change)
        assert result["failed"]
        if result["failure"] == {"code": "rollback_failed"}:
            assert emulator.deployments() == {}
            result = emulator.run(**options)
        else:
            assert result["operation"] == "rollback"
        assert there(emulator) == was
        assert list(Path(folder).iterdir()) == []


@laws
@given(st.sampled_from(RELEASES), st.one_of(st.none(), running), named, st.sampled_from(WAYS[:2]), st.integers(0, 2))
def test_a_rollback_restores_the_previous_deployment(
    version: str, before: Json | None, change: Json, way: Json, broken: int
) -> None:
    """The cluster accepts more than it has capacity for, and its nodes may fail to load the new deployment."""
    with build(version, before) if before else Emulator(version) as emulator:
        was = there(emulator)
        emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
        if broken:
            emulator.effect("fail_next_load", reason="planted", times=broken)
        options: Json = {"deployment_id": "d", "model_id": "m", "on_adaptive": "override", "wait_timeout": 6, **way}
        result = emulator.run(**{**options, **change}, on_unsatisfied="rollback")
        committed = [entry["path"] for entry in emulator.journal() if entry["committed"]]
        assert [call["path"] for call in result["api_calls"]] == committed
        if not result.get("failed"):
            assert result["operation"] != "rollback"
            return
        if result["changed"] and "Rolling it back failed, too" not in result["msg"]:
            ends = ("It was rolled back", "It is as it was before", "Its settings are as before")
            assert any(end in result["msg"] for end in ends), result["msg"]
        assert there(emulator) == was, result["msg"]


@laws
@given(st.sampled_from(RELEASES), running, named, st.sampled_from((*WAYS[:2], {"state": "stopped"})), st.integers(0, 9))
def test_a_deployment_that_another_client_starts_meanwhile_stays(
    version: str, before: Json, change: Json, way: Json, after: int
) -> None:
    """Between the first write and the end another client stops the deployment and starts one with the same id."""
    with build(version, before) as emulator:
        emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
        options: Json = {"on_adaptive": "override", "wait_timeout": 12, "on_unsatisfied": "rollback", **way, **change}
        with _another_client(emulator, after) as acted:
            result = emulator.run(deployment_id="d", **options)
        if acted:
            assert there(emulator) == acted[0], result.get("msg")


@contextlib.contextmanager
def _another_client(emulator: Emulator, after: int) -> t.Iterator[list[Json | None]]:
    """Act right before one read of statistics, *after* others since a write; yield the started deployment."""
    acted: list[Json | None] = []
    seen = {"writes": 0, "reads": 0}
    request = emulator._inner.request

    def watched(method: str, target: str, *rest: t.Any) -> t.Any:
        if method == "POST" and "/deployment/" in target:
            seen["writes"] += 1
        elif seen["writes"] and "_stats" in target:
            seen["reads"] += 1
            if seen["reads"] == after + 1:
                acted.append(_started_again(emulator))
        return request(method, target, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator._inner, "request", watched)
        yield acted


def _started_again(emulator: Emulator) -> Json | None:
    if "d" in emulator.deployments():
        emulator.effect("remove_deployment", deployment_id="d")
    emulator.effect("pass_time", seconds=1)
    emulator.effect("start_deployment", model_id="m", deployment_id="d", queue_capacity=5)
    return there(emulator)
