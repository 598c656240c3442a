# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that a rollout loses no inference, and ends in the same state wherever it is killed."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator, Killed
from support.random_search import FULL
from support.rollouts import Client, Rollout

Json = dict[str, t.Any]
VERSION = "9.5.3"
ALIAS = "/_ml/trained_models/search/_infer"
ID = "/_ml/trained_models/old/_infer"
ENDPOINT = "/_inference/sparse_embedding/e"
NEW = {"model_id": "other", "deployment_id": "new"}


def serving(version: str = VERSION, **options: t.Any) -> Emulator:
    """Return a cluster with a deployment behind an alias."""
    emulator = Emulator(version)
    emulator.effect("start_deployment", model_id="m", deployment_id="old", number_of_allocations=2, **options)
    emulator.settle()
    emulator.api("PUT", "/_ml/trained_models/m/model_aliases/search")
    emulator.forget()
    return emulator


def end_state(emulator: Emulator) -> Json:
    state = emulator.control("GET", "/state")
    found = {name: each["task_parameters"]["model_id"] for name, each in state["deployments"].items()}
    return {"deployments": found, "aliases": state["aliases"]}


@pytest.mark.parametrize("new", [NEW, {"model_id": "m", "deployment_id": "new", "threads_per_allocation": 2}])
def test_no_inference_through_the_alias_fails(new: Json) -> None:
    with serving() as emulator:
        client = Client(emulator, ALIAS)
        rollout = Rollout(emulator, model_alias="search", new=new)
        rollout.run()
        assert client.failures == []
        assert len(client.answers) > 50
        after = end_state(emulator)
        assert after == {"deployments": {"new": new["model_id"]}, "aliases": {"search": new["model_id"]}}
        assert emulator.deployments()["new"]["task_parameters"]["number_of_allocations"] == 2
        emulator.forget()
        file = rollout.file
        rollout.run()
        assert emulator.journal() == []
        assert rollout.file == file


SETTINGS = {"model_id": "m", "deployment_id": "new", "threads_per_allocation": 2}
ROLLOUTS: dict[str, Json] = {
    "another model": {"model_alias": "search", "new": NEW},
    "other settings": {"model_alias": "search", "new": SETTINGS},
    "in place": {"model_alias": "search", "new": NEW, "strategy": "in_place"},
    "deployment": {"deployment_id": "old", "new": {"model_id": "m", "deployment_id": "new"}},
    "endpoint": {"inference_id": "e", "new": NEW},
    "same id": {"inference_id": "e", "new": {"threads_per_allocation": 2}},
    "same id, old version": {"deployment_id": "old", "new": {"threads_per_allocation": 2}},
}
WRITES = {"another model": 3, "other settings": 2, "in place": 3, "deployment": 3, "endpoint": 4}
WRITES |= {"same id": 6, "same id, old version": 6}
VERSIONS = {"same id": "8.19.3", "same id, old version": "8.8.2"}
SAME_ID = tuple(VERSIONS)
PATHS = {"endpoint": (ENDPOINT,), "deployment": (ID,), "same id": (ENDPOINT, ID), "same id, old version": (ID,)}
"""How clients ask; through the alias where nothing else is said."""
LOSES = {"in place", "endpoint"}
"""Where requests fail for a while, and the role says so before."""
SHARE = 24


class Figures(t.NamedTuple):
    """Kill points that were tried, inferences that were asked for, and those that failed, after the kill included."""

    kills: int
    inferences: int
    failed: int


def prepared(kind: str) -> Emulator:
    """Return a cluster whose clients ask as those of the *kind* do."""
    emulator = serving(VERSIONS.get(kind, VERSION))
    if "inference_id" in ROLLOUTS[kind]:
        emulator.api("DELETE", "/_ml/trained_models/m/model_aliases/search")
        settings = {"deployment_id": "old"}
        given: Json = {"inference_id": "e", "task_type": "sparse_embedding", "service": "elasticsearch"}
        emulator.run_endpoint(**given, service_settings=settings)
        emulator.forget()
    return emulator


def expected(kind: str, action: str) -> Json:
    """Return the deployments in the end, with their models."""
    if action == "rollback" or kind in SAME_ID:
        return {"old": "m"}
    return {"new": ROLLOUTS[kind]["new"]["model_id"]}


def threads(emulator: Emulator) -> int:
    return int(emulator.deployments()["old"]["task_parameters"]["threads_per_allocation"])


def requests_of(kind: str, action: str) -> int:
    """Return how many requests a whole rollout, or the way back from it, sends."""
    count = 0
    with prepared(kind) as emulator:
        rollout = Rollout(emulator, **ROLLOUTS[kind])
        if action == "rollback":
            rollout.run()
        request = emulator.request

        def counting(*arguments: t.Any) -> t.Any:
            nonlocal count
            count += 1
            return request(*arguments)

        emulator.request = counting  # type: ignore[method-assign,assignment]
        rollout.run(action=action)
    return count


def killed(kind: str, action: str, share: int, *, keeps_file: bool = True) -> Figures:
    """Kill a rollout, or the way back, at one in *share* of all moments, and run it again."""
    given = ROLLOUTS[kind] if keeps_file else {**ROLLOUTS[kind], "state_file": ""}
    after = expected(kind, action)
    moments = [(number, sent) for number in range(requests_of(kind, action)) for sent in (False, True)]
    kills = inferences = failed = 0
    for number, sent in moments[::share]:
        with prepared(kind) as emulator:
            rollout = Rollout(emulator, **given)
            if action == "rollback":
                rollout.run()
                emulator.forget()
            client = Client(emulator, *PATHS.get(kind, (ALIAS,)))
            with emulator.kill(number, sent):
                rollout.run(action=action)
            rollout.run(action=action)
            assert end_state(emulator)["deployments"] == after, (number, sent)
            if kind in SAME_ID:
                assert threads(emulator) == 1 + (action == "rollout")
                assert end_state(emulator)["aliases"].get("old") is None
            assert len(emulator.journal()) == WRITES[kind], (number, sent)
            assert client.failures == [] or kind in LOSES, (number, sent)
            kills, inferences = kills + 1, inferences + len(client.answers)
            failed += len(client.failures)
    return Figures(kills, inferences, failed)


@pytest.mark.parametrize("action", ["rollout", "rollback"])
@pytest.mark.parametrize("kind", ROLLOUTS)
def test_wherever_it_is_killed_it_does_what_is_left(kind: str, action: str) -> None:
    figures = killed(kind, action, 1 if FULL else 2 * SHARE if kind in SAME_ID else SHARE)
    assert figures.kills > 1
    assert bool(figures.failed) is (kind in LOSES)


def test_where_the_id_is_kept_the_cluster_shows_how_far_it_came() -> None:
    assert killed("same id", "rollout", 1 if FULL else 2 * SHARE, keeps_file=False).failed == 0


@pytest.mark.parametrize("kind", ROLLOUTS)
def test_a_step_that_a_kill_leaves_out_is_taken_by_the_next_run(kind: str) -> None:
    given = ROLLOUTS[kind]
    with prepared(kind) as emulator:
        steps = len(Rollout(emulator, **given).plan()["steps"])
    for number in range(steps):
        with prepared(kind) as emulator:
            rollout = Rollout(emulator, **given)

            def die(step: Json, last: int = number) -> None:
                if step["number"] == last:
                    raise Killed

            rollout.before_step = die
            with pytest.raises(Killed):
                rollout.run()
            rollout.before_step = lambda step: None
            rollout.run()
            assert end_state(emulator)["deployments"] == expected(kind, "rollout"), number
