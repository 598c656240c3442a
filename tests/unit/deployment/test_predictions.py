# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test plans from what earlier tasks of a dry run would have made."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.sizes import stored_size
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.predictions import (
    not_followed,
    predictions,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.start_step import as_shown
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.prediction import NO_PREDICTIONS
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import predictions as followed
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
FACT = "elasticsearch_ml_deployments"
SERVER = Server("9.5.3", "default", "c", "u")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator("9.5.3") as found:
        yield found


def predicted(emulator: Emulator, **options: t.Any) -> Json:
    """Return the entries that a dry run of one task leaves."""
    result = emulator.run(check_mode=True, **options)
    assert not result.get("failed"), result.get("msg")
    return t.cast(Json, result["ansible_facts"][FACT])


def after(entries: Json) -> Json:
    return {"check_mode": True, "predictions": {"deployments": entries}}


# --- the option ---


def entry(**more: t.Any) -> Json:
    return {
        "cluster": {"name": "c", "uuid": "u"},
        "predicted": True,
        "deployment": {"deployment_id": "d", "model_id": "m", "number_of_allocations": 2},
        **more,
    }


def read(value: t.Any, server: Server = SERVER) -> t.Any:
    return predictions({"predictions": {"deployments": {"d": value}}}, server).deployments


def test_only_predicted_entries_of_the_same_cluster_count() -> None:
    [found] = read(entry()).values()
    assert (found.model_id, found.number_of_allocations) == ("m", 2)
    assert read(entry(deployment=None)) == {"d": None}
    assert read(entry(predicted=False)) == {}
    assert read(entry(), Server("9.5.3", "default", "c", "another")) == {}
    for nothing in ({"predictions": None}, {"predictions": {"deployments": None}}):
        assert predictions(nothing, SERVER) == NO_PREDICTIONS


@pytest.mark.parametrize("entry_uuid", ["u", None])
@pytest.mark.parametrize("server_uuid", ["u", ""])
def test_without_both_uuids_the_addresses_decide(entry_uuid: str | None, server_uuid: str) -> None:
    made = entry(cluster={"name": None, "uuid": entry_uuid}, addresses="here")
    here, elsewhere = (Server("9.5.3", "default", "c", server_uuid, addresses) for addresses in ("here", "elsewhere"))
    known = bool(entry_uuid and server_uuid)
    assert len(read(made, here)) == 1
    assert len(read(made, elsewhere)) == known
    option = {"predictions": {"deployments": {"d": [made], "real": {**made, "predicted": False}}}}
    assert not_followed(option, here, "d") == not_followed(option, elsewhere, "another") == ()
    assert not_followed(option, elsewhere, "real") == ()
    assert len(not_followed(option, elsewhere, "d")) == (not known)


def test_of_another_cluster_for_sure_nothing_is_said() -> None:
    other = Server("9.5.3", "default", "c", "another", "elsewhere")
    assert not_followed({"predictions": {"deployments": {"d": entry()}}}, other, "d") == ()


def test_of_several_entries_the_last_of_the_cluster_counts() -> None:
    older, newer = entry(), entry(deployment=None)
    elsewhere = entry(cluster={"name": "c", "uuid": "another"})
    assert read([older, newer, elsewhere]) == {"d": None}
    assert read([newer, older, elsewhere])["d"].model_id == "m"
    assert read([older, entry(predicted=False)]) == read([]) == {}


@pytest.mark.parametrize("many", [False, True])
def test_a_task_warns_of_what_it_cannot_follow(emulator: Emulator, many: bool) -> None:
    emulator.allow("monitor_ml")
    started = predicted(emulator, model_id="m", deployment_id="d")
    elsewhere = {"d": {**started["d"], "addresses": "elsewhere"}}

    def run(entries: Json) -> Json:
        item: Json = {"model_id": "m", "deployment_id": "d"}
        return emulator.run_many([item], **after(entries)) if many else emulator.run(**item, **after(entries))

    assert (run(started)["changed"], run(started)["warnings"]) == (False, [])
    result = run(elsewhere)
    assert result["changed"]
    [warning] = result["warnings"]
    assert warning.startswith("An earlier task of this dry run would change a deployment 'd' at other addresses.")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "is missing"),
        ([entry(), "text"], "is not an object"),
        ("text", "is not an object"),
        ({}, "cluster is missing"),
        (entry(deployment={"deployment_id": "d"}), "deployment.model_id is missing"),
        (
            entry(deployment={**entry()["deployment"], "number_of_allocations": "2"}),
            "number_of_allocations is not a whole",
        ),
    ],
)
def test_what_is_no_entry_is_refused(value: t.Any, what: str) -> None:
    with pytest.raises(Refusal, match=what) as refused:
        read(value)
    assert refused.value.code == "invalid_value"


