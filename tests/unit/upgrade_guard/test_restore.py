# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is restored, on the same and on a newer server, and the audit of differences."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.upgrade_guard import NIGHT, RESTORE, Guard

Json = dict[str, t.Any]
ADAPTIVE: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 3}


def deployed(emulator: Emulator, deployment_id: str, **settings: t.Any) -> None:
    emulator.effect("start_deployment", **{"model_id": "m", "deployment_id": deployment_id, **settings})
    emulator.settle()


def endpoint(emulator: Emulator, **settings: t.Any) -> None:
    service = {"model_id": "other", "num_threads": 1, "num_allocations": 1, **settings}
    given: Json = {"inference_id": "owner", "task_type": "text_embedding", "service": "elasticsearch"}
    assert emulator.run_endpoint(**given, service_settings=service)["failure"] is None


def rows(planned: Json) -> list[tuple[str, str, str, t.Any, t.Any]]:
    names = ("kind", "id", "setting", "recorded", "now")
    return [tuple(row[name] for name in names) for row in planned["drift"]]


def settings_of(emulator: Emulator) -> Json:
    """Return the settings of all deployments, without figures that only some versions show."""
    found = emulator.deployments()
    names = ("model_id", "threads_per_allocation", "number_of_allocations", "queue_capacity", "cache_size", "priority")
    return {
        key: ([each["task_parameters"][name] for name in names], each.get("adaptive_allocations"))
        for key, each in found.items()
    }


@pytest.mark.parametrize(("old", "new"), [("8.9.2", "8.15.0"), ("8.16.0", "9.5.3"), ("9.5.3", "9.5.3")])
def test_restore_exactly(old: str, new: str) -> None:
    with Emulator(old) as emulator:
        deployed(emulator, "fixed", number_of_allocations=2, threads_per_allocation=2, cache_size="5000b")
        deployed(emulator, "low", priority="low", queue_capacity=99)
        if emulator.has(8, 16):
            deployed(emulator, "scaled", adaptive_allocations=ADAPTIVE)
            endpoint(emulator)
        emulator.run_alias(model_alias="a", model_id="m")
        before = settings_of(emulator)
        guard = Guard(emulator)
        guard.use(**NIGHT)
        assert emulator.deployments() == {}
        emulator.effect("upgrade_server", version=new)
        audit = guard.plan(**RESTORE)
        assert {row[:3] for row in rows(audit)} == {("deployment", name, "state") for name in before}
        done = guard.use(**RESTORE)
        assert (done["failed"], done["differences"], done["restored"]) == ([], 0, sorted(before))
        assert settings_of(emulator) == before
        assert guard.use(**RESTORE)["restored"] == []


def test_what_differs_is_put_back() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "number", number_of_allocations=2)
        deployed(emulator, "fixed", number_of_allocations=1)
        deployed(emulator, "bounds", adaptive_allocations={"enabled": True, "min_number_of_allocations": 1})
        deployed(emulator, "scaled", adaptive_allocations=ADAPTIVE)
        emulator.run_alias(model_alias="moved", model_id="m")
        guard = Guard(emulator)
        guard.use(action="record")
        before = settings_of(emulator)
        emulator.run_many(
            [
                {"deployment_id": "number", "number_of_allocations": 1},
                {"deployment_id": "fixed", "adaptive_allocations": {"enabled": True, "max_number_of_allocations": 2}},
                {"deployment_id": "bounds", "adaptive_allocations": ADAPTIVE},
                {"deployment_id": "scaled", "adaptive_allocations": {"enabled": False}, "number_of_allocations": 1},
            ]
        )
        deployed(emulator, "new", model_id="other")
        emulator.run_alias(model_alias="moved", model_id="other", reassign=True)
        emulator.run_alias(model_alias="beside", model_id="m")
        assert rows(guard.plan(**RESTORE)) == [
            ("deployment", "bounds", "adaptive_allocations", "1 to any", "1 to 3"),
            ("deployment", "fixed", "adaptive_allocations", "off", "any to 2"),
            ("deployment", "number", "number_of_allocations", 2, 1),
            ("deployment", "scaled", "adaptive_allocations", "1 to 3", "off (1 to 3)"),
            ("alias", "moved", "model_id", "m", "other"),
        ]
        left = guard.use(**RESTORE, aliases="leave")
        assert (left["failed"], left["differences"], len(left["drift"])) == ([], 0, 1)
        assert left["table"][2].split() == ["alias", "moved", "model_id", "m", "other", "(accepted)"]
        done = guard.use(**RESTORE)
        assert (done["failed"], done["differences"], done["aliases"]) == ([], 0, ["moved"])
        assert done["unrecorded"] == {"deployments": ["new"], "inference_endpoints": [], "model_aliases": ["beside"]}
        assert {**settings_of(emulator), "new": None} == {
            **before,
            "new": None,
            "fixed": settings_of(emulator)["fixed"],
        }
        assert settings_of(emulator)["fixed"][1]["enabled"] is False
        # It is stopped only if the task says so.
        assert guard.use(**RESTORE, stop_unrecorded=True)["stopped"] == ["new"]


