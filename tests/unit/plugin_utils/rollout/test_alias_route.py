# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is decided about a rollout behind a model alias."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

import pytest

from support.emulated_cluster import Emulator
from support.rollouts import Client, Failed, Rollout

Json = dict[str, t.Any]
NEW = {"model_id": "other", "deployment_id": "new"}
SAME = {"model_id": "m", "deployment_id": "new"}
ALIAS = "/_ml/trained_models/search/_infer"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator("9.5.3") as emulator:
        start(emulator, "old", number_of_allocations=2)
        alias(emulator, "m")
        emulator.forget()
        yield emulator


def start(emulator: Emulator, deployment_id: str, model_id: str = "m", **options: t.Any) -> None:
    emulator.effect("start_deployment", model_id=model_id, deployment_id=deployment_id, **options)
    emulator.settle()


def alias(emulator: Emulator, model_id: str, name: str = "search") -> None:
    emulator.api("PUT", f"/_ml/trained_models/{model_id}/model_aliases/{name}?reassign=true")


def aliases(emulator: Emulator) -> Json:
    return t.cast("Json", emulator.control("GET", "/state")["aliases"])


def rollout(emulator: Emulator, **given: t.Any) -> Rollout:
    return Rollout(emulator, **{"model_alias": "search", "new": NEW, **given})


def kinds(plan: Json) -> list[str]:
    assert plan["refused"] == []
    return [each["do"] for each in plan["steps"]]


def refused(emulator: Emulator, **given: t.Any) -> str:
    plan = rollout(emulator, **given).plan()
    assert plan["steps"] == plan["rehearsal"] == []
    [text] = plan["refused"]
    return str(text)


def test_the_steps_and_what_check_mode_plays_of_them(emulator: Emulator) -> None:
    plan = rollout(emulator, watch={"seconds": "1m"}, drain_seconds=4, drain_sleep=2).plan()
    assert kinds(plan) == ["note", "deploy", "try", "alias", "watch", "note", "drain", "stop", "note"]
    assert [each["do"] for each in plan["rehearsal"]] == ["deploy", "try", "alias", "stop"]
    assert [each["undo"] for each in plan["steps"]] == [True] * 6 + [False] * 2 + [True]
    drain = plan["steps"][6]
    assert (drain["retries"], drain["delay"]) == (2, 2)
    assert plan["steps"][1]["arguments"] == {
        "deployment_id": "new",
        "model_id": "other",
        "number_of_allocations": 2,
        "threads_per_allocation": 1,
        "priority": "normal",
        "queue_capacity": 10000,
        "wait_for": "answering",
    }
    assert "strategy in_place stops 'old' first" in plan["no_room"]


def test_a_failure_after_the_end_takes_nothing_back(emulator: Emulator) -> None:
    play = rollout(emulator)
    play.run()
    plan = play.plan()
    assert [(each["do"], each["undo"]) for each in plan["steps"]] == [("deploy", False), ("alias", False)]


def test_less_is_done_if_less_is_asked_for(emulator: Emulator) -> None:
    less = {"smoke_test": {"enabled": "false"}, "keep_old": True, "state_file": ""}
    assert kinds(rollout(emulator, **less).plan()) == ["deploy", "alias"]


def test_the_new_deployment_is_like_the_old_one_where_nothing_else_is_asked_for(emulator: Emulator) -> None:
    bounds = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}

    def asked(**new: t.Any) -> Json:
        plan = rollout(emulator, new={**NEW, **new}).plan()
        return t.cast("Json", plan["state"]["new"])

    assert asked(number_of_allocations=3)["number_of_allocations"] == 3
    assert "number_of_allocations" not in asked(adaptive_allocations=bounds)
    emulator.run(deployment_id="old", adaptive_allocations=bounds)
    assert asked()["adaptive_allocations"] == bounds
    note = "Deployment 'new' begins with 1 allocations, and Elasticsearch adds more by load. There are 2 now"
    assert rollout(emulator).plan()["notices"][0].startswith(note)
    assert "adaptive_allocations" not in asked(number_of_allocations=3)
    assert asked(initial_number_of_allocations=4)["initial_number_of_allocations"] == 4
    emulator.effect("set_number", deployment_id="old", number_of_allocations=0)
    emulator.run(deployment_id="old", adaptive_allocations={**bounds, "min_number_of_allocations": 0}, allow_zero=True)
    plan = rollout(emulator).plan()
    assert plan["state"]["new"]["allow_zero"]
    assert plan["steps"][1]["arguments"]["wait_for"] == "fully_allocated"


