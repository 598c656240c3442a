# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the decisions of the role rescue on an emulated cluster, in the order in which the role takes them."""

from __future__ import annotations

import datetime
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.filter.rescue_options import FilterModule as Options
from ansible_collections.mlops.elasticsearch.plugins.filter.rescue_plan import FilterModule as Plan
from ansible_collections.mlops.elasticsearch.plugins.filter.rescue_rehearsed import FilterModule as Rehearsed
from ansible_collections.mlops.elasticsearch.plugins.filter.rescue_results import FilterModule as Results
from ansible_collections.mlops.elasticsearch.plugins.module_utils._rescue.reads import age
from ansible_collections.mlops.elasticsearch.plugins.module_utils._rescue.rehearsal import NO_ROOM
from support.emulated_cluster import Emulator, TurnedClock
from support.upgrade_guard import Guard

Json = dict[str, t.Any]
options = Options().filters()["rescue_options"]
plan = Plan().filters()["rescue_plan"]
rehearsed = Rehearsed().filters()["rescue_rehearsed"]
results = Results().filters()["rescue_results"]
MODELS = tuple((name, 1 << 20) for name in ("bad", "fine", "hung", "third"))
NODES = ("n1=4,16gb", "n2=4,16gb")
LATER = 3600
"""Seconds after which the role comes."""


def made(version: str = "9.5.3", nodes: t.Sequence[str] = NODES) -> Emulator:
    """Return a cluster on which one deployment is well."""
    emulator = Emulator(version, nodes, MODELS)
    emulator.effect("start_deployment", model_id="fine", number_of_allocations=1)
    emulator.settle()
    emulator.forget()
    return emulator


def fails(emulator: Emulator, model_id: str = "bad", **settings: t.Any) -> None:
    emulator.effect("start_deployment", model_id=model_id, **settings)
    emulator.settle()
    name = settings.get("deployment_id", model_id)
    for node in emulator.deployments()[name]["routing_table"]:
        emulator.effect("fail_route", deployment_id=name, node_id=node, reason="no memory.")


def hangs(emulator: Emulator, model_id: str = "hung") -> None:
    emulator.effect("hold", deployment_id=model_id)
    emulator.effect("start_deployment", model_id=model_id)
    emulator.settle()


def put_endpoint(emulator: Emulator, name: str, settings: Json) -> None:
    body = {"service": "elasticsearch", "service_settings": settings}
    path = f"/_inference/sparse_embedding/{name}"
    assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200


def is_lost(emulator: Emulator, name: str = "owned", model_id: str = "third", **settings: int) -> None:
    """Make an inference endpoint whose deployment is gone."""
    given = settings or {"num_allocations": 2, "num_threads": 2}
    put_endpoint(emulator, name, {"model_id": model_id, **given})
    emulator.settle()
    emulator.effect("remove_deployment", deployment_id=name)


def now(seconds: float = LATER) -> str:
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def planned(emulator: Emulator, given: Json, record: str | None = None, later: float = LATER) -> Json:
    chosen = options(given)
    assert chosen["refused"] == []
    folder = Path(chosen["recovery_folder"]) if chosen["recovery_folder"] else None
    reads = {
        "deployments": emulator.info(gather=["routing"]),
        "endpoints": emulator.endpoints(gather=["deployment"]),
        "record": record,
        "files": [str(path) for path in sorted(folder.glob("*.json"))] if folder else [],
    }
    found: Json = plan(chosen, reads, now(later))
    return found


def rescue(emulator: Emulator, check_mode: bool = False, text: str | None = None, **given: t.Any) -> Json:
    """Return what the role says; its tasks are played in the order of its files."""
    found = planned(emulator, given, text)
    repair: Json = {}
    after: Json = {}
    together = emulator.run_many(found["rehearsal"], check_mode=True, fact_name="x") if found["rehearsal"] else {}
    alone: list[Json] = []
    predicted: dict[str, list[Json]] = {}
    for item in found["rehearsal"] if (together.get("failure") or {}).get("code") in NO_ROOM else ():
        said = emulator.run_many([item], check_mode=True, fact_name="x", predictions={"deployments": predicted})
        alone.append({**said, "item": item})
        for name, entry in (said.get("ansible_facts") or {}).get("x", {}).items():
            predicted[name] = [{**entry, "run": "r", "order": len(alone)}]
    rehearsal = rehearsed(found, together, alone)
    if rehearsal["deployments"] and not check_mode:
        repair = emulator.run_many(rehearsal["deployments"], fact_name="x")
        after = planned(emulator, given, text)
    done: Json = results(found, {"rehearsal": rehearsal, "repair": repair, "after": after}, check_mode)
    return done


