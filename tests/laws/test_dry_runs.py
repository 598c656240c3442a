# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that a dry run of several tasks says for each what the real run of the same tasks says."""

from __future__ import annotations

import collections
import itertools
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import (
    entries_of_run,
    merge_facts,
    next_order,
    predictions,
)
from laws.pairs import ACCESS, BOUNDS, VERSIONS
from laws.truth import unforeseen
from support.emulated_cluster import Emulator
from support.random_search import search

Json = dict[str, t.Any]
FACT = "elasticsearch_ml_deployments"
VERSIONS_WITH_ENDPOINTS = ("8.13.4", "8.15.3", "8.17.4", "9.1.10", "9.2.8", "9.5.3")
SAID = ("changed", "operation", "skipped_because", "diff", "before", "after", "api_calls")
_NUMBERS = itertools.count()

OPTIONS: list[tuple[Json, tuple[int, int]]] = [
    ({}, (8, 0)),
    ({"number_of_allocations": 1}, (8, 0)),
    ({"number_of_allocations": 2}, (8, 0)),
    ({"number_of_allocations": 3, "replace": "stop_start"}, (8, 0)),
    ({"number_of_allocations": 2, "on_missing": "skip"}, (8, 0)),
    ({"number_of_allocations": 1, "guard": {"max_step": 1, "on_violation": "skip"}}, (8, 0)),
    ({"initial_number_of_allocations": 2}, (8, 0)),
    ({"threads_per_allocation": 2, "number_of_allocations": 1, "replace": "stop_start"}, (8, 0)),
    ({"threads_per_allocation": 1}, (8, 0)),
    ({"queue_capacity": 500, "replace": "stop_start"}, (8, 0)),
    ({"queue_capacity": 1024, "replace": "stop_start"}, (8, 0)),
    ({"state": "restarted"}, (8, 0)),
    ({"state": "restarted", "number_of_allocations": 2}, (8, 0)),
    ({"state": "stopped"}, (8, 0)),
    ({"state": "stopped", "on_missing": "fail"}, (8, 0)),
    ({"cache_size": "1536kb", "replace": "stop_start"}, (8, 4)),
    ({"cache_size": "1.5MB", "replace": "stop_start"}, (8, 4)),
    ({"cache_size": "1023.9kb", "replace": "stop_start"}, (8, 4)),
    ({"cache_size": "0", "replace": "stop_start"}, (8, 4)),
    ({"priority": "low", "number_of_allocations": 1, "replace": "stop_start"}, (8, 6)),
    ({"priority": "normal", "replace": "stop_start"}, (8, 6)),
    ({"adaptive_allocations": BOUNDS}, (8, 16)),
    ({"adaptive_allocations": {"max_number_of_allocations": 6}}, (8, 16)),
    ({"adaptive_allocations": {"enabled": False}}, (8, 16)),
    ({"number_of_allocations": 2, "on_adaptive": "override"}, (8, 16)),
    ({"number_of_allocations": 2, "on_adaptive": "skip"}, (8, 16)),
]
"""Options of a task, and the version that first has them."""


ALIASES: list[Json] = [
    {"model_id": "m"},
    {"model_id": "other"},
    {"model_id": "m", "reassign": True},
    {"model_id": "other", "reassign": True},
    {"state": "absent"},
]