def test_an_alias_that_is_missing_is_made_and_taken_away_again() -> None:
    with Emulator("8.10.4") as emulator:
        play = rollout(emulator)
        assert play.run()["notices"] == []
        assert aliases(emulator) == {"search": "other"}
        assert set(emulator.deployments()) == {"new"}
        play.run(action="rollback")
        assert aliases(emulator) == {}
        assert set(emulator.deployments()) == set()
        emulator.forget()
        assert "was taken back already" in play.run(action="rollback")["notices"][0]
        assert emulator.journal() == []


def test_an_alias_can_take_over_the_id_of_a_deployment(emulator: Emulator) -> None:
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="old")
    client = Client(emulator, "/_ml/trained_models/old/_infer")
    play = rollout(emulator, model_alias="old", new=SAME)
    assert play.plan()["state"]["previous_model_id"] is None
    # Alias search would lead to nothing if the new deployment ran another model.
    stop = rollout(emulator, model_alias="old").plan()["rehearsal"][-1]["arguments"]
    assert stop["on_referenced"] == "fail"
    play.run()
    assert client.failures == []
    assert set(emulator.deployments()) == {"new"}
    assert aliases(emulator) == {"old": "m", "search": "m"}


def test_an_alias_that_takes_over_an_id_may_lead_to_another_model() -> None:
    with Emulator("9.5.3") as emulator:
        start(emulator, "old")
        emulator.effect("put_pipeline_reference", pipeline="p", model_id="old")
        client = Client(emulator, "/_ml/trained_models/old/_infer")
        rollout(emulator, model_alias="old").run()
        assert client.failures == []
        assert (set(emulator.deployments()), aliases(emulator)) == ({"new"}, {"old": "other"})


@pytest.mark.parametrize("consumer", ["endpoint", "pipeline"])
def test_a_deployment_that_others_name_is_not_stopped(emulator: Emulator, consumer: str) -> None:
    if consumer == "endpoint":
        settings = {"deployment_id": "old", "model_id": "m", "num_threads": 1, "num_allocations": 1}
        emulator.effect(
            "put_endpoint",
            inference_id="e",
            task_type="sparse_embedding",
            service="elasticsearch",
            service_settings=settings,
        )
    else:
        emulator.effect("put_pipeline_reference", pipeline="p", model_id="old")
    for new in (NEW, SAME):
        stop = rollout(emulator, new=new).plan()["rehearsal"][-1]["arguments"]
        assert stop["on_referenced"] == "fail"
        stop = rollout(emulator, new=new, on_referenced="force").plan()["rehearsal"][-1]["arguments"]
        assert stop["on_referenced"] == "force"
    if consumer == "endpoint":
        stop = rollout(emulator, new=SAME, model_alias="old").plan()["rehearsal"][-1]["arguments"]
        assert stop["on_referenced"] == "fail"


def test_consumers_that_cannot_be_read_may_name_it(emulator: Emulator) -> None:
    emulator.allow("manage_ml", "monitor")
    stop = rollout(emulator, new=SAME).plan()["rehearsal"][-1]["arguments"]
    assert stop["on_referenced"] == "fail"


def test_who_names_the_alias_or_the_model_uses_the_other_deployment(emulator: Emulator) -> None:
    for name in ("search", "m"):
        emulator.effect("put_pipeline_reference", pipeline=f"p-{name}", model_id=name)
    client = Client(emulator, ALIAS, "/_ml/trained_models/m/_infer")
    rollout(emulator, new=SAME).run()
    assert client.failures == []
    assert set(emulator.deployments()) == {"new"}


def test_a_deployment_with_the_id_of_its_model_gets_all_requests_until_it_is_gone() -> None:
    with Emulator("9.5.3") as emulator:
        start(emulator, "m")
        alias(emulator, "m")
        emulator.effect("put_pipeline_reference", pipeline="p", model_id="m")
        play = rollout(emulator, new=SAME)
        assert "those that arrive while it stops fail (409)" in play.plan()["notices"][0]
        assert rollout(emulator, new=SAME, keep_old=True).plan()["notices"] == []
        client = Client(emulator, ALIAS)
        play.run()
        assert {status for _path, status, _text in client.failures} <= {409}
        assert set(emulator.deployments()) == {"new"}
        assert "as soon as it begins to start" in refused(emulator, new={"model_id": "m", "deployment_id": "m"})


