# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test which model a dry run says that the creation of an endpoint brings."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.endpoints import OPENAI, OWN, put

E5 = ".multilingual-e5-small"
DOWNLOADS: dict[str, t.Any] = {**OWN, "service_settings": {"model_id": E5, "num_threads": 1, "num_allocations": 1}}


def brought(emulator: Emulator, check_mode: bool = True, **options: t.Any) -> t.Any:
    """Return what the fact of a task has of a model."""
    result = emulator.run_endpoint(check_mode=check_mode, **options)
    assert result["changed"], result.get("msg")
    [entry] = result["ansible_facts"]["elasticsearch_ml_endpoints"].values()
    return entry.get("downloads")


def test_it_brings_a_model_of_elastic_that_is_not_there(emulator: Emulator) -> None:
    assert brought(emulator, **DOWNLOADS) == {"model_id": E5}
    assert brought(emulator, check_mode=False, **DOWNLOADS) is None
    emulator.settle()
    assert brought(emulator, **{**DOWNLOADS, "inference_id": "another"}) is None


@pytest.mark.parametrize("deployment_id", ["", "d"])
def test_it_brings_no_other_model(emulator: Emulator, deployment_id: str) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
    emulator.settle()
    ours = {"deployment_id": "d"} if deployment_id else {"model_id": "m", "num_threads": 1, "num_allocations": 1}
    assert brought(emulator, **{**OWN, "service_settings": ours}) is None
    assert brought(emulator, **OPENAI, service_settings={"model_id": ".gpt"}) is None


def test_a_new_endpoint_with_a_model_of_elastic_brings_it(emulator: Emulator) -> None:
    put(emulator)
    assert brought(emulator, inference_id="e", service_settings={"model_id": E5}, replace="recreate") == {
        "model_id": E5
    }