def test_a_setting_that_only_a_start_sets() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "d", queue_capacity=50)
        guard = Guard(emulator)
        guard.use(action="record")
        emulator.effect("remove_deployment", deployment_id="d")
        deployed(emulator, "d", queue_capacity=60, cache_size="1kb", threads_per_allocation=2)
        refused = guard.use(**RESTORE)
        assert (refused["record"]["state"], len(refused["failed"]), refused["differences"]) == ("recorded", 1, 3)
        assert "queue_capacity" in refused["failed"][0]
        assert guard.use(**RESTORE, replace="stop_start")["differences"] == 0


def test_a_queue_that_is_too_long_now() -> None:
    with Emulator("8.16.0") as emulator:
        deployed(emulator, "long", queue_capacity=500_000)
        deployed(emulator, "runs", queue_capacity=500_000)
        guard = Guard(emulator)
        guard.use(**NIGHT, **{"except": "runs"})
        emulator.effect("upgrade_server", version="9.5.3")
        text = (
            "Deployment 'long' was recorded with queue_capacity 500000, and Elasticsearch 9.5.3 starts at most 100000."
        )
        refused = guard.plan(**RESTORE)
        assert refused["refused"] == [f"{text} Set on_bounded: adjust to start it within the bound."]
        assert refused["notices"] == [text]
        done = guard.use(**RESTORE, on_bounded="adjust")
        assert (done["failed"], done["differences"], done["restored"]) == ([], 0, ["long"])
        assert [row["accepted"] for row in done["drift"]] == [True]
        again = guard.use(**RESTORE, on_bounded="adjust")
        assert (again["failed"], again["restored"]) == ([], [])
        # A task that accepts no difference learns which option does.
        assert guard.plan(**RESTORE)["refused"] == refused["refused"]


def test_low_priority_takes_one_allocation() -> None:
    with Emulator("8.16.0") as emulator:
        deployed(emulator, "number", priority="low")
        deployed(
            emulator, "bound", priority="low", adaptive_allocations={"enabled": True, "min_number_of_allocations": 2}
        )
        emulator.effect("set_number", deployment_id="number", number_of_allocations=3)
        emulator.effect("set_adaptive", deployment_id="bound", adaptive_allocations=ADAPTIVE)
        guard = Guard(emulator)
        guard.use(**NIGHT)
        emulator.effect("upgrade_server", version="9.5.3")
        assert [text.rpartition(" with ")[0].split(", and")[0] for text in guard.plan(**RESTORE)["refused"]] == [
            "Deployment 'bound' was recorded with max_number_of_allocations 3",
            "Deployment 'number' was recorded with number_of_allocations 3",
        ]
        done = guard.use(**RESTORE, on_bounded="adjust")
        assert (done["failed"], done["differences"], done["restored"]) == ([], 0, ["bound", "number"])
        again = guard.use(**RESTORE, on_bounded="adjust")
        assert (again["failed"], again["restored"]) == ([], [])


