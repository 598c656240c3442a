# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what a record keeps, and how it meets an earlier one."""

from __future__ import annotations

import json
import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.upgrade_guard import NIGHT, RESTORE, Guard, options_of, plan_of

Json = dict[str, t.Any]
ADAPTIVE: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 3}


def deployed(emulator: Emulator, deployment_id: str, **settings: t.Any) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id=deployment_id, **settings)
    emulator.settle()


def read(guard: Guard) -> Json:
    return t.cast(Json, json.loads(str(guard.text)))


def test_all_settings_are_recorded() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "fixed", number_of_allocations=2, threads_per_allocation=2, cache_size="5000b")
        deployed(emulator, "scaled", adaptive_allocations=ADAPTIVE, queue_capacity=7)
        emulator.effect("set_number", deployment_id="scaled", number_of_allocations=3)
        emulator.run_endpoint(
            inference_id="owner",
            task_type="text_embedding",
            service="elasticsearch",
            service_settings={"model_id": "other", "num_threads": 1, "num_allocations": 1},
        )
        emulator.run_alias(model_alias="a", model_id="m")
        deployed(emulator, "stops", priority="low")
        emulator.effect("hold", deployment_id="stops")
        emulator.effect("stop_deployment", deployment_id="stops")
        guard = Guard(emulator)
        done = guard.use(action="record")
        record = read(guard)
    assert {name: record[name] for name in ("format", "state", "recorded_at", "upgrade_mode", "server", "cluster")} == {
        "format": 1,
        "state": "recorded",
        "recorded_at": "t1",
        "upgrade_mode": False,
        "server": {"version": "9.5.3", "flavor": "default"},
        "cluster": {"name": "double", "uuid": "dOuBleUuIdForTheClUsTer"},
    }
    # One that stops is gone soon.
    fixed, owned, scaled = record["deployments"]
    assert fixed == {
        "deployment_id": "fixed",
        "model_id": "m",
        "number_of_allocations": 2,
        "adaptive_allocations": None,
        "initial_number_of_allocations": None,
        "threads_per_allocation": 2,
        "priority": "normal",
        "queue_capacity": 10000,
        "cache_size": "5000b",
        "cache_size_exact": True,
        "assignment_state": "started",
        "owner": None,
    }
    assert (owned["deployment_id"], owned["owner"], owned["number_of_allocations"]) == ("owner", "owner", 1)
    # The number of the moment is information.
    assert (scaled["number_of_allocations"], scaled["initial_number_of_allocations"]) == (None, 3)
    assert (scaled["adaptive_allocations"], scaled["queue_capacity"]) == (ADAPTIVE, 7)
    assert record["model_aliases"] == {"a": "m"}
    [endpoint] = record["inference_endpoints"]
    assert (endpoint["deployment_id"], endpoint["model_id"], endpoint["owned"]) == ("owner", "other", True)
    assert (done["record"]["written"], done["record"]["deployments"], done["stopped"]) == (True, 3, [])


def test_a_cache_size_without_the_cluster_state() -> None:
    """Test that the default is left to the server, and that another one is known to the decimal only."""
    with Emulator("9.5.3", flavor="serverless") as emulator:
        deployed(emulator, "default")
        deployed(emulator, "own", cache_size="4567890b")
        deployed(emulator, "off", cache_size="0")
        guard = Guard(emulator)
        assert guard.use(action="record")["failed"] == []
        cut = {
            each["deployment_id"]: (each["cache_size"], each["cache_size_exact"]) for each in read(guard)["deployments"]
        }
        assert cut == {"default": (None, True), "off": ("0b", False), "own": ("4.3mb", False)}
        for name in cut:
            emulator.effect("remove_deployment", deployment_id=name)
        planned = guard.plan(action="restore")
        assert len([note for note in planned["notices"] if "cut to a decimal" in note]) == 2
        assert [item.get("cache_size") for item in planned["items"]] == [None, "0b", "4508877b"]
        done = guard.use(action="restore")
        assert (done["failed"], done["differences"], done["restored"]) == ([], 0, ["default", "off", "own"])
        guard.text = str(guard.text).replace('"4.3mb"', '"unlimited"')
        assert [row["recorded"] for row in guard.plan(action="restore")["drift"]] == ["unlimited"]
        emulator.effect("remove_deployment", deployment_id="own")
        deployed(emulator, "own")
        [row] = guard.plan(action="restore")["drift"]
        assert (row["recorded"], row["now"]) == ("unlimited", None)
        emulator.effect("remove_deployment", deployment_id="own")
        assert guard.plan(action="restore")["items"][2]["cache_size"] == "unlimited"