class Run:
    """The tasks of one playbook on one cluster, in check mode or for real, and their fact."""

    def __init__(self, emulator: Emulator, check_mode: bool) -> None:
        self.emulator, self.check_mode = emulator, check_mode
        self.facts: Json = {}
        if check_mode:
            emulator.read_only()

    def task(self, items: list[Json], **options: t.Any) -> Json:
        """Return the result of a task on one deployment, or with several *items* or *options* of a list."""
        key = (f"task {next(_NUMBERS)}", "localhost", FACT)
        earlier = predictions(key, "run", self.facts) if self.check_mode else {}
        given: Json = {"check_mode": self.check_mode, "predictions": earlier, **options}
        result = self._run(items, given, is_list=len(items) > 1 or bool(options))
        [(fact, new)] = result.get("ansible_facts", {}).items() or [(FACT, None)]
        if not result.get("failed") and new is not None:
            known = entries_of_run(key, "run", self.facts.get(fact))
            self.facts[fact] = merge_facts(key, "run", known, new, next_order(key, "run", self.facts))
        return result

    def _run(self, items: list[Json], given: Json, *, is_list: bool) -> Json:
        if "enabled" in items[0]:
            return self.emulator.upgrade_mode(**items[0], **given)
        if "model_alias" in items[0]:
            return self.emulator.run_alias(**items[0], **given)
        if "inference_id" in items[0]:
            return self.emulator.run_endpoint(**items[0], **given)
        if items[0].get("state") == "absent":
            return self.emulator.run_model(**items[0], **given)
        return self.emulator.run_many(items, **given) if is_list else self.emulator.run(**items[0], **given)


def _id(item: Json) -> str:
    return str(item.get("deployment_id") or item["model_id"])


def _items(version: str) -> st.SearchStrategy[Json]:
    release = tuple(int(part) for part in version.split("."))
    options = st.sampled_from([options for options, since in OPTIONS if release >= since])
    own = [{"deployment_id": "d"}, {"deployment_id": "d", "model_id": "m"}, {"deployment_id": "e", "model_id": "other"}]
    shared: list[Json] = [{"model_id": "m"}, {"model_id": "other"}, {"deployment_id": "m"}, {"model_id": "a"}]
    ids = st.sampled_from(shared + own if release >= (8, 8) else shared)
    return st.builds(lambda named, more: {**named, **more}, ids, options)


def _tasks(version: str) -> st.SearchStrategy[tuple[list[Json], Json]]:
    items = _items(version)
    many = st.lists(items, min_size=1, max_size=3, unique_by=_id)
    rest = st.sampled_from([{"stop_unlisted": True, "unlisted_except": []}, {"stop_unlisted": False}])
    aliases = st.sampled_from(ALIASES).map(lambda item: [{"model_alias": "a", **item}])
    alone = st.one_of(items.map(lambda item: [item]), aliases)
    return st.one_of(st.tuples(alone, st.just({})), st.tuples(many, rest))


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_dry_run_of_many_tasks_says_what_the_real_run_says(version: str, access: str) -> None:
    counts: Json = collections.Counter()

    @search(15, 300)
    @given(st.lists(_tasks(version), min_size=2, max_size=6), st.booleans())
    def every_sequence(tasks: list[tuple[list[Json], Json]], runs_before: bool) -> None:
        with _cluster(version, access, runs_before) as checked, _cluster(version, access, runs_before) as real:
            dry_run, real_run = Run(checked, True), Run(real, False)
            counts["sequences"] += 1
            for items, options in tasks:
                predicted, happened = dry_run.task(items, **options), real_run.task(items, **options)
                if not _same(predicted, happened, (items, options)):
                    return
                counts["tasks"] += 1
                counts["changes"] += happened["changed"]

    every_sequence()
    print(dict(counts))
    assert counts["changes"] > counts["sequences"]


ENDPOINT: Json = {
    "inference_id": "e",
    "task_type": "text_embedding",
    "service": "elasticsearch",
    "service_settings": {"model_id": "m", "num_allocations": 1, "num_threads": 1},
}
IN_THE_MODE: list[tuple[list[Json], Json]] = [
    ([{"model_id": "m", "deployment_id": "d"}], {}),
    ([{"model_id": "m", "deployment_id": "d"}, {"model_id": "m", "deployment_id": "f"}], {"stop_unlisted": False}),
    ([{"model_alias": "a", "model_id": "m"}], {}),
    ([ENDPOINT], {}),
    ([{"model_id": "other", "state": "absent"}], {}),
]
"""Tasks that the upgrade mode refuses."""


