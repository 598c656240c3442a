# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test starts of a deployment whose id is an alias of its model (around-deployments.md 3)."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator

START = "/_ml/trained_models/{}/deployment/_start"


def test_a_deployment_with_the_id_of_an_alias_can_be_replaced() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d")
        emulator.settle()
        assert emulator.api("PUT", "/_ml/trained_models/m/model_aliases/d") == 200
        assert emulator.api("POST", f"{START.format('m')}?deployment_id=d-two") == 200
        emulator.forget()
        given: dict[str, t.Any] = {
            "deployment_id": "d",
            "threads_per_allocation": 2,
            "replace": "stop_start",
            "on_referenced": "force",
        }
        checked = emulator.run(check_mode=True, **given)
        result = emulator.run(**given)
        assert checked["api_calls"] == result["api_calls"]
        assert [call["path"].rpartition("/")[2] for call in result["api_calls"]] == ["_stop", "_start"]
        assert result["api_calls"][1]["path"] == START.format("d")
        assert "deployment_id" not in result["api_calls"][1]["query"]
        assert result["deployment"]["model_id"] == "m"
        assert emulator.run(**given)["changed"] is False


def test_elasticsearch_takes_the_alias_for_another_model() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.api("PUT", "/_ml/trained_models/m/model_aliases/d")
        assert emulator.api("POST", f"{START.format('m')}?deployment_id=d") == 400
        assert emulator.api("POST", f"{START.format('other')}?deployment_id=d") == 400
        assert emulator.api("POST", START.format("d")) == 200


def test_a_dry_run_counts_an_alias_that_an_earlier_task_would_have_set() -> None:
    with Emulator("9.5.3") as emulator:
        alias = emulator.run_alias(check_mode=True, model_alias="d", model_id="m")
        [[name, entry]] = alias["ansible_facts"]["elasticsearch_ml_aliases"].items()
        predictions = {"aliases": {name: [{**entry, "run": "r", "order": 1}]}}
        started = emulator.run(check_mode=True, deployment_id="d", model_id="m", predictions=predictions)
        assert started["api_calls"][0]["path"] == START.format("d")


@pytest.mark.parametrize("behind", [None, "other-deployment"])
def test_an_alias_of_another_model_is_refused_before_the_start(behind: str | None) -> None:
    with Emulator("9.5.3") as emulator:
        emulator.api("PUT", "/_ml/trained_models/other/model_aliases/d")
        if behind:
            assert emulator.api("POST", f"{START.format('other')}?deployment_id={behind}") == 200
        emulator.forget()
        for check_mode in (True, False):
            refused = emulator.run(check_mode=check_mode, deployment_id="d", model_id="m")
            assert refused["failure"] == {"code": "deployment_id_taken"}
            assert "'d' is an alias of another trained model, 'other'. Choose a" in refused["msg"]
        assert emulator.run(deployment_id="d", model_id="other", check_mode=True)["operation"] == "start"


def test_a_dry_run_refuses_an_id_that_would_be_an_alias_of_another_model_and_takes_one_that_would_not() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.api("PUT", "/_ml/trained_models/other/model_aliases/taken")
        runs = {"d": {"model_id": "other"}, "taken": {"state": "absent"}}
        entries: dict[str, t.Any] = {}
        for name, given in runs.items():
            fact = emulator.run_alias(check_mode=True, model_alias=name, **given)["ansible_facts"]
            entries[name] = [{**fact["elasticsearch_ml_aliases"][name], "run": "r", "order": 1}]
        items = [{"deployment_id": name, "model_id": "m"} for name in runs]
        found = emulator.run_many(items, check_mode=True, predictions={"aliases": entries})["deployments"]
        assert [(each["failure"] or {}).get("code") for each in found] == ["deployment_id_taken", None]
        entries["d"][0]["predicted"] = False
        gone = {"models": {"other": [{**entries["d"][0], "predicted": True, "alias": None, "model": None}]}}
        single = emulator.run(check_mode=True, deployment_id="taken", model_id="m", predictions=gone)
        assert single["operation"] == "start"