def test_what_is_refused(emulator: Emulator) -> None:
    assert refused(emulator, new={"model_id": "m"}).startswith("new.deployment_id is missing.")
    assert refused(emulator, new={"deployment_id": "d"}).startswith("new.model_id is missing.")
    assert "the deployment that serves now" in refused(
        emulator, new={"model_id": "m", "deployment_id": "old"}, old_deployment_id="old"
    )
    assert refused(emulator, old_deployment_id=["gone", "old"]) == (
        "old_deployment_id names 'gone', which is not deployed. There are 'old'."
    )
    start(emulator, "beside")
    several = "Model 'm' has the deployments 'beside', 'old', and which of them the rollout ends is not certain."
    assert refused(emulator).startswith(several)
    assert rollout(emulator, keep_old=True).plan()["refused"] == []
    assert rollout(emulator, old_deployment_id="old").plan()["state"]["old"][0]["deployment_id"] == "old"
    assert rollout(emulator, old_deployment_id=[]).plan()["state"]["old"] == []
    several_old = rollout(emulator, old_deployment_id=["old", "beside"])
    assert "number_of_allocations" not in several_old.plan()["state"]["new"]
    several_old.run()
    assert set(emulator.deployments()) == {"new"}


def test_an_id_that_is_taken_is_refused(emulator: Emulator) -> None:
    for given in ({}, {"strategy": "in_place"}):
        assert refused(emulator, new={"model_id": "other", "deployment_id": "search"}, **given).startswith(
            "new.deployment_id is 'search', an alias of model 'm': Elasticsearch starts no other model under it."
        )
        assert "'m', the id of model 'm'" in refused(emulator, new={"model_id": "other", "deployment_id": "m"}, **given)
    same = {"model_id": "m", "deployment_id": "search"}
    assert rollout(emulator, new=same).plan()["refused"] == []
    start(emulator, "other-there", "other", threads_per_allocation=2)
    busy = {"model_id": "m", "deployment_id": "other-there"}
    text = "'other-there', which runs already, with model_id other and threads_per_allocation 2: that changes only by"
    assert text in refused(emulator, new=busy)
    assert refused(emulator, new=busy).endswith("Choose another id, or strategy in_place.")
    assert rollout(emulator, new=busy, strategy="in_place").plan()["refused"] == []
    assert "with queue_capacity 10000" in refused(
        emulator, new={"model_id": "m", "deployment_id": "old", "queue_capacity": 5}
    )


def test_a_smoke_test_that_fails_takes_back_what_the_role_started(emulator: Emulator) -> None:
    client = Client(emulator, ALIAS)
    failing = {"smoke_test": {"expect": {"label": "no"}}}
    with pytest.raises(Failed, match=r"not as expected.*taken back"):
        rollout(emulator, **failing).run()
    assert client.failures == []
    assert (set(emulator.deployments()), aliases(emulator)) == ({"old"}, {"search": "m"})
    start(emulator, "new", "other")
    with pytest.raises(Failed):
        rollout(emulator, **failing).run()
    assert set(emulator.deployments()) == {"old", "new"}


@pytest.mark.parametrize("new", [NEW, SAME])
def test_a_watch_that_fails_takes_everything_back(emulator: Emulator, new: Json) -> None:
    play = rollout(emulator, new=new, watch={"seconds": 60, "allow": {"failed": 1}})

    def failing(step: Json) -> None:
        if step["do"] == "watch":
            emulator.effect("fail_inference", deployment_id="new", times=50)

    play.before_step = failing
    client = Client(emulator, "/_ml/trained_models/new/_infer", ALIAS)
    with pytest.raises(Failed, match=r"failed [0-9]+ of 'new', allowed 1.*taken back"):
        play.run()
    assert client.answers
    assert (set(emulator.deployments()), aliases(emulator)) == ({"old"}, {"search": "m"})
    assert json.loads(play.file)["phase"] == "rolled_back"
    play.before_step = lambda step: None
    play.run()
    assert set(emulator.deployments()) == {"new"}


def test_in_place_says_the_outage_and_goes_back(emulator: Emulator) -> None:
    play = rollout(emulator, strategy="in_place")
    plan = play.plan()
    assert plan["notices"] == ["Requests fail from the stop of 'old' on until deployment 'new' answers."]
    assert kinds(plan) == ["note", "stop", "deploy", "try", "alias", "note", "note"]
    assert plan["no_room"] == ""
    before = emulator.deployments()["old"]["task_parameters"]
    with pytest.raises(Failed, match="taken back"):
        rollout(emulator, strategy="in_place", smoke_test={"expect": {"label": "no"}}).run()
    assert emulator.deployments()["old"]["task_parameters"] == before
    assert set(emulator.deployments()) == {"old"}
    play.run()
    assert (set(emulator.deployments()), aliases(emulator)) == ({"new"}, {"search": "other"})
    play.run(action="rollback", strategy="")
    assert (set(emulator.deployments()), aliases(emulator)) == ({"old"}, {"search": "m"})