@pytest.mark.parametrize("on", [True, False])
def test_a_dry_run_sees_the_upgrade_mode_that_it_would_set(on: bool) -> None:
    with Emulator("9.5.3") as checked, Emulator("9.5.3") as real:
        for emulator in (checked, real):
            emulator.upgrade_mode(not on)
            emulator.forget()
        dry_run, real_run = Run(checked, True), Run(real, False)
        for mode, tasks in ((on, IN_THE_MODE), (on, []), (not on, [([{"model_alias": "b", "model_id": "m"}], {})])):
            for items, options in [([{"enabled": mode}], {}), *tasks]:
                predicted, happened = dry_run.task(items, **options), real_run.task(items, **options)
                assert predicted["failure"] == happened["failure"], items
                assert bool(happened["failure"]) == (mode and "enabled" not in items[0]), items
                if not happened["failure"]:
                    assert _same(predicted, happened, (items, options))


BEFORE: list[list[tuple[str, Json]]] = [
    [],
    [("endpoint", {"service_settings": {"num_allocations": 1, "num_threads": 1}})],
    [("endpoint", {"service_settings": {"num_allocations": 2, "num_threads": 1}}), ("pipeline", {})],
    [("endpoint", {"service_settings": {"num_threads": 1, "adaptive_allocations": BOUNDS}})],
    [("deployment", {})],
]
"""What is there before a play with inference endpoints."""
_FIXED: Json = {"service": "elasticsearch", "task_type": "sparse_embedding"}
SETTINGS: list[tuple[Json, tuple[int, int]]] = [
    ({}, (8, 11)),
    ({"num_allocations": 1}, (8, 11)),
    ({"num_allocations": 3}, (8, 11)),
    ({"num_threads": 2}, (8, 11)),
    ({"adaptive_allocations": BOUNDS}, (8, 16)),
    ({"adaptive_allocations": {"enabled": False}, "num_allocations": 2}, (8, 16)),
    ({"deployment_id": "d"}, (8, 16)),
]
OF_DEPLOYMENTS: list[tuple[Json, tuple[int, int]]] = [
    ({"number_of_allocations": 1, "on_adaptive": "override"}, (8, 11)),
    ({"number_of_allocations": 3}, (8, 11)),
    ({"adaptive_allocations": BOUNDS}, (8, 16)),
    ({"state": "stopped"}, (8, 11)),
    ({"state": "stopped", "on_referenced": "force"}, (8, 11)),
    ({"state": "restarted", "on_referenced": "force"}, (8, 11)),
    ({}, (8, 11)),
]


def _tasks_with_endpoints(version: str) -> st.SearchStrategy[tuple[list[Json], Json]]:
    release = tuple(int(part) for part in version.split("."))

    def known(rows: list[tuple[Json, tuple[int, int]]]) -> st.SearchStrategy[Json]:
        return st.sampled_from([options for options, since in rows if release >= since])

    settings = known(SETTINGS).map(lambda more: {"model_id": "m", "num_threads": 1, "num_allocations": 1, **more})
    more = st.sampled_from([{}, {"replace": "recreate"}, {"replace": "recreate", "on_referenced": "force"}])
    made = st.builds(lambda own, rest: {**_FIXED, "service_settings": _consistent(own), **rest}, settings, more)
    gone = st.sampled_from([{"state": "absent"}, {"state": "absent", "force": True}])
    endpoints = st.builds(
        lambda name, options: {"inference_id": name, **options}, st.sampled_from("eef"), st.one_of(made, made, gone)
    )
    through = st.sampled_from(
        [{}, {"on_endpoint_owned": "update_endpoint"}, {"on_endpoint_owned": "update_deployment"}]
    )
    names = st.sampled_from([{"deployment_id": "e"}, {"deployment_id": "d"}, {"deployment_id": "d", "model_id": "m"}])
    items = st.builds(lambda *parts: {**parts[0], **parts[1], **parts[2]}, names, through, known(OF_DEPLOYMENTS))
    models = st.sampled_from(
        [{"model_id": "m", "state": "absent"}, {"model_id": "m", "state": "absent", "force": True}]
    )
    some = st.one_of(endpoints, endpoints, items, models)
    one: st.SearchStrategy[tuple[list[Json], Json]] = some.map(lambda item: ([item], {}))
    force = st.sampled_from(["fail", "force"])
    rest = force.map(lambda value: {"stop_unlisted": True, "unlisted_except": [], "unlisted_on_referenced": value})
    return st.one_of(one, one, one, st.tuples(items.map(lambda item: [item]), rest))


