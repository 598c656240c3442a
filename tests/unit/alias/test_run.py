# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the run of a small resource by aliases: uncertain writes, another client, and what the result says then."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.api import AliasCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.run import empty_result
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.plan import Plan
from emulator.inprocess import ConnectionDropped
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
PATH = "/_ml/trained_models/{}/model_aliases/a"
ACCEPTED = {"type": "answer", "status": 200, "body": {"acknowledged": True}}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as found:
        yield found


def answer(status: int, reason: str = "planted") -> Json:
    body = {"error": {"type": "status_exception", "reason": reason}, "status": status}
    return {"type": "answer", "status": status, "body": body}


def another_client(method: str, model_id: str) -> Json:
    return {"type": "request", "method": method, "path": PATH.format(model_id)}


def failing_write(emulator: Emulator, do: Json, when: str = "before", times: int = 1) -> None:
    emulator.fault("model", do, when, times, path="/_ml/trained_models/*/model_aliases/*")


def code(result: Json) -> str | None:
    return result["failure"] and str(result["failure"]["code"])


def test_a_run(emulator: Emulator) -> None:
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (result["changed"], result["operation"], result["previous_model_id"]) == (True, "set", None)
    assert result["alias"] == {"model_alias": "a", "model_id": "m"}
    assert result["diff"] == {
        "before": {"state": "absent"},
        "after": {"model_alias": "a", "model_id": "m", "state": "present"},
    }
    moved = emulator.run_alias(model_alias="a", model_id="other", reassign=True)
    assert (moved["operation"], moved["previous_model_id"]) == ("reassign", "m")
    assert moved["diff"] == {"before": {"model_id": "m"}, "after": {"model_id": "other"}}
    gone = emulator.run_alias(model_alias="a", state="absent")
    assert (gone["operation"], gone["alias"], gone["used_by"]) == ("delete", None, {"ingest_pipelines": []})
    again = emulator.run_alias(model_alias="a", state="absent")
    assert (again["changed"], again["used_by"]) == (False, None)
    emulator.api("PUT", PATH.format("m"))
    assert not emulator.run_alias(model_alias="a", model_id="m")["changed"]


def test_a_user_who_may_not_write_changes_nothing(emulator: Emulator) -> None:
    emulator.allow("monitor_ml", "monitor")
    assert emulator.run_alias(True, model_alias="a", model_id="m")["changed"]
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert "Cannot set model aliases: user 'runner' lacks the cluster privilege manage_ml." in result["msg"]
    assert (code(result), result["changed"], emulator.journal()) == ("missing_privilege", False, [])


@pytest.mark.parametrize(
    ("do", "when", "writes"),
    [({"type": "drop"}, "after", 1), ({"type": "drop"}, "before", 2), (answer(408), "before", 2)],
)
def test_a_lost_answer_is_looked_up(emulator: Emulator, do: Json, when: str, writes: int) -> None:
    failing_write(emulator, do, when)
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (code(result), result["changed"], len(result["api_calls"])) == (None, True, 1)
    assert len(emulator.journal()) == writes


def test_a_write_that_never_arrives_is_given_up(emulator: Emulator) -> None:
    failing_write(emulator, {"type": "drop"}, times=-1)
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (code(result), result["changed"], result["api_calls"]) == ("connection_failed", False, [])
    assert "Cannot set model alias 'a': " in result["msg"]
    assert result["alias"] is None


@pytest.mark.parametrize(("do", "failure"), [(answer(500), "request_rejected"), (answer(409), "request_rejected")])
def test_a_rejected_write_is_not_repeated(emulator: Emulator, do: Json, failure: str) -> None:
    failing_write(emulator, do, times=-1)
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (code(result), result["changed"], len(emulator.journal())) == (failure, False, 1)


def test_an_error_that_no_read_explains_ends_the_task(emulator: Emulator) -> None:
    failing_write(emulator, answer(413))
    requests = len(emulator.control("GET", "/requests"))
    assert emulator.run_alias(model_alias="a", model_id="m").get("failed")
    last = emulator.control("GET", "/requests")[requests:][-1]
    assert last["method"] == "PUT"


@pytest.mark.parametrize(("status", "changed"), [(400, False), (409, True)])
def test_another_client_has_done_it(emulator: Emulator, status: int, changed: bool) -> None:
    """Test an error for an alias that is there: 400 comes before the write, and 409 may come after it."""
    failing_write(emulator, answer(status), "after")
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (code(result), result["changed"]) == (None, changed)


