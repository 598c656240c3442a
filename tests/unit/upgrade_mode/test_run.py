# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the run of a task on the upgrade mode, and its laws."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode.options import desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode.run import empty_result
from support.emulated_cluster import Emulator, TurnedClock
from support.inference import refusal

Json = dict[str, t.Any]
SAID = ("changed", "operation", "diff", "before", "after", "api_calls", "refused", "upgrade_mode")
CALL: Json = {"method": "POST", "path": "/_ml/set_upgrade_mode", "query": {"enabled": "true"}, "body": None}
BUSY = (
    "Cannot change [upgrade_mode]. Previous request is still being processed.",
    "Cannot change [upgrade_mode] for feature name [ml]. Previous request is still being processed.",
)


def is_on(emulator: Emulator) -> bool:
    return bool(emulator.control("GET", "/state")["settings"].get("upgrade_mode"))


def prepared(on: bool, version: str = "9.5.3") -> Emulator:
    emulator = Emulator(version)
    emulator.effect("set_setting", name="upgrade_mode", value=on)
    emulator.forget()
    return emulator


@pytest.mark.parametrize("version", ["8.0.1", "8.19.3", "9.5.3"])
@pytest.mark.parametrize(("there", "asked"), list(itertools.product((True, False), repeat=2)))
def test_a_run_and_its_dry_run(version: str, there: bool, asked: bool) -> None:
    with prepared(there, version) as emulator:
        planned = emulator.upgrade_mode(asked, check_mode=True)
        assert emulator.journal() == []
        result = emulator.upgrade_mode(asked)
        assert [result[name] for name in SAID] == [planned[name] for name in SAID]
        assert (result["changed"], is_on(emulator)) == (there != asked, asked)
        assert len(emulator.journal()) == int(there != asked)
        assert (result["waited"]["reached"], planned["waited"]["reached"]) == (True, None)
        assert bool(result["refused"]) == asked
        again = emulator.upgrade_mode(asked)
        assert (again["changed"], again["api_calls"]) == (False, [])
        [entry] = planned["ansible_facts"]["elasticsearch_ml_upgrade_mode"].values()
        assert (entry["upgrade_mode"], entry["predicted"]) == ({"enabled": asked}, there != asked)


def test_later_tasks_of_a_dry_run_see_it() -> None:
    with Emulator("9.5.3") as emulator:
        fact = emulator.upgrade_mode(True, check_mode=True)["ansible_facts"]["elasticsearch_ml_upgrade_mode"]
        later: t.Any = {"predictions": {"upgrade_mode": fact}}
        assert emulator.upgrade_mode(True, check_mode=True, **later)["changed"] is False
        assert emulator.run(model_id="m", check_mode=True, **later)["failure"] == {"code": "upgrade_mode"}
        assert emulator.run(model_id="m", **later)["failure"] is None
        [(name, entry)] = fact.items()
        later = {"predictions": {"upgrade_mode": {name: {**entry, "upgrade_mode": None}}}}
        assert emulator.run(model_id="m", check_mode=True, **later)["failure"] is None


def test_it_stops_nothing_and_refuses_starts() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.run(model_id="m")
        emulator.upgrade_mode(True)
        assert emulator.infer("m")["failure"] is None
        assert emulator.run(model_id="m", number_of_allocations=2)["failure"] is None
        assert emulator.run(model_id="other")["failure"] == {"code": "upgrade_mode"}


@pytest.mark.parametrize("said", BUSY)
@pytest.mark.parametrize("times", [1, 6])
def test_an_earlier_change_is_waited_for(said: str, times: int) -> None:
    with prepared(on=False) as emulator:
        emulator.fault("upgrade_mode", refusal(429, said), times=times)
        result = emulator.upgrade_mode(True)
        assert (result["failure"], result["changed"], result["api_calls"]) == (None, True, [CALL])
        assert (is_on(emulator), result["waited"]["polls"]) == (True, times)
        assert emulator.reported == ["machine learning: Elasticsearch still works on an earlier change of it"]


def test_an_earlier_change_that_does_the_same() -> None:
    with prepared(on=False) as emulator:
        emulator.fault("upgrade_mode", refusal(429, BUSY[1]), times=1000)

        def done_by_another_client() -> None:
            emulator.effect("set_setting", name="upgrade_mode", value=True)

        emulator.clock = TurnedClock(done_by_another_client)
        result = emulator.upgrade_mode(True)
        assert (result["failure"], result["after"]) == (None, {"enabled": True})
        assert (result["changed"], result["operation"], result["api_calls"]) == (False, "none", [])


