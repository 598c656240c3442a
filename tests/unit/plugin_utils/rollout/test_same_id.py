# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is decided about other settings for a deployment that keeps its id."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

import pytest

from support.emulated_cluster import Emulator
from support.rollouts import Client, Failed, Rollout

Json = dict[str, t.Any]
ENDPOINT = "/_inference/sparse_embedding/e"
ID = "/_ml/trained_models/old/_infer"
NEW = {"threads_per_allocation": 2}
BEFORE: Json = {"old": 1}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="old", number_of_allocations=1)
        emulator.settle()
        given: Json = {"inference_id": "e", "task_type": "sparse_embedding", "service": "elasticsearch"}
        emulator.run_endpoint(**given, service_settings={"deployment_id": "old"})
        emulator.forget()
        yield emulator


def rollout(emulator: Emulator, **given: t.Any) -> Rollout:
    return Rollout(emulator, **{"inference_id": "e", "new": NEW, **given})


def by_id(emulator: Emulator, name: str = "old", **given: t.Any) -> Rollout:
    return rollout(emulator, **{"inference_id": "", "deployment_id": name, **given})


def refused(play: Rollout) -> str:
    [text] = play.plan()["refused"]
    return str(text)


def threads(emulator: Emulator) -> Json:
    """Return the threads of each deployment."""
    return {name: each["task_parameters"]["threads_per_allocation"] for name, each in emulator.deployments().items()}


def aliases(emulator: Emulator) -> Json:
    return dict(emulator.control("GET", "/state")["aliases"])


def failing(emulator: Emulator, play: Rollout, step: str) -> None:
    """Let each step of a kind fail."""

    def fail(found: Json) -> None:
        if found["do"] == step:
            emulator.effect("fail_inference", deployment_id="old-temporary", times=50)

    play.before_step = fail


@pytest.mark.parametrize(
    "given",
    [
        {"new": {**NEW, "deployment_id": "old", "model_id": "m"}},
        {"new": {**NEW, "model_id": "other-name"}, "old_deployment_id": ["old"]},
        {"inference_id": "", "deployment_id": "old", "new": NEW},
    ],
)
def test_no_request_fails_while_the_deployment_is_recreated(emulator: Emulator, given: Json) -> None:
    emulator.api("PUT", "/_ml/trained_models/m/model_aliases/other-name")
    emulator.effect("start_deployment", model_id="m", deployment_id="third")
    emulator.settle()
    client, play = Client(emulator, ENDPOINT, ID), rollout(emulator, **given)
    assert play.plan()["notices"] == [
        "While deployment 'old' is recreated, 'old-temporary' answers for it, and 'old' is an alias.",
        "Meanwhile 'third' of the same model get requests for 'old', too.",
    ]
    play.run()
    assert client.failures == []
    assert threads(emulator) == {"old": 2, "third": 1}
    assert aliases(emulator) == {"other-name": "m"}
    [endpoint] = emulator.endpoints("e")["inference_endpoints"]
    assert (endpoint["health"], endpoint["deployment"]["threads_per_allocation"]) == ("ok", 2)
    emulator.forget()
    assert play.run()["notices"] == []
    assert emulator.journal() == []


def test_a_later_task_on_the_endpoint_changes_nothing(emulator: Emulator) -> None:
    rollout(emulator).run()
    settings = {"deployment_id": "old", "num_threads": 2}
    result = emulator.run_endpoint(inference_id="e", service_settings=settings, replace="recreate")
    assert (result["changed"], result["differences"]) == (False, [])


def test_other_settings_begin_another_rollout(emulator: Emulator) -> None:
    play = rollout(emulator)
    play.run()
    play.given["new"] = {"queue_capacity": 5000}
    play.run()
    assert emulator.deployments()["old"]["task_parameters"]["queue_capacity"] == 5000
    assert threads(emulator) == {"old": 2}
    play.run(action="rollback", inference_id="")
    assert emulator.deployments()["old"]["task_parameters"]["queue_capacity"] == 10000
    assert threads(emulator) == {"old": 2}


def test_a_number_of_allocations_needs_no_other_deployment(emulator: Emulator) -> None:
    play = rollout(emulator, new={"number_of_allocations": 3})
    assert [each["do"] for each in play.run()["steps"]] == ["deploy", "note"]
    assert emulator.deployments()["old"]["task_parameters"]["number_of_allocations"] == 3


