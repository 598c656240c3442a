# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test every combination of privileges, and every licence: what the user can read and change."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from emulator.state.licence import CHOICES
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
PRIVILEGES = ("monitor", "monitor_ml", "manage_inference", "manage_ml", "manage", "all")
USERS = [("none",), *(each for size in range(1, 7) for each in itertools.combinations(PRIVILEGES, size))]
SERVERS = [
    ("8.9.2", "default"),
    ("8.16.0", "default"),
    ("8.19.21", "default"),
    ("9.5.3", "default"),
    ("9.5.3", "serverless"),
]

# The table of Elasticsearch's documentation, by hand: it must not come from the code under test.
READS = {"monitor", "monitor_ml", "manage_ml", "manage", "all"}
SEES_STATE = {"monitor", "manage", "all"}
UPDATES = {"manage_ml", "manage", "all"}
STARTS_AND_STOPS = UPDATES | {"manage_inference"}
SEES_ENDPOINTS = {"monitor", "manage_inference", "manage", "all"}
STOPS_WHAT_ENDPOINTS_USE = {"8.16.0"}
"""Versions that would do so without force: a user who cannot read the endpoints stops nothing there."""


def writes(version: str) -> list[tuple[Json, str]]:
    """Return tasks, and the write that each sends."""
    # On serverless adaptive allocations set the number, and not every user can read that it is serverless.
    bounds: Json = {"adaptive_allocations": {"enabled": True, "max_number_of_allocations": 3}}
    return [
        ({"deployment_id": "d", **({"number_of_allocations": 2} if version == "8.9.2" else bounds)}, "update"),
        ({"deployment_id": "e", "model_id": "m"}, "start"),
        ({"deployment_id": "e", "state": "stopped"}, "stop"),
    ]


UPDATE, START, STOP = (options for options, _operation in writes("9.5.3"))


def prepared(version: str, flavor: str, user: t.Sequence[str]) -> Emulator:
    """Return a cluster on which deployment d runs."""
    emulator = Emulator(version, flavor=flavor)
    emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
    emulator.settle()
    emulator.forget()
    emulator.allow(*user)
    return emulator


def may(user: t.Sequence[str], operation: str, version: str) -> bool:
    unknown = {"manage_inference"} if version == "8.9.2" else set()
    return bool((set(user) - unknown) & (UPDATES if operation == "update" else STARTS_AND_STOPS))


def sees_nothing(result: Json) -> bool:
    return bool(result["failed"]) and result["msg"].endswith("Grant the cluster privilege monitor_ml.")


@pytest.mark.parametrize(("version", "flavor"), SERVERS)
@pytest.mark.parametrize("user", USERS, ids="+".join)
def test_one_privilege_is_enough_for_reads_and_check_mode(user: tuple[str, ...], version: str, flavor: str) -> None:
    """The source of the routing table shows whether the user has another one."""
    source = "cluster_state" if flavor == "default" and SEES_STATE & set(user) else "stats"
    with prepared(version, flavor, user) as emulator:
        emulator.read_only()
        info = emulator.info()
        checked = [emulator.run(check_mode=True, **options) for options, _operation in writes(version)[:2]]
        same = [emulator.run(check_mode, deployment_id="d", model_id="m") for check_mode in (True, False)]
        assert emulator.journal() == []
    if not READS & set(user):
        assert all(map(sees_nothing, [info, *checked, *same]))
        return
    assert [each["routing_source"] for each in (*info["deployments"], *same)] == [source] * 3
    assert [each["operation"] for each in (*checked, *same)] == ["update", "start", "none", "none"]
    targets = {route["target_allocations"] for route in info["deployments"][0]["routing_table"].values()}
    assert (targets == {None}) == (source == "stats")


@pytest.mark.parametrize(("version", "flavor"), SERVERS)
@pytest.mark.parametrize("user", USERS, ids="+".join)
def test_a_write_is_sent_only_with_its_privilege(user: tuple[str, ...], version: str, flavor: str) -> None:
    with prepared(version, flavor, user) as emulator:
        for options, operation in writes(version):
            emulator.forget()
            result = emulator.run(**options)
            if not READS & set(user):
                assert sees_nothing(result)
                assert emulator.journal() == []
            elif operation == "stop" and version in STOPS_WHAT_ENDPOINTS_USE and not SEES_ENDPOINTS & set(user):
                assert result["operation"] == "none"
                assert emulator.journal() == []
            elif may(user, operation, version):
                assert result["operation"] == operation, result.get("msg")
                assert [entry["status"] for entry in emulator.journal()] == [200]
            elif operation == "stop":
                assert result["operation"] == "none"  # it could not be started
            else:
                assert result["msg"].startswith(f"Cannot {operation} a deployment: user 'runner' lacks")
                assert emulator.journal() == []


@pytest.mark.parametrize("user", [each for each in USERS if READS & set(each)], ids="+".join)
def test_a_list_is_applied_only_by_a_user_who_may_apply_all_of_it(user: tuple[str, ...]) -> None:
    items = [UPDATE, START]
    with prepared("9.5.3", "default", user) as emulator:
        assert emulator.run_many(items, check_mode=True)["summary"]["changed"] == 2
        assert emulator.journal() == []
        result = emulator.run_many(items)
        written = len(emulator.journal())
    whole = may(user, "update", "9.5.3")
    assert (result["summary"]["changed"], result["summary"]["failed"], written) == ((2, 0, 2) if whole else (0, 2, 0))


# --- licences ---


@pytest.mark.parametrize("licence", CHOICES)
def test_a_start_needs_a_licence_for_machine_learning(licence: str) -> None:
    """Everything else works without it. Without ``monitor`` only the refused start shows what the licence lacks."""
    included = licence in ("platinum", "enterprise", "trial")
    with prepared("9.5.3", "default", ("manage_ml",)) as emulator:
        emulator.effect("set_setting", name="license", value=licence)
        assert emulator.info()["deployments"][0]["health"] == "ok"
        assert emulator.run(check_mode=True, **START)["operation"] == "start"
        assert emulator.run(**UPDATE)["operation"] == "update"
        emulator.forget()
        result = emulator.run(**START)
        assert len(emulator.journal()) == 1
        if included:
            assert result["operation"] == "start"
        else:
            assert (result["error"]["kind"], result["error"]["status"]) == ("licence", 403)
            assert "current license is non-compliant for [ml]" in result["msg"]
            assert result["msg"].endswith("when there is a licence that includes machine learning, or a trial.")
        assert emulator.run(**{**STOP, "deployment_id": "d"})["operation"] == "stop"
    assert result["changed"] == included


@pytest.mark.parametrize("licence", ["basic", "expired"])
def test_the_privilege_is_reported_before_the_licence(licence: str) -> None:
    with prepared("9.5.3", "default", ("monitor_ml",)) as emulator:
        emulator.effect("set_setting", name="license", value=licence)
        assert emulator.run(**START)["error"]["kind"] == "privilege"
        assert emulator.journal() == []