def test_in_place_under_the_same_id(emulator: Emulator) -> None:
    new = {"model_id": "m", "deployment_id": "old", "threads_per_allocation": 2}
    play = rollout(emulator, strategy="in_place", new=new)
    play.run()
    assert emulator.deployments()["old"]["task_parameters"]["threads_per_allocation"] == 2
    play.run(action="rollback")
    assert emulator.deployments()["old"]["task_parameters"]["threads_per_allocation"] == 1


def test_another_client_has_moved_the_alias(emulator: Emulator) -> None:
    play = rollout(emulator)
    play.before_step = lambda step: alias(emulator, "third") if step["do"] == "alias" else None
    emulator.control("POST", "/models", {"model_id": "third", "bytes": 1})
    emulator.effect("start_deployment", model_id="third", deployment_id="third")
    emulator.settle()
    with pytest.raises(Failed, match="another client has changed it"):
        play.run()
    assert aliases(emulator)["search"] == "third"


def test_an_alias_that_was_moved_after_the_rollout_is_left_alone(emulator: Emulator) -> None:
    play = rollout(emulator)
    play.run()
    emulator.control("POST", "/models", {"model_id": "third", "bytes": 1})
    start(emulator, "third", "third")
    alias(emulator, "third")
    text = "Alias 'search' refers to model 'third' now, and neither to 'other' nor to what was there"
    assert play.plan()["refused"][0].startswith(text)
    assert play.plan(action="rollback")["refused"][0].startswith(text)


def test_a_file_of_another_rollout(emulator: Emulator) -> None:
    play = rollout(emulator)
    with emulator.kill(what="/model_aliases/"):
        play.run()
    other = {"model_id": "other", "deployment_id": "newest"}
    text = "state_file has the rollout of deployment 'new' that began at 2026-12-01T09:00:00Z, and it is not finished."
    assert play.plan(new=other)["refused"][0].startswith(text)
    play.run()
    assert play.plan(new=other)["state"]["old"][0]["deployment_id"] == "new"
    assert play.plan(action="rollback", model_alias="second")["refused"] == [
        "state_file is about model_alias 'search', and not about 'second'."
    ]
    play.file = ""
    assert play.plan(action="rollback")["refused"][0].startswith("There is nothing to take back")


def test_a_rollback_that_was_killed_goes_on(emulator: Emulator) -> None:
    play = rollout(emulator)
    play.run()
    with emulator.kill(sent=True, what="_start"):
        play.run(action="rollback")
    assert json.loads(play.file)["phase"] == "rolling_back"
    with pytest.raises(Failed, match="taken back"):
        play.run()
    assert (set(emulator.deployments()), aliases(emulator)) == ({"old"}, {"search": "m"})


def test_without_the_file_the_cluster_tells_what_it_can(emulator: Emulator) -> None:
    play = rollout(emulator)
    with emulator.kill(sent=True, what="/model_aliases/"):
        play.run()
    play.file = ""
    plan = play.plan()
    assert kinds(plan) == ["deploy", "alias"]
    assert "name it in old_deployment_id" in plan["notices"][0]
    assert play.plan(old_deployment_id="gone")["refused"] == []
    client = Client(emulator, ALIAS)
    play.run(old_deployment_id="old")
    assert client.failures == []
    assert set(emulator.deployments()) == {"new"}


def test_what_was_kept_can_be_stopped_later(emulator: Emulator) -> None:
    play = rollout(emulator, keep_old=True)
    play.run()
    assert set(emulator.deployments()) == {"old", "new"}
    assert kinds(play.plan()) == ["deploy", "alias"]
    play.run(keep_old=False)
    assert set(emulator.deployments()) == {"new"}
    emulator.forget()
    play.run(keep_old=False)
    assert emulator.journal() == []


def test_the_way_back_to_a_deployment_with_the_id_of_its_model() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="m")
        emulator.settle()
        emulator.api("PUT", "/_ml/trained_models/m/model_aliases/search")
        client, play = Client(emulator, ALIAS), rollout(emulator, new=SAME)
        play.run()
        assert play.plan(action="rollback")["notices"][0].endswith("fail (409): it starts as 'm-before'.")
        start(emulator, "m-before", "other")
        [text] = play.plan(action="rollback")["refused"]
        assert text.startswith("'m-before', the id under which 'm' starts again, belongs to model 'other'.")
        emulator.effect("stop_deployment", deployment_id="m-before")
        play.run(action="rollback")
        assert set(emulator.deployments()) == {"m-before"}
        assert client.failures == []


def test_what_others_change_after_the_rollout_stays(emulator: Emulator) -> None:
    play = rollout(emulator)
    play.run()
    emulator.run(deployment_id="new", number_of_allocations=4)
    play.run()
    assert emulator.deployments()["new"]["task_parameters"]["number_of_allocations"] == 4
