# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what a message says of ids that do not exist."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.existing import (
    absent_warning,
    deployments_that_exist,
    models_that_exist,
)
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
MINI = "sentence-transformers__all-minilm-l6-v2"
MODELS = ((".elser_model_2", 1 << 20), (MINI, 1 << 20), ("my-e5-model", 1 << 20))


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3", models=MODELS) as made:
        made.effect("start_deployment", model_id=".elser_model_2", deployment_id=".elser_model_2")
        made.settle()
        yield made


def test_ids_that_are_alike_are_proposed() -> None:
    ids = [f"d{number:02}" for number in range(12)]
    ten = ", ".join(f"'{name}'" for name in ids[:10])
    assert deployments_that_exist("x", ids, ()) == f"The deployments are {ten} and 2 more."
    assert deployments_that_exist("x", [], []) == "There are no deployments."
    assert (
        deployments_that_exist("Search-EU", ["search-eu"], ())
        == "The only deployment is 'search-eu'. Did you mean 'search-eu'?"
    )
    assert deployments_that_exist("elser", ["search"], [".elser_2"]).endswith("Did you mean the model '.elser_2'?")
    assert models_that_exist("sentence-transformers/all-MiniLM-L6-v2", ["m", MINI]).endswith(f"Did you mean '{MINI}'?")
    assert models_that_exist("x", ["m"]) == "The only model is 'm'."


def test_a_warning_names_ids_that_do_not_exist() -> None:
    assert absent_warning(["a", "b"], ["a", "b"], ()) == ()
    assert absent_warning(["Search", "a", "Search"], ["a", "search"], ()) == (
        "Deployment 'Search' does not exist. The deployments are 'a', 'search'. Did you mean 'search'?",
    )
    assert absent_warning(["m1"], [], ["m1"]) == (
        "Deployment 'm1' does not exist. There are no deployments. Did you mean the model 'm1'?",
    )
    assert absent_warning(["serch", "serach", "zzz"], ["search"], ()) == (
        "Deployments 'serch', 'serach', 'zzz' do not exist. The only deployment is 'search'. Did you mean 'search'?",
    )


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_deployment_that_does_not_exist(emulator: Emulator, check_mode: bool) -> None:
    options: Json = {"deployment_id": "my-elser-model", "number_of_allocations": 1}
    for result in (emulator.run(check_mode, **options), emulator.run_many([options], check_mode)["deployments"][0]):
        assert result["failure"] == {"code": "deployment_missing"}
        assert "Deployment 'my-elser-model' does not exist" in result["msg"]
        assert "The only deployment is '.elser_model_2'. Did you mean '.elser_model_2'?" in result["msg"]
        assert "model_id" not in result["msg"].replace("deployment_id", "")
        with_policy = emulator.run(check_mode, **options, on_missing="fail")
        assert "Did you mean '.elser_model_2'?" in with_policy["msg"]


def test_a_model_that_does_not_exist(emulator: Emulator) -> None:
    result = emulator.run(deployment_id="d", model_id="sentence-transformers__all-MiniLM-L6-v2")
    assert result["failure"] == {"code": "model_missing"}
    assert f"The models are '.elser_model_2', 'my-e5-model', '{MINI}'. Did you mean '{MINI}'?" in result["msg"]


def test_an_id_with_a_slash(emulator: Emulator) -> None:
    for name in ("model_id", "deployment_id"):
        options: Json = {name: "sentence-transformers/all-MiniLM-L6-v2"}
        message = emulator.run(**options)["msg"]
        assert f"No id has a slash. Did you mean '{MINI}', as eland imports that model?" in message
        assert emulator.run_many([options])["msg"].endswith("as eland imports that model?")


def test_without_a_list_of_all_the_message_goes_without(emulator: Emulator) -> None:
    emulator.fault("stats", {"type": "answer", "status": 500, "body": {}}, times=-1, after=1)
    result = emulator.run(deployment_id="nope")
    assert result["failure"] == {"code": "deployment_missing"}
    assert result["msg"].endswith("has no trained model 'nope' to start.")


def test_one_that_is_being_stopped_does_exist(emulator: Emulator) -> None:
    emulator.effect("stop_deployment", deployment_id=".elser_model_2")
    message = emulator.run(deployment_id=".elser_model_2", on_missing="fail")["msg"]
    assert "is being stopped" in message
    assert "The only" not in message