def ends(result: Json) -> Json:
    """Return the ids by how it ended for them."""
    return {
        "repaired": result["repaired"],
        **{end: [each["id"] for each in result[end]] for end in ("broken", "untouched")},
    }


def settings_of(emulator: Emulator, name: str) -> Json:
    given: Json = emulator.deployments()[name]["task_parameters"]
    return {
        key: given[key] for key in ("model_id", "number_of_allocations", "threads_per_allocation", "queue_capacity")
    }


BROKEN: dict[str, t.Callable[[Emulator], None]] = {"bad": fails, "hung": hangs, "owned": is_lost}


@pytest.mark.parametrize("version", ["8.17.0", "9.5.3"])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_comes_back(version: str, name: str) -> None:
    with made(version) as emulator:
        BROKEN[name](emulator)
        emulator.forget()
        predicted = rescue(emulator, check_mode=True)
        assert ends(predicted) == {"repaired": [name], "broken": [], "untouched": []}
        assert emulator.journal() == []
        if name == "hung":
            # The restart helps, and the wait before it did not.
            at_request(emulator, "_stop", lambda: emulator.effect("release", deployment_id="hung"))
        result = rescue(emulator)
        assert ends(result) == ends(predicted), result["summary"]
        assert result["failed"] == []
        assert [call["path"] for call in result["api_calls"]] == [call["path"] for call in predicted["api_calls"]]
        assert emulator.info(name)["deployments"][0]["health"] == "ok"
        emulator.forget()
        again = rescue(emulator)
        assert (again["found"], again["summary"]) == ([], ["Nothing is broken."])
        assert emulator.journal() == []


def at_request(emulator: Emulator, part: str, act: t.Callable[[], object]) -> None:
    """Let another client act right before the first request whose path has *part*."""
    inner = emulator.request
    done: list[bool] = []

    def request(method: str, target: str, *arguments: t.Any) -> t.Any:
        if part in target and not done:
            done.append(True)
            act()
        return inner(method, target, *arguments)

    emulator.request = request  # type: ignore[method-assign,assignment]


def test_a_failed_deployment_keeps_its_settings_though_it_is_used() -> None:
    with made() as emulator:
        fails(emulator, deployment_id="search", number_of_allocations=2, threads_per_allocation=2, queue_capacity=300)
        put_endpoint(emulator, "user", {"deployment_id": "search"})
        before = settings_of(emulator, "search")
        result = rescue(emulator)
        assert result["repaired"] == ["search"]
        assert settings_of(emulator, "search") == before
        assert result["summary"][1].startswith("Deployment 'search' has failed: 0 of 2 allocations run; node n")
        assert result["summary"][2] == "  Repaired: stop it and start it again."
        assert result["summary"][3].startswith(
            "Request: POST /_ml/trained_models/search/deployment/_stop?allow_no_match=false&force=true"
        )


def test_a_deployment_that_waits_has_the_time_that_it_needs() -> None:
    with made() as emulator:
        hangs(emulator)
        # It was started a moment ago, or by a clock that goes ahead.
        assert planned(emulator, {"stuck_after": "2h"})["found"] == []
        [young] = planned(emulator, {}, later=-LATER)["found"]
        assert young["kind"] == "stuck"
        assert age(None, now()) is None
        # What comes up while it is watched is not stopped.

        def comes_up() -> None:
            emulator.effect("release", deployment_id="hung")
            emulator.pass_time()

        emulator.clock = TurnedClock(comes_up)
        emulator.forget()
        assert rescue(emulator)["repaired"] == ["hung"]
        assert emulator.journal() == []


def test_what_goes_on_hanging_is_still_broken() -> None:
    with made() as emulator:
        hangs(emulator)
        result = rescue(emulator)
        assert ends(result) == {"repaired": [], "broken": ["hung"], "untouched": []}
        [sentence] = result["failed"]
        assert sentence.startswith("Deployment 'hung' is still broken: ")
        assert result["summary"][0] == "1 broken: 0 repaired, 1 left"