def _consistent(settings: Json) -> Json:
    """Return *settings* without those that Elasticsearch takes from elsewhere."""
    if "deployment_id" in settings:
        return {"deployment_id": settings["deployment_id"]}
    if settings.get("adaptive_allocations", {}).get("enabled"):
        return {name: value for name, value in settings.items() if name != "num_allocations"}
    return settings


@pytest.mark.parametrize("version", VERSIONS_WITH_ENDPOINTS)
def test_a_dry_run_follows_endpoints_and_their_deployments(version: str) -> None:
    counts: Json = collections.Counter()

    @search(12, 300)
    @given(st.lists(_tasks_with_endpoints(version), min_size=2, max_size=5), st.sampled_from(BEFORE))
    def every_sequence(tasks: list[tuple[list[Json], Json]], before: list[tuple[str, Json]]) -> None:
        with _with_endpoints(version, before) as checked, _with_endpoints(version, before) as real:
            dry_run, real_run = Run(checked, True), Run(real, False)
            counts["sequences"] += 1
            for items, options in tasks:
                predicted, happened = dry_run.task(items, **options), real_run.task(items, **options)
                if not _same(predicted, happened, (items, options, tasks, before)):
                    return
                counts["tasks"] += 1
                counts["changes"] += happened["changed"]

    every_sequence()
    print(dict(counts))
    assert counts["changes"] > counts["sequences"] / 2


def _with_endpoints(version: str, before: list[tuple[str, Json]]) -> Emulator:
    emulator = Emulator(version)
    for what, options in before:
        if what == "deployment":
            emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
            continue
        if what == "endpoint":
            body: Json = {
                "service": "elasticsearch",
                "service_settings": {"model_id": "m", **options["service_settings"]},
            }
            path = "/_inference/sparse_embedding/e"
        else:
            path, body = "/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": "e"}}]}
        if emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) != 200:
            break
    emulator.settle()
    emulator.forget()
    return emulator


def _cluster(version: str, access: str, runs_before: bool) -> Emulator:
    emulator = Emulator(version)
    if runs_before:
        emulator.effect("start_deployment", model_id="m", number_of_allocations=1)
        emulator.settle()
    emulator.allow(*ACCESS[access], *(["monitor_inference"] if access == "stats" and emulator.has(8, 14) else []))
    return emulator


def _same(predicted: Json, happened: Json, task: t.Any) -> bool:
    """Compare two results of a task; return whether the tasks after it can be compared, too."""
    if happened.get("failed") and not predicted.get("failed"):
        assert _is_unforeseen(happened), f"{task}: {happened['msg']}"
        return False
    assert predicted.get("msg") == happened.get("msg"), task
    assert _said(predicted) == _said(happened), task
    # Ansible drops the facts of a task that fails, and with them those of the items of a list that did not fail.
    return not (predicted.get("failed") and predicted["changed"])


def _said(result: Json) -> Json:
    said = {key: result[key] for key in SAID if key in result}
    if "endpoint" in result:
        # A deletion shows all settings, also those that Elasticsearch fills in or resets: they are not known before.
        for shown in (said["before"], said["after"], said["diff"]["before"]):
            (shown or {}).pop("chunking_settings", None)
    if "deployments" in result:
        said["deployments"] = [_said(item) for item in result["deployments"]]
    return said


def _is_unforeseen(happened: Json) -> bool:
    failed = [item for item in happened.get("deployments", [happened]) if item.get("failed")]
    return bool(failed) and all(unforeseen(item) for item in failed)