# --- what Elasticsearch shows of a start ---

START = Deployment("d", "m", cache_size_exact=True)


@pytest.mark.parametrize(
    ("version", "given", "size", "exactly", "shown"),
    [
        ("9.5.3", {}, 1048576, True, (10000, "1048576b")),
        ("9.5.3", {}, 1048576, False, (10000, "1mb")),
        ("9.5.3", {}, None, True, (10000, None)),
        ("8.16.0", {"queue_capacity": 5, "cache_size": "1.5MB"}, 1, True, (5, "1572864b")),
        ("8.16.0", {"cache_size": "1.5MB"}, 1, False, (1024, "1.5mb")),
        ("8.16.0", {"cache_size": "much"}, 1, False, (1024, "much")),
        ("8.3.3", {}, 1048576, True, (1024, None)),
    ],
)
def test_a_start_is_shown_with_the_defaults_of_its_version(
    version: str, given: Json, size: int | None, exactly: bool, shown: t.Any
) -> None:
    found = as_shown(Deployment("d", "m", **given), Server(version, "default", ""), size, exactly=exactly)
    assert (found.queue_capacity, found.cache_size) == shown
    assert (found.model_bytes, found.cache_size_exact) == (size, exactly)


@pytest.mark.parametrize(
    ("given", "stored"),
    [("10K", "10kb"), ("1 GB", "1gb"), ("1.5gb", "1610612736b"), ("0b", "0"), ("-1", "-1"), ("7b", "7b"), ("x", "x")],
)
def test_a_size_is_stored_in_its_own_form(given: str, stored: str) -> None:
    assert stored_size(given) == stored


# --- plans ---


def test_a_second_task_finds_the_model_and_two_equal_tasks_are_one_change(emulator: Emulator) -> None:
    started = predicted(emulator, model_id="m", deployment_id="d")
    scaled = emulator.run(deployment_id="d", number_of_allocations=2, **after(started))
    assert (scaled["operation"], scaled["before"]["queue_capacity"]) == ("update", 10000)
    entries = scaled["ansible_facts"][FACT]
    again = emulator.run(deployment_id="d", number_of_allocations=2, **after(entries))
    assert (again["changed"], again["api_calls"], again["routing_source"]) == (False, [], "prediction")
    assert again["ansible_facts"][FACT] == entries
    assert entries["d"]["predicted"] is True
    assert (entries["d"]["model_bytes"], entries["d"]["cache_size_exact"]) == (1 << 20, True)


def test_a_predicted_stop_hides_what_runs_until_a_task_starts_it(emulator: Emulator) -> None:
    emulator.run(model_id="m", deployment_id="d")
    stopped = predicted(emulator, deployment_id="d", state="stopped")
    assert (stopped["d"]["deployment"], stopped["d"]["predicted"], stopped["d"]["routing_table"]) == (None, True, {})
    again = emulator.run(deployment_id="d", state="stopped", **after(stopped))
    assert (again["changed"], again["ansible_facts"][FACT]) == (False, stopped)
    started = emulator.run(deployment_id="d", model_id="m", **after(stopped))
    assert started["operation"] == "start"


def test_a_task_that_runs_for_real_ignores_predictions(emulator: Emulator) -> None:
    entries = predicted(emulator, model_id="m", deployment_id="d", number_of_allocations=2)
    ignored = {**after(entries), "check_mode": False}
    real = emulator.run(model_id="m", deployment_id="d", number_of_allocations=2, **ignored)
    assert real["operation"] == "start"
    assert real["ansible_facts"][FACT]["d"]["predicted"] is False
    stopped = emulator.run(deployment_id="d", state="stopped", predictions=ignored["predictions"])
    gone = stopped["ansible_facts"][FACT]["d"]
    assert (gone["deployment"], gone["predicted"]) == (None, False)
    listed = emulator.run_many([{"model_id": "m", "deployment_id": "d"}], **ignored)
    assert listed["summary"]["changed"] == 1


