# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the question whether the user may write: one before the first write, and only a plain no counts."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.privileges import (
    PATH,
    Rights,
    privileges_to_check,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.cluster import Cluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.privileges import ALLOWING, writes_of
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.step import Step, StepKind
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as cluster:
        yield cluster


def asked(emulator: Emulator) -> list[str]:
    return [line["method"] for line in emulator.control("GET", "/requests") if line["path"] == PATH]


def one_started(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
    emulator.settle()
    emulator.forget()


# --- when it is asked ---


def test_once_before_the_first_write(emulator: Emulator) -> None:
    emulator.allow("manage_ml")
    assert emulator.run(model_id="m")["operation"] == "start"
    paths = [line["path"] for line in emulator.control("GET", "/requests")]
    assert paths.count(PATH) == 1
    assert paths.index(PATH) < min(number for number, path in enumerate(paths) if path.endswith("/_start"))


def test_not_in_check_mode(emulator: Emulator) -> None:
    emulator.allow("monitor_ml")
    assert emulator.run(check_mode=True, model_id="m")["operation"] == "start"
    assert emulator.run_many([{"model_id": "m"}], check_mode=True)["summary"]["changed"] == 1
    assert asked(emulator) == []


def test_not_where_nothing_is_to_be_written(emulator: Emulator) -> None:
    one_started(emulator)
    emulator.allow("monitor_ml")
    assert not emulator.run(deployment_id="d", number_of_allocations=1)["changed"]
    assert not emulator.run_many([{"deployment_id": "d", "number_of_allocations": 1}])["changed"]
    assert asked(emulator) == []


def test_consumers_are_not_named_where_no_stop_was_sent(emulator: Emulator) -> None:
    one_started(emulator)
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="d")
    emulator.allow("monitor_ml", "monitor", "read_pipeline")
    result = emulator.run(deployment_id="d", state="stopped", on_referenced="force")
    assert "The task changed nothing." in result["msg"]
    assert result["warnings"] == []


def test_once_for_a_list(emulator: Emulator) -> None:
    emulator.allow("manage_ml")
    result = emulator.run_many([{"deployment_id": f"d{each}", "model_id": "m"} for each in range(5)])
    assert result["summary"]["changed"] == 5
    assert asked(emulator) == ["GET"]


def test_once_for_a_connection(emulator: Emulator) -> None:
    """Test the items of a loop, which share theirs: what the first one learnt holds for all writes of the others."""
    emulator.allow("manage_ml")
    api = emulator.connected()
    for action in (*ACTIONS.values(), Step("update", "d")):
        api.refuse_unprivileged(writes_of([action]))
    assert asked(emulator) == ["GET"]


# --- what a no does ---


def test_a_user_who_may_not_write(emulator: Emulator) -> None:
    emulator.allow("monitor_ml", "monitor")
    emulator.read_only()
    result = emulator.run(model_id="m")
    assert result["msg"] == (
        "Cannot start a deployment: user 'runner' lacks the cluster privilege manage_ml. The task changed nothing. "
        "Grant the privilege to a role of the user; an API key has only the privileges it was created with."
    )
    assert result["error"] == {"kind": "privilege", "status": None, "type": None, "reason": None}
    assert (result["changed"], result["operation"], result["api_calls"]) == (False, "none", [])
    assert (result["after"], result["deployment"]) == (result["before"], None)
    assert emulator.journal() == []


def test_in_a_list_what_needs_no_write_goes_on(emulator: Emulator) -> None:
    one_started(emulator)
    emulator.allow("monitor_ml")
    items: list[Json] = [
        {"deployment_id": "d", "number_of_allocations": 1},
        {"deployment_id": "e", "model_id": "m"},
        {"deployment_id": "f", "model_id": "m"},
    ]
    result = emulator.run_many(items)
    assert result["msg"].startswith(
        "2 of 3 deployments failed, 1 is unchanged. 'e', 'f': Cannot start a deployment: user 'runner' "
    )
    assert result["msg"].count("manage_ml") == 1
    assert [item.get("failed", False) for item in result["deployments"]] == [False, True, True]
    assert result["deployments"][0]["waited"]["reached"]
    assert (result["summary"]["unchanged"], result["summary"]["failed"]) == (1, 2)
    assert emulator.journal() == []