def test_the_cache_and_the_rest_stay(emulator: Emulator) -> None:
    emulator.effect("stop_deployment", deployment_id="old")
    emulator.run(model_id="m", deployment_id="old", cache_size="5mb", number_of_allocations=2)
    rollout(emulator).run()
    now = emulator.deployments()["old"]["task_parameters"]
    assert (now["cache_size"], now["number_of_allocations"]) == ("5mb", 2)


@pytest.mark.parametrize("step", ["try", "watch"])
def test_what_fails_before_the_stop_never_touches_the_deployment(emulator: Emulator, step: str) -> None:
    play = rollout(emulator, watch={"seconds": 60}, drain_seconds=1)
    failing(emulator, play, step)
    client, through = Client(emulator, ENDPOINT), Client(emulator, "/_ml/trained_models/old-temporary/_infer")
    with pytest.raises(Failed, match="taken back"):
        play.run()
    assert through.answers
    assert (threads(emulator), aliases(emulator)) == (BEFORE, {})
    stopped = [call["path"] for call in emulator.journal() if call["path"].endswith("_stop")]
    assert stopped == ["/_ml/trained_models/old-temporary/deployment/_stop"]
    assert step == "watch" or client.failures == []


def test_settings_with_which_it_does_not_start_are_taken_back(emulator: Emulator) -> None:
    play, client = rollout(emulator), Client(emulator, ENDPOINT, ID)

    def crash(found: Json) -> None:
        if found["title"].startswith("Replace deployment 'old'") and threads(emulator)["old"] == 1:
            emulator.fault("any_write", {"type": "capacity"}, path="/**/old/deployment/_start")

    play.before_step = crash
    with pytest.raises(Failed, match="taken back"):
        play.run()
    assert client.failures == []
    assert (threads(emulator), aliases(emulator)) == (BEFORE, {})


def test_an_alias_that_a_pipeline_names_stays(emulator: Emulator) -> None:
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="old")
    client, play = Client(emulator, ENDPOINT, ID), rollout(emulator)
    assert "Alias 'old' stays: an ingest pipeline names it" in play.plan()["notices"][1]
    play.run()
    play.given["new"] = {**NEW, "queue_capacity": 5000}
    play.run()
    play.run(action="rollback")
    assert client.failures == []
    assert (threads(emulator), aliases(emulator)) == ({"old": 2}, {"old": "m"})


@pytest.mark.parametrize("pipeline", [False, True])
def test_the_cluster_alone_tells_how_to_go_on(emulator: Emulator, pipeline: bool) -> None:
    if pipeline:
        emulator.effect("put_pipeline_reference", pipeline="p", model_id="old")
    play = by_id(emulator, state_file="")
    with emulator.kill(sent=True, what="/old/deployment/_stop"):
        play.run()
    assert set(threads(emulator)) == {"old-temporary"}
    play.run()
    assert (threads(emulator), aliases(emulator)) == ({"old": 2}, {"old": "m"} if pipeline else {})


def test_a_temporary_deployment_that_is_left_is_stopped(emulator: Emulator) -> None:
    play = rollout(emulator, state_file="")
    with emulator.kill(what="/old-temporary/deployment/_stop"):
        play.run()
    text = "Deployment 'old-temporary' is taken for one that is left from a rollout that was killed, and is stopped."
    assert play.run()["notices"] == [text]
    assert threads(emulator) == {"old": 2}


def test_a_deployment_with_that_name_and_other_settings_is_left_alone(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="old-temporary", threads_per_allocation=4)
    emulator.settle()
    rollout(emulator, new={"number_of_allocations": 3}).run()
    assert threads(emulator) == {"old": 1, "old-temporary": 4}


@pytest.mark.parametrize("give", [rollout, by_id])
def test_in_place(emulator: Emulator, give: t.Any) -> None:
    play = give(emulator, strategy="in_place")
    assert play.plan()["notices"] == ["Requests fail from the stop of 'old' on until it answers again."]
    play.run()
    assert (threads(emulator), aliases(emulator)) == ({"old": 2}, {})
    assert play.run()["notices"] == []
    play.run(action="rollback")
    assert (threads(emulator), aliases(emulator)) == (BEFORE, {})


def test_adaptive_allocations_begin_with_the_least(emulator: Emulator) -> None:
    adaptive = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
    emulator.run(deployment_id="old", number_of_allocations=2)
    found = rollout(emulator, new={**NEW, "adaptive_allocations": adaptive}).plan()["notices"]
    assert found[1].startswith("Deployment 'old-temporary' begins with 1 allocations")


