# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is decided about a rollout for clients that name an inference endpoint or a deployment."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

import pytest

from support.emulated_cluster import Emulator
from support.rollouts import Client, Failed, Rollout

Json = dict[str, t.Any]
NEW = {"model_id": "other", "deployment_id": "new"}
SAME = {"model_id": "m", "deployment_id": "new", "threads_per_allocation": 2}
ENDPOINT = "/_inference/sparse_embedding/e"
FAILING = {"smoke_test": {"expect": {"label": "no"}}}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="old", number_of_allocations=2)
        emulator.settle()
        yield emulator


def attach(emulator: Emulator, name: str = "e", **settings: t.Any) -> None:
    """Make an inference endpoint, which uses the deployment old or has its own."""
    given: Json = {"inference_id": name, "task_type": "sparse_embedding", "service": "elasticsearch"}
    assert not emulator.run_endpoint(**given, service_settings=settings or {"deployment_id": "old"}).get("failed")
    emulator.forget()


def used(emulator: Emulator, name: str = "e") -> str | None:
    [found] = [each for each in emulator.endpoints()["inference_endpoints"] if each["inference_id"] == name]
    return found["deployment"] and str(found["deployment"]["deployment_id"])


def rollout(emulator: Emulator, **given: t.Any) -> Rollout:
    return Rollout(emulator, **{"inference_id": "e", "new": NEW, **given})


def refused(emulator: Emulator, **given: t.Any) -> str:
    [text] = rollout(emulator, **given).plan()["refused"]
    return str(text)


@pytest.mark.parametrize("new", [NEW, SAME])
def test_an_endpoint_is_made_again_with_the_new_deployment(emulator: Emulator, new: Json) -> None:
    attach(emulator)
    client = Client(emulator, ENDPOINT)
    play = rollout(emulator, new=new)
    assert "requests that arrive between the two fail (404)" in play.plan()["notices"][0]
    play.run()
    assert (used(emulator), set(emulator.deployments())) == ("new", {"new"})
    assert {status for _path, status, _text in client.failures} == {404}
    emulator.forget()
    assert play.run()["notices"] == []
    assert emulator.journal() == []
    play.run(action="rollback", inference_id="")
    assert (used(emulator), set(emulator.deployments())) == ("old", {"old"})


@pytest.mark.parametrize("adaptive", [False, True])
def test_an_endpoint_with_a_deployment_of_its_own(emulator: Emulator, adaptive: bool) -> None:
    bounds = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
    number: Json = {"adaptive_allocations": bounds} if adaptive else {"num_allocations": 1}
    attach(emulator, model_id="m", num_threads=2, **number)
    play = rollout(emulator)
    plan = play.plan()
    assert plan["no_room"] == ""
    assert plan["state"]["new"]["threads_per_allocation"] == 2
    assert [each["do"] for each in plan["steps"]] == ["note", "deploy", "try", "endpoint", "note", "note"]
    before = emulator.deployments()["e"]["task_parameters"]
    play.run()
    assert (used(emulator), set(emulator.deployments())) == ("new", {"old", "new"})
    play.run(action="rollback")
    assert (used(emulator), set(emulator.deployments())) == ("e", {"old", "e"})
    assert emulator.deployments()["e"]["task_parameters"] == before
    for more in ({"strategy": "in_place"}, {"keep_old": True}):
        assert "made its deployment itself" in refused(emulator, **more)


def test_others_that_use_the_deployment_of_an_endpoint(emulator: Emulator) -> None:
    attach(emulator, model_id="m", num_threads=1, num_allocations=1)
    attach(emulator, "second", deployment_id="e")
    assert refused(emulator).startswith("Deployment 'e' ends with its inference endpoint, and 'second' use it, too.")
    assert rollout(emulator, on_referenced="force").plan()["refused"] == []


def test_what_is_refused_of_an_endpoint(emulator: Emulator) -> None:
    assert refused(emulator).startswith("There is no inference endpoint 'e'.")
    settings = {"model_id": "x"}
    emulator.effect(
        "put_endpoint", inference_id="e", task_type="completion", service="openai", service_settings=settings
    )
    assert "uses no deployment of the cluster" in refused(emulator)
    assert refused(emulator, new={}).startswith("new.deployment_id is missing.")
    attach(emulator, "f")
    taken = {"model_id": "other", "deployment_id": "m"}
    assert "'m', the id of model 'm'" in refused(emulator, inference_id="f", new=taken)


def test_another_client_has_changed_the_endpoint(emulator: Emulator) -> None:
    attach(emulator)
    play = rollout(emulator)
    with emulator.kill(what="/_inference/sparse_embedding"):
        play.run()
    emulator.effect("start_deployment", model_id="m", deployment_id="third")
    emulator.settle()
    emulator.run_endpoint(
        inference_id="e", service_settings={"deployment_id": "third"}, replace="recreate", on_referenced="force"
    )
    assert play.plan()["refused"][0].startswith("Inference endpoint 'e' uses deployment 'third' now")