def test_one_write_that_is_not_allowed_keeps_all(emulator: Emulator) -> None:
    """Test a user who may start but not update, and would leave a list half done."""
    one_started(emulator)
    emulator.allow("monitor_ml", "manage_inference")
    items: list[Json] = [{"deployment_id": "d", "number_of_allocations": 2}, {"deployment_id": "e", "model_id": "m"}]
    result = emulator.run_many(items)
    assert "Cannot update a deployment" in result["msg"]
    assert result["summary"]["failed"] == 2
    assert emulator.journal() == []


# --- what allows what ---


ACTIONS = {
    "start": Step("start", "m", {"model_id": "m"}),
    "update": Step("update", "m", {"number_of_allocations": 2}),
    "stop": Step("stop", "m"),
}
BY_ENDPOINT = Step("update", "m", {"number_of_allocations": 2}, endpoint_type="sparse_embedding")
SERVERS = [
    *((version, "default") for version in ("8.0.1", "8.13.4", "8.15.3", "8.19.21", "9.5.3")),
    ("9.5.3", "serverless"),
]
CASES = [
    (*server, action)
    for server in SERVERS
    for action in (*ACTIONS.values(), BY_ENDPOINT)
    if (action.kind != "update" or server[0] != "8.0.1") and (action is not BY_ENDPOINT or server[0] > "8.19")
]


def refused_here(api: Cluster, action: Step) -> bool:
    try:
        api.refuse_unprivileged(writes_of([action]))
    except ApiError as exc:
        return exc.kind == "privilege"
    return False


def refused_there(api: Cluster, action: Step) -> bool:
    try:
        api.send(action, api.to_request(action, "30s"), {})
    except ApiError as exc:
        return exc.status == 403
    return False


@pytest.mark.parametrize(("version", "flavor", "action"), CASES)
def test_no_is_said_where_the_server_would_say_it(version: str, flavor: str, action: Step) -> None:
    """Test each privilege that could allow a write, and some that do not."""
    seen = set()
    with Emulator(version, flavor=flavor) as emulator:
        for privilege in (
            "manage",
            "all",
            "monitor",
            "monitor_ml",
            "none",
            *privileges_to_check(ALLOWING, Server(version, flavor, "")),
        ):
            emulator.allow(privilege, "monitor")
            api = emulator.connected()
            here, there = refused_here(api, action), refused_there(api, action)
            assert here == there, privilege
            seen.add(here)
    assert seen == {True, False}


def test_each_kind_of_write_has_its_privileges() -> None:
    assert writes_of([*ACTIONS.values(), BY_ENDPOINT]) == ALLOWING.keys()
    assert {action.kind for action in ACTIONS.values()} == set(t.get_args(StepKind))


def test_only_names_that_the_server_knows_are_asked_for() -> None:
    assert "manage_inference" not in privileges_to_check(ALLOWING, Server("8.13.4", "default", ""))
    assert privileges_to_check(ALLOWING, Server("9.1.0", "serverless", "")) == ["manage_inference", "manage_ml"]
    assert set(privileges_to_check(ALLOWING, Server("8.14.0", "default", ""))) == {
        name for names in ALLOWING.values() for name in names
    }


def test_each_privilege_that_lacks_is_named(emulator: Emulator) -> None:
    emulator.allow("monitor_ml")
    with pytest.raises(ApiError) as caught:
        emulator.connected().refuse_unprivileged(writes_of([*ACTIONS.values(), BY_ENDPOINT]))
    assert str(caught.value).startswith(
        "Cannot start a deployment or stop a deployment or update a deployment or update an inference endpoint: "
        "user 'runner' lacks the cluster privileges manage_inference and manage_ml. The task changed nothing."
    )