def test_a_deployment_without_a_node_is_not_tried() -> None:
    with made() as emulator:
        emulator.effect("start_deployment", model_id="hung", number_of_allocations=1)
        for node in ("id-n1", "id-n2"):
            emulator.effect("remove_node", node_id=node)
        emulator.settle()
        emulator.forget()
        result = rescue(emulator)
        assert ends(result) == {"repaired": [], "broken": ["fine", "hung"], "untouched": []}
        assert "no node with room for it" in result["failed"][0]
        assert emulator.journal() == []


def test_what_has_no_room_is_said_and_not_tried() -> None:
    with made(nodes=("n1=6,16gb",)) as emulator:
        is_lost(emulator)
        is_lost(emulator, "small", "bad", num_allocations=1, num_threads=1)
        emulator.effect("start_deployment", model_id="hung", threads_per_allocation=2)
        emulator.settle()
        emulator.forget()
        # It does not keep another one from being repaired, for which there is room.
        predicted = rescue(emulator, check_mode=True)
        assert ends(predicted) == {"repaired": ["small"], "broken": ["owned"], "untouched": []}
        assert (
            "The ML nodes have room for 1 of the 2 allocations of deployment 'owned'." in predicted["broken"][0]["why"]
        )
        assert emulator.journal() == []
        result = rescue(emulator)
        assert ends(result) == ends(predicted)
        assert result["api_calls"] == predicted["api_calls"]
        assert len(emulator.journal()) == 1
        assert ends(rescue(emulator)) == {"repaired": [], "broken": ["owned"], "untouched": []}
        assert len(emulator.journal()) == 1


def test_more_than_the_limit_is_left_alone() -> None:
    with made() as emulator:
        for break_one in reversed(BROKEN.values()):
            break_one(emulator)
        emulator.forget()
        for check_mode in (True, False):
            result = rescue(emulator, check_mode, limit=2)
            assert result["failed"] == [
                "3 are broken, and the limit is 2: 'bad' (failed), 'hung' (stuck), 'owned' (endpoints). So many at "
                "once are the fault of the cluster, and nothing was repaired. Look at its nodes first, or raise the "
                "limit."
            ]
            assert ends(result) == {"repaired": [], "broken": ["bad", "hung", "owned"], "untouched": []}
            assert result["summary"][0] == "Nothing was repaired."
        assert emulator.journal() == []
        fewer = planned(emulator, {"limit": 1, "kinds": ["failed"]})
        assert [each["id"] for each in fewer["found"]] == ["bad"]
        chosen = planned(emulator, {"deployments": "o*, hu*", "except": ["hun?"], "limit": 1})
        assert [each["id"] for each in chosen["found"]] == ["owned"]


def test_what_another_client_stops_is_not_touched() -> None:
    with made() as emulator:
        hangs(emulator)
        emulator.effect("stop_deployment", deployment_id="fine")
        emulator.forget()
        # It stops the other one between the rehearsal and the repair.
        stop = {"do": "stop_deployment", "deployment_id": "hung"}
        inner = emulator.run_many

        def run_many(items: t.Sequence[Json], check_mode: bool = False, **given: t.Any) -> Json:
            if not check_mode:
                emulator.control("POST", "/effects", stop)
            return inner(items, check_mode, **given)

        emulator.run_many = run_many  # type: ignore[method-assign]
        result = rescue(emulator)
        assert ends(result) == {"repaired": [], "broken": [], "untouched": ["fine", "hung"]}
        assert result["failed"] == []
        assert emulator.journal() == []
        assert "  Not touched: another client may have meant it" in "".join(result["summary"])


def test_zero_that_a_request_wakes_is_not_lost() -> None:
    with made() as emulator:
        adaptive = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2}
        emulator.effect("start_deployment", model_id="bad", adaptive_allocations=adaptive)
        emulator.settle()
        emulator.effect("set_number", deployment_id="bad", number_of_allocations=0)
        emulator.settle()
        assert planned(emulator, {})["found"] == []