def test_a_predicted_update_keeps_what_is_there(emulator: Emulator) -> None:
    emulator.run(model_id="m", deployment_id="d", cache_size="1.5mb")
    scaled = predicted(emulator, deployment_id="d", number_of_allocations=2)
    next_task = emulator.run(deployment_id="d", **after(scaled))
    assert next_task["deployment"]["start_time"] is not None
    assert [route["target_allocations"] for route in next_task["routing_table"].values()] == [2]
    restarted = emulator.run(deployment_id="d", state="restarted", **after(scaled))
    assert restarted["api_calls"][1]["query"]["cache_size"] == "1572864b"
    assert restarted["api_calls"][1]["query"]["number_of_allocations"] == "2"


def test_a_task_that_names_only_the_model_sees_its_predicted_deployments(emulator: Emulator) -> None:
    started = predicted(emulator, model_id="m", deployment_id="d")
    second = emulator.run(model_id="m", **after(started))
    assert "already runs as 'd'" in second["warnings"][0]
    emulator.run(model_id="m", deployment_id="d")
    gone = predicted(emulator, deployment_id="d", state="stopped")
    assert emulator.run(model_id="m", **after(gone))["warnings"] == []


def test_on_serverless_two_equal_tasks_are_one_change() -> None:
    with Emulator("9.5.3", flavor="serverless") as emulator:
        options: Json = {"model_id": "m", "number_of_allocations": 2, "on_adaptive": "skip"}
        started = predicted(emulator, **options)
        again = emulator.run(**options, **after(started))
        assert (again["changed"], again["skipped_because"] is not None) == (False, True)


def test_a_list_follows_with_stop_unlisted_and_its_checks_of_capacity(emulator: Emulator) -> None:
    entries = predicted(emulator, model_id="m", deployment_id="d", number_of_allocations=6)
    stopping: Json = {"stop_unlisted": True, "unlisted_except": []}
    listed = emulator.run_many([{"model_id": "other"}], **stopping, **after(entries))
    assert listed["summary"]["operations"] == {"start": 1, "stop": 1}
    too_many = emulator.run_many([{"model_id": "other", "number_of_allocations": 3}], **after(entries))
    assert too_many["failure"] == {"code": "not_enough_processors"}
    gone = {**listed["ansible_facts"][FACT]}
    assert gone["d"]["deployment"] is None
    again = emulator.run_many([{"model_id": "other"}], **stopping, **after(gone))
    assert (again["changed"], sorted(again["ansible_facts"][FACT])) == (False, ["other"])


def test_a_size_that_only_one_read_shows_is_read_again_for_one_deployment(emulator: Emulator) -> None:
    alone = predicted(emulator, model_id="m", deployment_id="d")["d"]
    listed = emulator.run_many([{"model_id": "m", "deployment_id": "d"}], check_mode=True)["ansible_facts"][FACT]["d"]
    assert alone["deployment"]["cache_size"] == listed["deployment"]["cache_size"] == "1048576b"


# --- aliases ---


def alias_after(emulator: Emulator, **options: t.Any) -> Json:
    """Return the entries that a dry run of a task on an alias leaves."""
    result = emulator.run_alias(True, model_alias="a", **options)
    assert not result.get("failed"), result.get("msg")
    return {"check_mode": True, "predictions": {"aliases": result["ansible_facts"]["elasticsearch_ml_aliases"]}}


def test_a_model_is_found_by_the_alias_that_it_would_have(emulator: Emulator) -> None:
    made = alias_after(emulator, model_id="m")
    assert emulator.run(True, deployment_id="d", model_id="a")["failure"] == {"code": "model_missing"}
    assert emulator.run(deployment_id="d", model_id="a", **made)["deployment"]["model_id"] == "m"
    assert emulator.api("PUT", "/_ml/trained_models/m/model_aliases/a") == 200
    moved = alias_after(emulator, model_id="other", reassign=True)
    assert emulator.run(deployment_id="d", model_id="a", **moved)["deployment"]["model_id"] == "other"
    gone = alias_after(emulator, state="absent")
    assert emulator.run(deployment_id="d", model_id="a", **gone)["failure"] == {"code": "model_missing"}