@pytest.mark.parametrize(
    ("do", "failure", "changed"),
    [({"type": "drop"}, "conflict", True), (answer(400), "alias_refers_elsewhere", False)],
)
def test_another_client_has_set_it_elsewhere(emulator: Emulator, do: Json, failure: str, changed: bool) -> None:
    failing_write(emulator, another_client("PUT", "other"))
    failing_write(emulator, do)
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (code(result), result["changed"]) == (failure, changed)
    assert "Model alias 'a' refers to model 'other'" in result["msg"]
    assert result["after"]["model_id"] == "other"


def test_an_obstacle_after_a_write_that_never_arrived_is_no_change(emulator: Emulator) -> None:
    failing_write(emulator, {"type": "drop"})
    inner = emulator._inner.request

    def request(method: str, *arguments: t.Any) -> t.Any:
        if method == "PUT":
            emulator.effect("set_setting", name="upgrade_mode", value=True)
        return inner(method, *arguments)

    emulator._inner.request = request  # type: ignore[method-assign,assignment]
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (code(result), result["changed"], result["api_calls"]) == ("upgrade_mode", False, [])


@pytest.mark.parametrize(("then", "failure"), [("moved", "conflict"), ("hidden", "unknown_outcome")])
def test_an_earlier_attempt_that_arrives_late_is_the_task_s_own(emulator: Emulator, then: str, failure: str) -> None:
    """Test what is there, or cannot be read, once the next attempt has failed for it."""
    send, attempts = emulator._inner.request, itertools.count()

    def request(method: str, *arguments: t.Any) -> t.Any:
        if method == "PUT":
            if next(attempts) == 0:
                raise ConnectionDropped
            send(method, *arguments)
            answer_to_second = send(method, *arguments)
            if then == "moved":
                emulator.api("PUT", PATH.format("other") + "?reassign=true")
            else:
                emulator.fault("any_read", answer(500), times=-1)
            return answer_to_second
        return send(method, *arguments)

    emulator.request = request  # type: ignore[method-assign,assignment]
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (code(result), result["changed"], len(result["api_calls"])) == (failure, True, 1), result["msg"]


def test_another_client_moves_what_the_task_moves(emulator: Emulator) -> None:
    emulator.api("PUT", PATH.format("m"))
    failing_write(emulator, {**another_client("DELETE", "m")})
    failing_write(emulator, {"type": "drop"})
    result = emulator.run_alias(model_alias="a", model_id="other", reassign=True)
    assert (code(result), result["changed"]) == ("conflict", True)
    assert "Model alias 'a' is not as planned, because another client changes it: model_alias is unset" in result["msg"]


def test_an_accepted_write_that_never_shows(emulator: Emulator) -> None:
    failing_write(emulator, ACCEPTED)
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (code(result), result["changed"], emulator.clock.monotonic()) == ("unknown_outcome", True, 3.0)
    assert result["msg"].startswith("Elasticsearch has accepted the change of model alias 'a', but it does not show")


def test_an_accepted_write_that_shows_late(emulator: Emulator) -> None:
    failing_write(emulator, ACCEPTED)
    emulator.pass_time = lambda: emulator.api("PUT", PATH.format("m"))  # type: ignore[method-assign,assignment]
    emulator.clock._tick = emulator.pass_time
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert (code(result), result["changed"], emulator.clock.monotonic()) == (None, True, 1.0)


@pytest.mark.parametrize(("reassign", "failure"), [(False, "conflict"), (True, "conflict")])
def test_another_client_moves_it_after_the_task(emulator: Emulator, reassign: bool, failure: str) -> None:
    failing_write(
        emulator, {"type": "request", "method": "PUT", "path": PATH.format("other") + "?reassign=true"}, "after"
    )
    result = emulator.run_alias(model_alias="a", model_id="m", reassign=reassign)
    assert (code(result), result["changed"], result["alias"]["model_id"]) == (failure, True, "other")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("do", [{"type": "drop"}, ACCEPTED, answer(409)])
def test_the_read_after_the_write_fails(emulator: Emulator, when: str, do: Json) -> None:
    def fail_reads(*_arguments: t.Any) -> None:
        emulator.fault("any_read", answer(500), times=-1)

    failing_write(emulator, do, when)
    inner = emulator._inner.request

    def request(method: str, *arguments: t.Any) -> t.Any:
        if method == "PUT":
            fail_reads()
        return inner(method, *arguments)

    emulator._inner.request = request  # type: ignore[method-assign,assignment]
    result = emulator.run_alias(model_alias="a", model_id="m")
    known = do == answer(409)
    assert (code(result), result["changed"]) == (("request_rejected", False) if known else ("unknown_outcome", True))