def test_a_second_night_loses_nothing() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "a", number_of_allocations=2)
        deployed(emulator, "b")
        emulator.run_alias(model_alias="gone", model_id="m")
        guard = Guard(emulator)
        guard.use(**NIGHT)
        first = guard.text
        emulator.run_alias(model_alias="gone", state="absent")
        again = guard.use(**NIGHT)
        assert (guard.text, again["stopped"], again["record"]["written"]) == (first, [], False)
        assert again["record"]["kept"] == ["a", "b"]
        # Another deployment came in between, and one with the same id and other settings.
        deployed(emulator, "c")
        deployed(emulator, "b", number_of_allocations=3)
        third = guard.use(**NIGHT)
        assert (third["stopped"], third["record"]["kept"]) == (["b", "c"], ["a"])
        numbers = {each["deployment_id"]: each["number_of_allocations"] for each in read(guard)["deployments"]}
        assert numbers == {"a": 2, "b": 3, "c": 1}
        assert guard.use(**RESTORE)["restored"] == ["a", "b", "c"]
        assert read(guard)["state"] == "restored"
        # The next night makes another record.
        emulator.run_many([{"deployment_id": "a", "state": "stopped", "on_referenced": "force"}])
        guard.use(**NIGHT)
        assert [each["deployment_id"] for each in read(guard)["deployments"]] == ["b", "c"]


def test_a_night_that_was_killed_is_completed() -> None:
    with Emulator("9.5.3") as emulator:
        for name in ("a", "b", "c"):
            deployed(emulator, name)
        guard = Guard(emulator)
        planned = guard.plan(**NIGHT)
        guard.text = planned["content"]
        emulator.run_many(planned["items"][:1])
        assert guard.use(**NIGHT)["stopped"] == ["b", "c"]
        assert len(read(guard)["deployments"]) == 3


def test_the_upgrade_mode_of_the_quiesce_is_not_recorded() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "a")
        guard = Guard(emulator)
        night = {**NIGHT, "quiesce": {"mode": "stop_all", "upgrade_mode": True}}
        assert guard.use(**night)["upgrade_mode"] == "on"
        assert guard.use(**night)["upgrade_mode"] is None
        assert read(guard)["upgrade_mode"] is False
        done = guard.use(**RESTORE)
        assert (done["upgrade_mode"], done["differences"], done["failed"]) == ("off", 0, [])


def test_a_record_that_was_not_restored_is_not_lost() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "a")
        guard = Guard(emulator)
        guard.use(action="record")
        assert guard.use(action="record")["record"]["written"] is False
        deployed(emulator, "b")
        [refusal] = guard.use(action="record")["failed"]
        assert "f has a record of t1 that was not restored, and the cluster has changed since." in refusal
        planned = guard.plan(action="record", overwrite=True)
        assert (planned["backup"], planned["write"], len(planned["record"]["deployments"])) == (True, True, 2)


def test_a_restore_of_a_part_does_not_end_the_record() -> None:
    """Test that the next night keeps what ``except`` has left out, as the record has its only copy."""
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "a")
        deployed(emulator, "b", number_of_allocations=2)
        guard = Guard(emulator)
        guard.use(**NIGHT)
        done = guard.use(**RESTORE, **{"except": "b"})
        assert (done["failed"], done["differences"], read(guard)["state"]) == ([], 0, "quiesced")
        assert done["notices"] == [
            "Left alone by except, and not there: 'b'. The record is kept until they are restored."
        ]
        assert guard.use(**NIGHT)["record"]["kept"] == ["b"]
        assert guard.use(**RESTORE)["restored"] == ["a", "b"]
        assert (emulator.deployments()["b"]["task_parameters"]["number_of_allocations"], read(guard)["state"]) == (
            2,
            "restored",
        )
        # What is there is only left alone.
        guard.use(**NIGHT, **{"except": "b"})
        guard.use(**RESTORE, **{"except": "b"})
        assert read(guard)["state"] == "restored"


def test_a_quiesce_of_its_own_stops_what_the_record_has() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "a")
        guard = Guard(emulator)
        quiesce = {**NIGHT, "action": "quiesce"}
        assert guard.use(**quiesce)["failed"] == ["There is no record in f."]
        guard.use(action="record")
        deployed(emulator, "b")
        done = guard.use(**quiesce)
        assert (done["stopped"], done["not_recorded"], read(guard)["state"]) == (["a"], ["b"], "quiesced")
        guard.use(**RESTORE)
        [refusal] = guard.use(**quiesce)["failed"]
        assert "was restored at t4. Record the cluster first." in refusal