# --- killed between the stop and the start ---


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_that_was_killed(kept: bool, tmp_path: Path) -> None:
    with made() as emulator:
        fails(emulator, deployment_id="search", number_of_allocations=2, queue_capacity=300)
        before = settings_of(emulator, "search")
        given: Json = {"recovery_folder": str(tmp_path)} if kept else {}
        with emulator.kill(what="_start"):
            rescue(emulator, **given)
        assert "search" not in emulator.deployments()
        result = rescue(emulator, **given)
        # Without the file only a record or an endpoint knows it.
        assert result["repaired"] == (["search"] if kept else [])
        if kept:
            assert result["found"][0]["kind"] == "lost"
            assert settings_of(emulator, "search") == before
            assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_killed_while_it_stopped(tmp_path: Path) -> None:
    with made() as emulator:
        fails(emulator, deployment_id="search")
        given: Json = {"recovery_folder": str(tmp_path)}
        with emulator.kill(what="_stop", sent=True):
            rescue(emulator, **given)
        # Its own stop is not that of another client.
        assert rescue(emulator, **given)["repaired"] == ["search"]
        assert settings_of(emulator, "search")["model_id"] == "bad"


def test_a_file_of_a_deployment_that_runs_is_no_loss(tmp_path: Path) -> None:
    with made() as emulator:
        (tmp_path / "fine.json").write_text("{}")
        assert planned(emulator, {"recovery_folder": str(tmp_path)})["found"] == []


# --- what could not be read ---


def test_endpoints_that_may_not_be_read() -> None:
    with made() as emulator:
        fails(emulator)
        emulator.allow("monitor_ml", "manage_ml")
        result = rescue(emulator, check_mode=True)
        assert result["repaired"] == ["bad"]
        assert result["notices"][0].startswith("Inference endpoints were not read, so those whose deployment is gone")


def test_a_cluster_that_is_not_there() -> None:
    with made() as emulator:
        emulator.fault("any", {"type": "drop"}, times=100)
        result = rescue(emulator)
        assert result["failed"]
        assert result["found"] == []


def test_tasks_that_say_nothing_of_a_deployment() -> None:
    with made() as emulator:
        fails(emulator)
        found = planned(emulator, {})
        lost = {"failure": {"code": "connection_failed"}, "msg": "Cannot connect.", "deployments": []}
        for together, sentence in ((lost, "Cannot connect."), ({"rc": 1}, "A task has no result.")):
            rehearsal = rehearsed(found, together, [])
            assert rehearsal["deployments"] == []
            result = results(found, {"rehearsal": rehearsal, "repair": {}, "after": {}}, False)
            assert (result["failed"], result["broken"][0]["why"]) == ([sentence], "it was not reached")
        alone = [{**lost, "item": {"deployment_id": "bad"}}]
        assert rehearsed(found, {"failure": {"code": "no_capacity"}}, alone)["not_taken"] == {"bad": "Cannot connect."}
        assert results({"found": []}, {"rehearsal": {}, "repair": {}, "after": {}}, True)["summary"][0].startswith(
            "Nothing is broken"
        )


# --- with a record of the role upgrade_guard ---


def recorded(emulator: Emulator, **changes: t.Any) -> str:
    guard = Guard(emulator)
    guard.use(action="record")
    return json.dumps({**json.loads(str(guard.text)), **changes})


def test_what_was_recorded_and_is_gone_is_lost() -> None:
    with made() as emulator:
        adaptive = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2}
        emulator.effect("start_deployment", model_id="bad", deployment_id="a", queue_capacity=300)
        emulator.effect("start_deployment", model_id="bad", deployment_id="b", adaptive_allocations=adaptive)
        emulator.settle()
        put_endpoint(emulator, "user", {"deployment_id": "a"})
        before = settings_of(emulator, "a")
        text = recorded(emulator)
        assert planned(emulator, {"record": "r"}, text)["found"] == []
        for name in ("a", "b"):
            emulator.effect("remove_deployment", deployment_id=name)
        # An endpoint that is only attached knows less of it.
        result = rescue(emulator, text=text, record="r")
        assert [(each["id"], each["kind"]) for each in result["found"]] == [("a", "lost"), ("b", "lost")]
        assert result["repaired"] == ["a", "b"], result["summary"]
        assert settings_of(emulator, "a") == before
        assert emulator.deployments()["b"]["adaptive_allocations"] == adaptive
        assert rescue(emulator, text=text, record="r")["found"] == []