def test_an_earlier_change_that_lasts_too_long() -> None:
    with prepared(on=False) as emulator:
        emulator.fault("upgrade_mode", refusal(429, BUSY[0]), times=1000)
        result = emulator.upgrade_mode(True, wait_timeout=10)
        assert result["msg"] == (
            "The upgrade mode is not on after 10 seconds: Elasticsearch still works on an earlier change of it."
        )
        assert (result["failure"], result["changed"]) == ({"code": "not_ready_in_time"}, False)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("times", [1, 3])
def test_answers_that_are_lost(when: str, times: int) -> None:
    with prepared(on=False) as emulator:
        emulator.fault("upgrade_mode", {"type": "drop"}, when=when, times=times)
        result = emulator.upgrade_mode(True)
        assert (result["failure"], result["changed"], result["api_calls"]) == (None, True, [CALL])
        assert is_on(emulator)


def test_reads_that_fail_meanwhile() -> None:
    with prepared(on=False) as emulator:
        emulator.fault("info", {"type": "service_unavailable"}, times=3, after=2)
        result = emulator.upgrade_mode(True)
        assert (result["failure"], result["changed"], is_on(emulator)) == (None, True, True)


def test_a_read_that_is_refused_meanwhile() -> None:
    with prepared(on=False) as emulator:
        emulator.fault("info", refusal(403, "action [x] is unauthorized for user [y]"), times=1000, after=2)
        result = emulator.upgrade_mode(True)
        assert result["failure"] == {"code": "missing_privilege"}
        assert (result["changed"], result["api_calls"]) == (True, [CALL])


def test_what_does_not_show_in_time() -> None:
    with prepared(on=False) as emulator:
        accepted = {"type": "answer", "status": 200, "body": {"acknowledged": True}}
        emulator.fault("upgrade_mode", accepted, times=1000)
        result = emulator.upgrade_mode(True, wait_timeout=5)
        assert result["msg"].startswith("The upgrade mode is not on after 5 seconds: Elasticsearch has accepted it")
        assert (result["changed"], result["after"]) == (True, {"enabled": False})
        emulator.effect("set_setting", name="upgrade_mode", value=True)
        off = emulator.upgrade_mode(False, wait_timeout=5)
        assert off["msg"].startswith("The upgrade mode is not off after 5 seconds")


def test_what_elasticsearch_refuses() -> None:
    with prepared(on=False) as emulator:
        emulator.fault("upgrade_mode", refusal(403, "current license is non-compliant for [ml]"))
        result = emulator.upgrade_mode(True)
        assert (result["failure"], result["changed"]) == ({"code": "missing_licence"}, False)


@pytest.mark.parametrize("check_mode", [True, False])
def test_serverless(check_mode: bool) -> None:
    with Emulator("9.5.3", flavor="serverless") as emulator:
        result = emulator.upgrade_mode(True, check_mode=check_mode)
        assert (result["failure"], emulator.journal()) == ({"code": "unsupported_on_serverless"}, [])


def test_privileges() -> None:
    with prepared(on=False) as emulator:
        emulator.allow("monitor_ml")
        assert emulator.upgrade_mode(True, check_mode=True)["failure"] is None
        refused = emulator.upgrade_mode(True)
        assert refused["failure"] == {"code": "missing_privilege"}
        assert "Cannot enable the upgrade mode: user 'runner' lacks the cluster privilege manage_ml." in refused["msg"]
        assert emulator.journal() == []
        emulator.allow("manage_ml")
        assert emulator.upgrade_mode(True)["failure"] is None


def test_kills_at_each_request() -> None:
    for survived, sent in itertools.product(range(6), (False, True)):
        with prepared(on=False) as emulator:
            with emulator.kill(survived, sent):
                emulator.upgrade_mode(True)
            result = emulator.upgrade_mode(True)
            assert (result["failure"], is_on(emulator)) == (None, True)
            assert len(emulator.journal()) <= 1


def test_the_same_keys_always() -> None:
    with prepared(on=False) as emulator:
        results = [emulator.upgrade_mode(True), emulator.upgrade_mode(True, hosts=["http://dead:9200"])]
        results.append(emulator.upgrade_mode(True, wait_timeout="x"))
    keys = set(empty_result()) | {"warnings"}
    assert [set(result) - {"failed", "msg", "error", "ansible_facts"} for result in results] == [keys] * 3


def test_a_variable_may_be_empty() -> None:
    with pytest.raises(Refusal, match="enabled has no value"):
        desired({"enabled": None})


@pytest.mark.parametrize("path", ["/", "/_ml/info"])
def test_a_server_that_hangs_uses_no_more_than_the_time(path: str) -> None:
    with Emulator("9.5.3") as emulator:
        emulator.fault("any_read", {"type": "hang"}, times=1000, path=path)
        result = emulator.upgrade_mode(True, wait_timeout=20, request_retries=3)
        assert (result["failure"], result["changed"]) == ({"code": "request_timeout"}, False)
        assert result["waited"]["seconds"] <= 25