def test_a_server_that_is_too_old() -> None:
    with Emulator("8.0.1") as emulator:
        emulator.fault("any_read", {"type": "answer", "status": 200, "body": {"version": {"number": "7.17.0"}}})
        result = emulator.run_alias(model_alias="a", model_id="m")
        assert (code(result), result["alias"], result["before"]) == ("unsupported_version", None, None)


def test_an_internal_error_has_all_keys(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.unsound = True
    monkeypatch.setattr(Plan, "changed", property(lambda _plan: 1 // 0))
    result = emulator.run_alias(model_alias="a", model_id="m")
    assert code(result) == "internal_error"
    assert result.keys() - {"failed", "msg", "warnings"} == empty_result().keys()


# --- dry runs ---


ELSEWHERE: Json = {"cluster": {"name": None, "uuid": None}, "addresses": "x", "predicted": True, "alias": None}


def test_a_later_task_of_a_dry_run_plans_from_what_an_earlier_one_would_make(emulator: Emulator) -> None:
    first = emulator.run_alias(True, model_alias="a", model_id="m")
    made = first["ansible_facts"]["elasticsearch_ml_aliases"]
    assert (made["a"]["alias"], made["a"]["predicted"]) == ({"model_alias": "a", "model_id": "m"}, True)
    again = emulator.run_alias(True, model_alias="a", model_id="m", predictions={"aliases": made})
    assert not again["changed"]
    assert again["ansible_facts"]["elasticsearch_ml_aliases"]["a"]["predicted"]
    assert emulator.run_alias(model_alias="a", model_id="m", predictions={"aliases": made})["changed"]
    gone = emulator.run_alias(True, model_alias="a", state="absent", fact_name="")
    assert (gone["changed"], gone["ansible_facts"]) == (True, {})


def test_a_real_run_follows_nothing_on_a_connection_that_a_dry_run_used(emulator: Emulator) -> None:
    """Test the items of a loop with a ``check_mode`` of their own: they share a connection."""
    kept: list[AliasCluster] = []
    connect = emulator.connect_aliases

    def connect_once(*arguments: t.Any) -> AliasCluster:
        if not kept:
            kept.append(connect(*arguments))
            kept[0].keep_open()
        return kept[0]

    emulator.connect_aliases = connect_once  # type: ignore[method-assign,assignment]
    made = emulator.run_alias(True, model_alias="a", model_id="m")["ansible_facts"]["elasticsearch_ml_aliases"]
    emulator.run_alias(True, model_alias="b", model_id="m", predictions={"aliases": made})
    real = emulator.run_alias(model_alias="a", model_id="m", predictions={"aliases": made})
    assert (real["changed"], real["before"]["state"]) == (True, "absent")
    assert not real["ansible_facts"]["elasticsearch_ml_aliases"]["a"]["predicted"]


def test_deployments_of_earlier_tasks_count(emulator: Emulator) -> None:
    emulator.run(model_id="m")
    emulator.run_alias(model_alias="a", model_id="m")
    move: Json = {"model_alias": "a", "model_id": "other", "reassign": True}
    assert code(emulator.run_alias(True, **move)) == "model_not_deployed"
    started = emulator.run(True, model_id="other")["ansible_facts"]["elasticsearch_ml_deployments"]
    assert not emulator.run_alias(True, **move, predictions={"deployments": started}).get("failed")
    stopped = emulator.run(True, model_id="m", state="stopped", on_referenced="force")["ansible_facts"]
    gone = stopped["elasticsearch_ml_deployments"]
    assert not emulator.run_alias(True, **move, predictions={"deployments": gone}).get("failed")


def test_what_may_be_of_another_cluster_is_a_warning(emulator: Emulator) -> None:
    result = emulator.run_alias(True, model_alias="a", model_id="m", predictions={"aliases": {"a": ELSEWHERE}})
    assert ["would change a model alias 'a' at other addresses" in text for text in result["warnings"]] == [True]
    wrong = emulator.run_alias(True, model_alias="a", model_id="m", predictions={"aliases": {"a": {"alias": 1}}})
    assert code(wrong) == "invalid_value"
    nothing = emulator.run_alias(True, model_alias="a", model_id="m", predictions={"aliases": {"a": 5}})
    assert "predictions.aliases has no entry of a fact for 'a': is" in nothing["msg"]