# --- no answer to the question ---

SILENT: dict[str, Json] = {
    "no handler": {"status": 400, "body": {"error": "no handler found for uri [/_security/user/_has_privileges]"}},
    "forbidden by a proxy": {"status": 403, "headers": {"content-type": "text/html"}, "body": "<html>no</html>"},
    "hidden by a proxy": {"status": 404, "headers": {"content-type": "text/html"}, "body": "<html>what</html>"},
    "wrong method": {"status": 405, "body": {"error": "Incorrect HTTP method", "status": 405}},
    "gone": {"status": 410, "body": {"error": {"type": "api_not_available_exception", "reason": "serverless"}}},
    "broken": {"status": 500, "body": {"error": {"type": "exception", "reason": "it broke"}, "status": 500}},
    "credentials ran out": {"status": 401, "body": {"error": {"type": "security_exception", "reason": "expired"}}},
    "gateway": {"status": 502, "headers": {"content-type": "text/html"}, "body": "<html>Bad Gateway</html>"},
    "no master": {"status": 503, "body": {"error": {"type": "master_not_discovered_exception", "reason": None}}},
    "too many": {"status": 429, "headers": {"retry-after": "1"}, "body": ""},
    "nothing": {"status": 200, "body": ""},
    "a page": {"status": 200, "headers": {"content-type": "text/html"}, "body": "<html>Log in</html>"},
    "no privileges in it": {"status": 200, "body": {"username": "runner"}},
    "privileges of another shape": {"status": 200, "body": {"cluster": ["manage_ml"]}},
    "an unclear word": {"status": 200, "body": {"cluster": {"manage_ml": None}}},
}


@pytest.mark.parametrize("name", [*SILENT, "dropped"])
def test_only_a_plain_no_is_one(emulator: Emulator, name: str) -> None:
    """Test that nothing that happens to the question fails a good run, and that it is asked once."""
    emulator.allow("manage_ml")
    do = {"type": "answer", **SILENT[name]} if name in SILENT else {"type": "drop"}
    emulator.fault("security", do, times=-1)
    result = emulator.run(model_id="m", number_of_allocations=2)
    assert not result.get("failed"), result.get("msg")
    assert (result["operation"], result["deployment"]["number_of_allocations"]) == ("start", 2)
    assert emulator.control("GET", "/faults")[0]["fired"]
    assert [entry["path"] for entry in emulator.journal()] == ["/_ml/trained_models/m/deployment/_start"]


@pytest.mark.parametrize("name", ["gateway", "no master"])
def test_the_question_is_repeated_after_a_transient_error(emulator: Emulator, name: str) -> None:
    emulator.allow("monitor_ml")
    emulator.fault("security", {"type": "answer", **SILENT[name]})
    assert "lacks the cluster privilege manage_ml" in emulator.run(model_id="m")["msg"]
    assert emulator.journal() == []


def test_without_an_answer_the_write_itself_is_refused(emulator: Emulator) -> None:
    emulator.allow("monitor_ml")
    emulator.fault("security", {"type": "answer", **SILENT["gone"]}, times=-1)
    result = emulator.run(model_id="m")
    assert (result["error"]["kind"], result["error"]["status"]) == ("privilege", 403)
    assert result["msg"].endswith("Grant the cluster privilege manage_ml.")
    assert emulator.deployments() == {}


def test_without_security_the_task_does_not_ask(emulator: Emulator) -> None:
    assert emulator.run(model_id="m")["operation"] == "start"
    assert asked(emulator) == ["GET"]


def test_an_answer_with_nothing_in_it_refuses_nothing() -> None:
    Rights.from_api(ALLOWING, {}).refuse(ALLOWING)