def test_an_endpoint_that_was_deleted_when_the_role_was_killed_is_made_again(emulator: Emulator) -> None:
    attach(emulator)
    play = rollout(emulator)
    for survived in range(9):
        with emulator.kill(survived, sent=True, what="/_inference/"):
            play.run()
        if "e" not in emulator.control("GET", "/state")["endpoints"]:
            break
    assert "e" not in emulator.control("GET", "/state")["endpoints"]
    play.run()
    assert (used(emulator), set(emulator.deployments())) == ("new", {"new"})


@pytest.mark.parametrize("step", ["try", "watch"])
@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_a_failure_takes_the_endpoint_back(emulator: Emulator, step: str, strategy: str) -> None:
    attach(emulator)
    play = rollout(emulator, strategy=strategy, watch={"seconds": 60})

    def fail(found: Json) -> None:
        if found["do"] == step:
            emulator.effect("fail_inference", deployment_id="new", times=50)

    play.before_step = fail
    Client(emulator, "/_ml/trained_models/new/_infer")
    with pytest.raises(Failed, match="taken back"):
        play.run()
    assert (used(emulator), set(emulator.deployments())) == ("old", {"old"})


def test_an_endpoint_that_uses_the_new_deployment_already(emulator: Emulator) -> None:
    attach(emulator)
    play = rollout(emulator, new={"model_id": "m", "deployment_id": "old"}, keep_old=True)
    play.run()
    assert play.plan()["notices"] == []
    play.run(action="rollback")
    assert (used(emulator), set(emulator.deployments())) == ("old", {"old"})


def test_a_new_deployment_that_was_there_before_stays_on_the_way_back(emulator: Emulator) -> None:
    attach(emulator)
    emulator.effect("start_deployment", **NEW)
    emulator.settle()
    play = rollout(emulator)
    play.run()
    play.run(action="rollback")
    assert (used(emulator), set(emulator.deployments())) == ("old", {"old", "new"})


def test_an_alias_takes_over_the_id_of_a_deployment(emulator: Emulator) -> None:
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="old")
    client = Client(emulator, "/_ml/trained_models/old/_infer")
    play = rollout(emulator, inference_id="", deployment_id="old", new=SAME)
    assert play.plan()["notices"] == ["From the switch on 'old' is an alias: the next rollout moves it."]
    play.run()
    assert client.failures == []
    assert set(emulator.deployments()) == {"new"}
    assert json.loads(play.file)["route"] == "deployment"
    emulator.forget()
    assert play.run()["notices"] == []
    assert emulator.journal() == []


def test_the_way_back_to_a_deployment(emulator: Emulator) -> None:
    play = rollout(emulator, inference_id="", deployment_id="old", new=SAME)
    play.run()
    client = Client(emulator, "/_ml/trained_models/old/_infer")
    play.run(action="rollback")
    assert client.failures == []
    state = emulator.control("GET", "/state")
    assert (set(state["deployments"]), state["aliases"]) == ({"old"}, {})
    with pytest.raises(Failed, match="taken back"):
        rollout(emulator, inference_id="", deployment_id="old", new=SAME, **FAILING).run()
    assert set(emulator.deployments()) == {"old"}


@pytest.mark.parametrize("new", [NEW, SAME])
@pytest.mark.parametrize("fails", [True, False])
def test_an_id_that_a_pipeline_names_stays_an_alias(emulator: Emulator, new: Json, fails: bool) -> None:
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="old")
    client = Client(emulator, "/_ml/trained_models/old/_infer")
    play = rollout(emulator, inference_id="", deployment_id="old", new=new, watch={"seconds": 9, "allow": {}})
    if fails:
        play.before_step = lambda step: (
            emulator.effect("crash_process", deployment_id="new") if step["do"] == "watch" else None
        )
        with pytest.raises(Failed, match="taken back"):
            play.run()
    else:
        play.run()
        play.run(action="rollback")
        assert client.failures == []
    moved = new is NEW and not fails
    state = emulator.control("GET", "/state")
    assert set(state["deployments"]) == {"old-before" if moved else "old"}
    assert state["aliases"] == {"old": "m"}
    emulator.forget()
    play.run(action="rollback")
    assert emulator.journal() == []


def test_ids_that_no_alias_takes_over(emulator: Emulator) -> None:
    for name in ("m", "old-1"):
        emulator.effect("start_deployment", model_id="m", deployment_id=name)

    def why(name: str) -> str:
        return refused(emulator, inference_id="", deployment_id=name)

    assert why("gone").startswith("There is no deployment 'gone'.")
    assert why("m").startswith("'m' is the id of a model, and no alias can take it over.")
    assert why("old-1").startswith("'old-1' cannot be an alias, which would take the id over")