def test_zero_allocations_and_deployments_that_may_sleep() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "frozen")
        deployed(emulator, "sleeps", adaptive_allocations={"enabled": True, "min_number_of_allocations": 0})
        for name in ("frozen", "sleeps"):
            emulator.effect("set_number", deployment_id=name, number_of_allocations=0)
        guard = Guard(emulator)
        guard.use(**NIGHT)
        planned = guard.plan(**RESTORE)
        assert planned["notices"] == ["Deployment 'frozen' was recorded with 0 allocations, and starts with 1."]
        assert all(item["allow_zero"] for item in planned["items"])
        assert guard.use(**RESTORE)["differences"] == 0


def test_the_deployment_of_an_endpoint() -> None:
    with Emulator("9.5.3") as emulator:
        endpoint(emulator)
        guard = Guard(emulator)
        guard.use(action="record")
        # Its number is changed through the endpoint, so that both agree.
        emulator.run_endpoint(inference_id="owner", service_settings={"num_allocations": 3})
        emulator.forget()
        assert guard.use(**RESTORE)["restored"] == ["owner"]
        assert [call["path"] for call in emulator.journal()] == ["/_inference/text_embedding/owner/_update"]
        # Without the endpoint there is nothing that could own it.
        emulator.run_endpoint(inference_id="owner", state="absent", force=True)
        done = guard.use(**RESTORE)
        assert done["notices"] == [
            "Deployment 'owner' is not started: the inference endpoint that made it is gone. "
            "Make the endpoint again, which starts it."
        ]
        assert {(row["kind"], row["now"]) for row in done["drift"]} == {
            ("deployment", "not there"),
            ("endpoint", "not there"),
        }
        assert done["failed"] == [
            "2 differences from the record remain: deployment owner: state started, now not there; "
            "endpoint owner: state there, now not there."
        ]


def test_an_older_version_changes_the_deployment_itself() -> None:
    with Emulator("8.19.21") as emulator:
        endpoint(emulator)
        guard = Guard(emulator)
        guard.use(action="record")
        emulator.run_endpoint(inference_id="owner", service_settings={"num_allocations": 2})
        [item] = guard.plan(**RESTORE)["items"]
        assert item["on_endpoint_owned"] == "update_deployment"


def test_an_endpoint_that_uses_another_deployment() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "one", model_id="other")
        deployed(emulator, "two", model_id="other")
        settings = {"service_settings": {"deployment_id": "one"}}
        attached: Json = {"inference_id": "e", "task_type": "text_embedding", "service": "elasticsearch"}
        emulator.effect(
            "put_endpoint", **{**attached, "service_settings": {**settings["service_settings"], "model_id": "other"}}
        )
        guard = Guard(emulator)
        guard.use(action="record")
        emulator.effect("remove_endpoint", inference_id="e")
        emulator.effect(
            "put_endpoint", **{**attached, "service_settings": {"deployment_id": "two", "model_id": "other"}}
        )
        assert rows(guard.plan(**RESTORE)) == [("endpoint", "e", "deployment_id", "one", "two")]


def test_a_deployment_that_stops_or_failed() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "stops")
        deployed(emulator, "fails")
        guard = Guard(emulator)
        guard.use(action="record")
        emulator.effect("hold", deployment_id="stops")
        emulator.effect("stop_deployment", deployment_id="stops")
        emulator.effect("fail_route", deployment_id="fails", reason="by the test")
        planned = guard.plan(**RESTORE)
        assert rows(planned) == [
            ("deployment", "fails", "state", "started", "failed"),
            ("deployment", "stops", "state", "started", "stopping"),
        ]
        # What stops is started with all of its settings; what failed is for the user to recover.
        by_id = {item["deployment_id"]: item for item in planned["items"]}
        assert by_id["fails"] == {"deployment_id": "fails"}
        assert by_id["stops"]["model_id"] == "m"