def test_what_is_refused_before_the_first_write(emulator: Emulator) -> None:
    for name in ("m", "old-1"):
        emulator.effect("start_deployment", model_id="m", deployment_id=name)
    in_place = "Choose strategy in_place, which is an outage."
    emulator.effect(
        "put_endpoint", inference_id="remote", task_type="completion", service="openai", service_settings={}
    )
    emulator.effect("start_deployment", model_id="m", deployment_id="remote")
    assert "'remote' is the id of an inference endpoint" in refused(by_id(emulator, "remote"))
    text = refused(by_id(emulator, "m"))
    assert text == f"'m' is the id of a model, and no alias can take it over. {in_place}"
    text = refused(by_id(emulator, "old-1"))
    assert text.startswith("'old-1' cannot be an alias,")
    assert text.endswith(in_place)
    assert "begins with a letter or digit and ends with a letter" in text
    text = refused(rollout(emulator))
    assert text.startswith("Deployment 'm' has the id of its model, so Elasticsearch would send all requests for 'old'")
    others: tuple[Json, ...] = ({"keep_old": True}, {"old_deployment_id": ["m"]})
    for given in (*others, {"old_deployment_id": ["m"], "strategy": "in_place"}):
        assert refused(rollout(emulator, **given)).endswith("Leave keep_old and old_deployment_id out.")
    emulator.run_endpoint(
        inference_id="owner",
        task_type="sparse_embedding",
        service="elasticsearch",
        service_settings={"model_id": "m", "num_threads": 1, "num_allocations": 1},
    )
    assert "'owner' is the id of an inference endpoint" in refused(by_id(emulator, "owner"))
    emulator.effect("start_deployment", model_id="other", deployment_id="x")
    emulator.settle()
    emulator.api("PUT", "/_ml/trained_models/other/model_aliases/old")
    assert "Alias 'old' refers to model 'other'" in refused(rollout(emulator))


TEMPORARY = "'old-temporary', the id of the deployment that answers meanwhile,"


@pytest.mark.parametrize("model_id", ["other", "m"])
def test_a_deployment_of_others_with_the_id_of_the_temporary_one(emulator: Emulator, model_id: str) -> None:
    emulator.effect("start_deployment", model_id=model_id, deployment_id="old-temporary", threads_per_allocation=2)
    emulator.settle()
    text = refused(rollout(emulator))
    assert text.startswith(
        f"{TEMPORARY} runs already with model '{model_id}'. Stop it if it is left from a rollout, or"
    )
    play = by_id(emulator, new={"number_of_allocations": 3})
    play.run()
    play.run(action="rollback")
    assert threads(emulator) == {"old": 1, "old-temporary": 2}


@pytest.mark.parametrize("taken", ["alias", "named"])
def test_the_id_of_the_temporary_deployment_is_taken(emulator: Emulator, taken: str) -> None:
    if taken == "alias":
        emulator.api("PUT", "/_ml/trained_models/m/model_aliases/old-temporary")
        text = refused(rollout(emulator))
        assert text.startswith(f"{TEMPORARY} is taken. Choose another new.deployment_id, or strategy in_place")
        return
    emulator.effect("start_deployment", **NEW, model_id="m", deployment_id="old-temporary")
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="old-temporary")
    assert refused(rollout(emulator, state_file="")).startswith(f"{TEMPORARY} is taken: something names it.")


def test_the_way_back_stops_no_deployment_of_others(emulator: Emulator) -> None:
    play = by_id(emulator)
    play.run()
    emulator.effect("start_deployment", model_id="m", deployment_id="old-temporary", threads_per_allocation=4)
    emulator.settle()
    [text] = play.plan(action="rollback")["refused"]
    assert text == f"{TEMPORARY} runs already with model 'm'. Stop it if it is left from a rollout."


def test_a_temporary_deployment_alone_stands_for_no_other(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="search-temporary")
    emulator.settle()
    assert refused(by_id(emulator, "search")).startswith("There is no deployment 'search'.")