def test_another_cluster_is_refused() -> None:
    with Emulator("9.5.3") as emulator:
        guard = Guard(emulator)
        guard.use(action="record")
        record = read(guard)
        for cluster, refused in (
            ({"name": "double", "uuid": "another"}, True),
            ({"name": "another", "uuid": record["cluster"]["uuid"]}, False),
            ({"name": "double", "uuid": None}, True),
        ):
            guard.text = json.dumps({**record, "cluster": cluster})
            for given in (RESTORE, NIGHT):
                found = guard.plan(**given)["refused"]
                assert ["is a record of the cluster" in each for each in found] == [True] * refused
        emulator.allow("monitor_ml", "monitor_inference")
        [refusal] = guard.plan(**RESTORE)["refused"]
        assert refusal.startswith("The uuid of the cluster cannot be read")
        # A restore that compared nothing is not one without differences.
        assert guard.use(**RESTORE)["differences"] is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "f is no record of the role upgrade_guard, or a part of one. Give another file."),
        ("[]", "f is no record of the role upgrade_guard, or a part of one. Give another file."),
        ('{"kind": "mlops.elasticsearch.upgrade_guard", "format": 2}', "f has the format 2, and this role reads 1."),
        ('{"kind": "mlops.elasticsearch.upgrade_guard", "format": 1}', "f is a record with parts that are missing"),
    ],
)
def test_what_is_no_record(text: str, sentence: str) -> None:
    with Emulator("9.5.3") as emulator:
        guard = Guard(emulator, text)
        for given in (RESTORE, {"action": "record", "overwrite": True}):
            [refusal] = guard.use(**given)["failed"]
            assert refusal.startswith(sentence)
        assert guard.text == text


def test_a_record_that_was_edited() -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "a")
        guard = Guard(emulator)
        guard.use(action="record")
        for part in ("deployments", "inference_endpoints"):
            guard.text = json.dumps({**read(guard), part: [{"deployment_id": "a"}]})
            assert "edited by hand" in guard.use(**RESTORE)["failed"][0]
            guard.text = None
            guard.use(action="record")


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("state", "open"),
        ("cluster", {"name": [], "uuid": None}),
        ("upgrade_mode", "on"),
        ("server", {"version": 9}),
        ("model_aliases", {"a": 7}),
        ("model_aliases", {"a": None}),
        ("inference_endpoints", [{"inference_id": [], "deployment_id": "a", "owned": True}]),
        *(
            ("deployments", {name: value})
            for name, value in (
                ("deployment_id", 7),
                ("deployment_id", None),
                ("model_id", []),
                ("cache_size", 5000),
                ("queue_capacity", "100"),
                ("number_of_allocations", True),
                ("adaptive_allocations", "off"),
                ("adaptive_allocations", {"min_number_of_allocations": "1"}),
                ("owner", {}),
            )
        ),
    ],
)
def test_values_that_no_record_has(part: str, wrong: t.Any) -> None:
    with Emulator("9.5.3") as emulator:
        deployed(emulator, "a")
        guard = Guard(emulator)
        guard.use(action="record")
        record = read(guard)
        [deployment] = record["deployments"]
        guard.text = json.dumps({**record, part: [{**deployment, **wrong}] if part == "deployments" else wrong})
        for given in (RESTORE, NIGHT):
            assert "edited by hand" in guard.plan(**given)["refused"][0]


def test_a_path_that_cannot_have_a_record() -> None:
    with Emulator("9.5.3") as emulator:
        reads, night = Guard(emulator).reads(), options_of({"file": "f/r.json", **NIGHT})
        restore = options_of({"file": "f/r.json", "action": "restore"})
        for options, path, sentence in (
            (night, {"is_folder": True, "has_folder": True}, "f/r.json is a folder. Give the path of a file in it."),
            (night, {"has_folder": False}, "The folder of f/r.json does not exist. Create it first."),
            (restore, {"has_folder": False}, "There is no record in f/r.json."),
        ):
            assert plan_of(options, {**reads, "path": path}, None, "t")["refused"] == [sentence]


def test_what_cannot_be_read() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.allow("monitor_ml")
        refused = Guard(emulator).use(action="record")["failed"]
        assert len(refused) == 1
        assert refused[0].startswith("The inference endpoints cannot be read: ")
    for version, flavor in (("8.7.0", "default"), ("9.5.3", "serverless")):
        with Emulator(version, flavor=flavor) as emulator:
            guard = Guard(emulator)
            done = guard.use(action="record")
            assert done["failed"] == []
            assert read(guard)["upgrade_mode"] is (None if flavor == "serverless" else False)
            asked = guard.use(action="record, quiesce", quiesce={"mode": "upgrade_mode"})
            assert bool(asked["failed"]) is (flavor == "serverless")