def test_an_alias_that_would_have_moved_is_no_consumer(emulator: Emulator) -> None:
    emulator.run(model_id="m")
    emulator.run(model_id="other")
    for alias in "ab":
        assert emulator.api("PUT", f"/_ml/trained_models/m/model_aliases/{alias}") == 200
    moved = alias_after(emulator, model_id="other", reassign=True)
    stopped = emulator.run(model_id="m", state="stopped", on_referenced="force", **moved)
    assert stopped["used_by"]["model_aliases"] == ["b"]
    stopped = emulator.run(model_id="other", state="stopped", on_referenced="force", **moved)
    assert stopped["used_by"]["model_aliases"] == ["a"]


# --- inference endpoints that earlier tasks would have made ---

SETTINGS: Json = {"number_of_allocations": 2, "threads_per_allocation": 1}
OWN: Json = {"deployment_id": "e", "model_id": "m", "owned": True, **SETTINGS}


def of_endpoint(emulator: Emulator, shown: Json | None) -> Json:
    """Return the option ``predictions`` after a task on inference endpoint ``e``."""
    some = predicted(emulator, model_id="m", deployment_id="some")["some"]
    made = {**{name: some[name] for name in ("cluster", "addresses", "predicted")}, "run": "r", "order": 1}
    found = followed(("task", "host", ""), "r", {"fact": {"e": {**made, "endpoint": shown}}})
    return {"check_mode": True, "predictions": found}


def shown(deployment: Json | None = OWN, **settings: t.Any) -> Json:
    service = {"model_id": "m", "num_threads": 1, "num_allocations": 2, **settings}
    what = {"inference_id": "e", "task_type": "sparse_embedding", "service": "elasticsearch"}
    return {**what, "service_settings": service, "deployment": deployment}


def make_endpoint(emulator: Emulator) -> None:
    settings = {"model_id": "m", "num_threads": 1, "num_allocations": 2}
    body = {"service": "elasticsearch", "service_settings": settings}
    assert emulator.send({"method": "PUT", "path": "/_inference/sparse_embedding/e", "query": {}, "body": body}) == 200
    emulator.settle()


@pytest.mark.parametrize("access", [("monitor", "monitor_ml"), ("monitor_ml", "monitor_inference")])
def test_a_task_follows_an_endpoint_that_would_be_made(emulator: Emulator, access: tuple[str, ...]) -> None:
    """Test that the deployment is shown as it will be, and belongs to the endpoint."""
    task: Json = {"deployment_id": "e", "number_of_allocations": 3, "on_endpoint_owned": "update_endpoint"}
    with Emulator("9.5.3") as real:
        make_endpoint(real)
        real.allow(*access, "manage_inference")
        happened = real.run(**task)
    emulator.allow(*access, "manage_inference")
    after_it = of_endpoint(emulator, shown())
    said = emulator.run(**task, **after_it)
    names = ("changed", "operation", "before", "after", "diff", "api_calls")
    assert {name: said[name] for name in names} == {name: happened[name] for name in names}
    refused = emulator.run(deployment_id="e", number_of_allocations=3, **after_it)
    assert refused["failure"] == {"code": "owned_by_endpoint"}


def test_a_task_follows_an_endpoint_that_would_be_deleted(emulator: Emulator) -> None:
    make_endpoint(emulator)
    after_it = of_endpoint(emulator, None)
    stopped = emulator.run(deployment_id="e", state="stopped", **after_it)
    assert (stopped["changed"], stopped["operation"]) == (False, "none")
    started = emulator.run(deployment_id="e", model_id="m", **after_it)
    assert (started["operation"], started["after"]["number_of_allocations"]) == ("start", 1)


def test_a_task_follows_an_endpoint_that_would_use_another_deployment(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d")
    emulator.settle()
    attached = shown({**OWN, "deployment_id": "d", "owned": False}, deployment_id="d")
    result = emulator.run(deployment_id="d", state="stopped", **of_endpoint(emulator, attached))
    assert result["failure"] == {"code": "deployment_in_use"}
    assert "is used by inference endpoint 'e'" in result["msg"]


def test_a_model_has_the_users_that_a_dry_run_would_leave(emulator: Emulator) -> None:
    make_endpoint(emulator)
    task: Json = {"model_id": "m", "state": "absent", "check_mode": True}
    assert emulator.run_model(**task)["failure"] == {"code": "model_in_use"}
    assert emulator.run_model(**{**task, **of_endpoint(emulator, None)})["operation"] == "delete"