def test_what_is_gone_is_started_again_as_the_file_says(emulator: Emulator) -> None:
    play = by_id(emulator)
    with emulator.kill(sent=True, what="/old/deployment/_stop"):
        play.run()
    emulator.api("DELETE", "/_ml/trained_models/m/model_aliases/old")
    emulator.effect("stop_deployment", deployment_id="old-temporary")
    play.run()
    assert (threads(emulator), aliases(emulator)) == ({"old": 2}, {})


def test_a_rollout_that_was_killed_is_finished_in_place(emulator: Emulator) -> None:
    play = by_id(emulator)
    with emulator.kill(sent=True, what="/old/deployment/_stop"):
        play.run()
    play.given["new"] = {"threads_per_allocation": 4}
    assert "answers meanwhile with threads_per_allocation 2, in a rollout that is not finished. Fin" in refused(play)
    play.run(strategy="in_place", new=NEW)
    assert (threads(emulator), aliases(emulator)) == ({"old": 2}, {})
    assert play.plan(new=NEW)["notices"] == []


def test_what_others_change_after_the_rollout_stays(emulator: Emulator) -> None:
    play = by_id(emulator)
    play.run()
    emulator.run(deployment_id="old", number_of_allocations=4)
    play.run()
    assert emulator.deployments()["old"]["task_parameters"]["number_of_allocations"] == 4


def test_another_cache_size_needs_a_temporary_deployment(emulator: Emulator) -> None:
    play, client = by_id(emulator, new={"cache_size": "7mb"}), Client(emulator, ID)
    play.run()
    assert emulator.deployments()["old"]["task_parameters"]["cache_size"] == "7mb"
    emulator.forget()
    play.run()
    assert emulator.journal() == []
    play.run(action="rollback", new={})
    assert emulator.deployments()["old"]["task_parameters"]["cache_size"] == "1048576b"
    assert client.failures == []


def test_a_long_id_is_cut_for_the_temporary_deployment(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="x" * 64)
    emulator.settle()
    by_id(emulator, "x" * 64).run()
    assert threads(emulator) == {"old": 1, "x" * 64: 2}


def test_another_model_under_the_same_id_is_taken_back(emulator: Emulator) -> None:
    play = by_id(emulator, new={"deployment_id": "old", "model_id": "other"}, strategy="in_place")
    play.run()
    models = {name: each["task_parameters"]["model_id"] for name, each in emulator.deployments().items()}
    assert (models, aliases(emulator)) == ({"old": "other"}, {})
    play.run(action="rollback")
    models = {name: each["task_parameters"]["model_id"] for name, each in emulator.deployments().items()}
    assert (models, aliases(emulator)) == ({"old": "m"}, {})


def test_the_file_says_whether_the_alias_stays(emulator: Emulator) -> None:
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="m")
    play = by_id(emulator)
    with emulator.kill(sent=True, what="/old/deployment/_stop"):
        play.run()
    assert json.loads(play.file)["keeps_alias"] is False
    play.run()
    assert aliases(emulator) == {}


def test_another_id_or_model_is_another_rollout(emulator: Emulator) -> None:
    another = rollout(emulator, new={**NEW, "model_id": "m", "deployment_id": "new"})
    assert another.plan()["notices"][-1].startswith("The model stays: leave new.deployment_id out to keep deployment")
    assert len(rollout(emulator, new={"model_id": "other", "deployment_id": "new"}).plan()["notices"]) == 1
    assert refused(rollout(emulator, new={"model_id": "other"})).startswith("new.deployment_id is missing.")
    with emulator.kill(what="/_inference/sparse_embedding"):
        another.run()
    another.given["new"] = NEW
    assert "is not finished" in refused(another)


def test_other_settings_after_a_rollout_with_another_id(emulator: Emulator) -> None:
    play = rollout(emulator, new={**NEW, "model_id": "m", "deployment_id": "new"})
    play.run()
    file, play.given["new"] = play.file, NEW
    play.run()
    assert play.file == file
    play.given["new"] = {"threads_per_allocation": 1}
    play.run()
    assert threads(emulator) == {"new": 1}
    play.run(action="rollback")
    assert threads(emulator) == {"new": 2}


def test_a_rollout_that_began_with_another_id_goes_on_as_it_began(emulator: Emulator) -> None:
    play = rollout(emulator, new={**NEW, "model_id": "m", "deployment_id": "new"})
    with emulator.kill(what="/old/deployment/_stop"):
        play.run()
    assert json.loads(play.file)["old"][0]["deployment_id"] == "old"
    play.run()
    assert threads(emulator) == {"new": 2}