def test_what_is_excepted_and_what_lies_between_versions() -> None:
    with Emulator("8.3.0", nodes=("n1=4,16gb",)) as emulator:
        deployed(emulator, "m")
        guard = Guard(emulator)
        guard.use(**NIGHT)
        emulator.effect("upgrade_server", version="9.5.3")
        planned = guard.plan(**RESTORE, **{"except": ["m"]})
        assert (planned["items"], planned["drift"]) == ([], [])
        assert ["counted on each node" in text for text in planned["notices"]] == [True, False]
        assert planned["left_out"] == ["m"]
        for version, words in (("8.2.0", "model_threads"), ("9.6.0", "an older one")):
            older = Guard(emulator, str(guard.text).replace('"8.3.0"', f'"{version}"'))
            assert any(words in text for text in older.plan(**RESTORE)["notices"])


def test_threads_that_were_not_known() -> None:
    """Test it with the record of an Elasticsearch 8.4 whose statistics show wrong ones."""
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "d")
        guard = Guard(emulator)
        guard.use(**NIGHT)
        guard.text = str(guard.text).replace('"threads_per_allocation": 1', '"threads_per_allocation": null')
        [text] = guard.plan(**RESTORE)["notices"]
        assert "was recorded with threads_per_allocation that were not known, and starts with the default." in text
        assert guard.use(**RESTORE)["differences"] == 0


def test_the_upgrade_mode_of_the_record() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("set_setting", name="upgrade_mode", value=True)
        guard = Guard(emulator)
        guard.use(action="record")
        emulator.effect("set_setting", name="upgrade_mode", value=False)
        assert rows(guard.plan(**RESTORE)) == [("upgrade mode", "", "enabled", True, False)]
        assert guard.use(**RESTORE)["upgrade_mode"] == "on"


def test_nodes_for_maintenance() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "both", number_of_allocations=6)
        deployed(emulator, "one")
        deployed(emulator, "other", model_id="other")
        on = {each["deployment_id"]: list(each["routing_table"]) for each in emulator.info()["deployments"]}
        night = {**NIGHT, "quiesce": {"mode": "stop_nodes", "nodes": ["n1"]}}
        guard = Guard(emulator)
        expected = sorted(name for name, nodes in on.items() if "id-n1" in nodes)
        assert "both" in expected
        assert len(expected) < 3
        unknown = guard.plan(**{**night, "quiesce": {"mode": "stop_nodes", "nodes": ["n1", "n7"]}})
        assert unknown["refused"] == ["quiesce.nodes has n7, and no ML node has this name or id. There are: n1 and n2."]
        done = guard.use(**night)
        assert done["stopped"] == expected
        assert guard.use(**RESTORE)["restored"] == expected
        by_id = guard.plan(
            **{**night, "quiesce": {"mode": "stop_nodes", "nodes": "id-n[12]"}}, finish_pending_work=True
        )
        assert [item["deployment_id"] for item in by_id["items"]] == ["both", "one", "other"]
        assert all(item["finish_pending_work"] for item in by_id["items"])


def test_serverless_has_no_upgrade_mode() -> None:
    with Emulator("9.5.3", flavor="serverless") as emulator:
        guard = Guard(emulator)
        guard.use(action="record")
        assert guard.plan(**RESTORE)["drift"] == []


def test_limits_of_an_owner() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "d")
        guard = Guard(emulator)
        refused = guard.use(**NIGHT, guard={"min": 1})
        assert (refused["stopped"], len(refused["failed"])) == ([], 1)
        assert guard.use(**NIGHT)["stopped"] == ["d"]


def test_the_mode_none_records_only() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "d")
        done = Guard(emulator).use(action=["record", "quiesce"], quiesce={"mode": "none"})
        assert (done["stopped"], done["record"]["state"]) == ([], "recorded")
