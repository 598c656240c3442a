# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the run of a task that clears the cache of a deployment, and its laws."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache.run import empty_result
from support.emulated_cluster import Emulator
from support.inference import refusal, started

Json = dict[str, t.Any]
CALL: Json = {"method": "POST", "path": "/_ml/trained_models/d/deployment/cache/_clear", "query": {}, "body": None}


@pytest.mark.parametrize("version", ["8.8.2", "8.19.3", "9.5.3"])
def test_a_run_and_its_dry_run(version: str) -> None:
    with started(version) as emulator:
        planned = emulator.clear_cache("d", check_mode=True)
        assert emulator.journal() == []
        result = emulator.clear_cache("d")
        assert result == planned
        assert (result["changed"], result["operation"], result["api_calls"]) == (True, "clear", [CALL])
        assert [write["path"] for write in emulator.journal()] == [CALL["path"]]
        assert emulator.clear_cache("d")["changed"] is True


def test_the_next_inference_is_computed_again() -> None:
    with started(number_of_allocations=1, cache_size="1mb") as emulator:
        docs = {"input": "the same"}
        emulator.infer("d", docs=docs, repeat=3)
        emulator.clear_cache("d")
        emulator.infer("d", docs=docs)
        usage = emulator.info("d")["deployments"][0]["usage"]
        assert (usage["inference_count"], usage["cache_hit_count"]) == (4, 2)


@pytest.mark.parametrize("do", [{"type": "drop"}, {"type": "hang"}, {"type": "gateway_timeout"}, refusal(408, "late")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_answers_that_are_lost(do: Json, when: str) -> None:
    with started() as emulator:
        emulator.fault("cache", do, when=when if do["type"] == "drop" else "before", times=2)
        result = emulator.clear_cache("d")
        assert (result["failure"], result["changed"], result["api_calls"]) == (None, True, [CALL])


def test_no_answer_at_all() -> None:
    with started() as emulator:
        emulator.fault("cache", {"type": "drop"}, times=1000)
        result = emulator.clear_cache("d")
        # It may have taken effect.
        assert result["failure"] == {"code": "connection_failed"}
        assert (result["changed"], result["api_calls"]) == (True, [CALL])


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_refused_before(check_mode: bool) -> None:
    with started() as emulator:
        result = emulator.clear_cache("m", check_mode=check_mode)
        assert result["msg"].startswith("There is no deployment 'm'. The only deployment is 'd'.")
        assert (result["failure"], result["changed"]) == ({"code": "deployment_missing"}, False)
    with started("8.3.3") as emulator:
        old = emulator.clear_cache("m", check_mode=check_mode)
        assert "does not support clearing the cache of a deployment. This needs 8.5 or newer." in old["msg"]
    with Emulator("9.5.3", flavor="serverless") as emulator:
        none = emulator.clear_cache("m", check_mode=check_mode)
        assert none["failure"] == {"code": "unsupported_on_serverless"}


def test_what_elasticsearch_refuses() -> None:
    with started() as emulator:
        emulator.fault("cache", refusal(409, "[d] process context missing"))
        result = emulator.clear_cache("d")
        assert (result["failure"], result["changed"], result["api_calls"]) == ({"code": "request_rejected"}, False, [])
        emulator.fault("cache", {"type": "answer", "status": 200, "body": {"cleared": False}})
        assert emulator.clear_cache("d")["failure"] == {"code": "not_cleared"}


def test_privileges() -> None:
    with started() as emulator:
        emulator.allow("monitor_ml")
        assert emulator.clear_cache("d", check_mode=True)["failure"] is None
        refused = emulator.clear_cache("d")
        assert refused["failure"] == {"code": "missing_privilege"}
        assert "lacks the cluster privilege manage_ml. The task changed nothing." in refused["msg"]
        assert emulator.journal() == []
        emulator.allow("manage_ml")
        assert emulator.clear_cache("d")["failure"] is None


def test_a_dry_run_of_what_earlier_tasks_would_start_or_stop() -> None:
    with started() as emulator:
        planned = emulator.run(check_mode=True, model_id="other")
        entry = planned["ansible_facts"]["elasticsearch_ml_deployments"]["other"]
        followed = {"deployments": {"other": [{**entry, "run": "r", "order": 1}]}}
        assert emulator.clear_cache("other", check_mode=True, predictions=followed)["changed"] is True
        assert emulator.clear_cache("other", predictions=followed)["failure"] == {"code": "deployment_missing"}
        gone = {"deployments": {"d": [{**entry, "deployment": None, "run": "r", "order": 1}]}}
        assert emulator.clear_cache("d", check_mode=True, predictions=gone)["failure"] == {"code": "deployment_missing"}
        deleted = {"models": {"m": [{**entry, "model": None, "run": "r", "order": 1}]}}
        refused = emulator.clear_cache("d", check_mode=True, predictions=deleted)
        assert refused["failure"] == {"code": "deployment_missing"}


def test_kills_at_each_request() -> None:
    for survived in range(6):
        for sent in (False, True):
            with started() as emulator:
                with emulator.kill(survived, sent):
                    emulator.clear_cache("d")
                assert emulator.clear_cache("d")["failure"] is None


def test_the_same_keys_always() -> None:
    with started() as emulator:
        results = [emulator.clear_cache(name) for name in ("d", "nope", "a b", "")]
    keys = set(empty_result()) | {"warnings"}
    assert [set(result) - {"failed", "msg", "error"} for result in results] == [keys] * 4
    assert [(result["failure"] or {}).get("code") for result in results[2:]] == ["invalid_value", "incomplete_options"]


def test_an_error_of_the_code_is_reported() -> None:
    with started() as emulator:
        emulator.unsound = True
        emulator.connect_caches = lambda *_given: 1 / 0  # type: ignore[assignment,method-assign]
        assert emulator.clear_cache("d")["failure"] == {"code": "internal_error"}