def test_an_endpoint_that_made_a_deployment_knows_it_best() -> None:
    with made() as emulator:
        put_endpoint(emulator, "owned", {"model_id": "third", "num_allocations": 1, "num_threads": 1})
        put_endpoint(emulator, "both", {"model_id": "bad", "num_allocations": 1, "num_threads": 1})
        emulator.settle()
        text = recorded(emulator)
        emulator.effect("remove_deployment", deployment_id="owned")
        emulator.effect("remove_deployment", deployment_id="both")
        emulator.effect("remove_endpoint", inference_id="both")
        found = planned(emulator, {"record": "r"}, text)
        assert [(each["id"], each["kind"], each["why_not"]) for each in found["found"]] == [
            ("both", "lost", "the inference endpoint that made it is gone, too"),
            ("owned", "endpoints", None),
        ]
        assert [each["id"] for each in planned(emulator, {"kinds": "endpoints"}, text)["found"]] == ["owned"]
        assert [each["id"] for each in planned(emulator, {"kinds": "lost", "record": "r"}, text)["found"]] == [
            "both",
            "owned",
        ]


@pytest.mark.parametrize(
    ("changes", "refused", "notice"),
    [
        ({"format": 99}, "r has the format 99, and this role reads 1.", ""),
        ({"cluster": {"name": "x", "uuid": "y"}}, "r is a record of the cluster x, and this is another one.", ""),
        ({"state": "quiesced"}, "", "r says that the cluster is quiesced, so what it lists is not lost."),
    ],
)
def test_records_that_tell_nothing(changes: Json, refused: str, notice: str) -> None:
    with made() as emulator:
        text = recorded(emulator, **changes)
        emulator.effect("remove_deployment", deployment_id="fine")
        found = planned(emulator, {"record": "r"}, text)
        assert (found["found"], found["deployments"]) == ([], [])
        assert " ".join(found["refused"]).startswith(refused)
        assert " ".join(found["notices"]).startswith(notice)


def test_a_record_that_cannot_be_compared_or_is_not_there() -> None:
    with made() as emulator:
        text = recorded(emulator)
        assert planned(emulator, {"record": "r"})["refused"] == [
            "There is no record r. The role upgrade_guard writes it."
        ]
        emulator.allow("monitor_ml")
        [refused] = planned(emulator, {"record": "r"}, text)["refused"]
        assert refused == "r cannot be compared with the cluster: its uuid needs the cluster privilege monitor."


def test_an_endpoint_that_does_not_say_what_it_ran() -> None:
    shown = {"inference_id": "e", "task_type": "rerank", "service": "elasticsearch", "health": "lost"}
    endpoint = {**shown, "service_settings": {"deployment_id": "d"}}
    reads = {"deployments": {"failure": None}, "endpoints": {"failure": None, "inference_endpoints": [endpoint]}}
    [found] = plan(options({}), reads, now())["found"]
    assert (found["id"], found["why_not"]) == ("d", "the endpoint does not say which model it ran")


def test_limits_of_the_owner_hold() -> None:
    with made() as emulator:
        is_lost(emulator)
        result = rescue(emulator, guard={"max": 1})
        assert ends(result) == {"repaired": [], "broken": ["owned"], "untouched": []}
        assert "guard" in result["broken"][0]["why"]


@pytest.mark.parametrize("begun", [{}, {"refused": []}])
def test_a_task_that_fails_before_the_plan_is_a_failure(begun: Json) -> None:
    """Test that it does not read as if nothing were broken, for instance because the record is a folder."""
    result = results(begun, {"rehearsal": {}, "repair": {}, "after": {}}, False)
    assert result["failed"] == ["The cluster or its record could not be read."]
    assert result["summary"] == ["Nothing was repaired.", "The cluster or its record could not be read."]


def test_what_keeps_the_deployments_from_being_read_is_said_once() -> None:
    unread: Json = {"failure": {"code": "connection_failed"}, "msg": "Cannot connect."}
    assert plan(options({}), {"deployments": unread, "endpoints": unread}, now())["refused"] == ["Cannot connect."]
