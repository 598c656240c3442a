# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what a dry run would leave under an id, beside tests/unit/deployment/test_predictions.py."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment_reads import Named
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.model import Model
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.predicted_deployment import as_left
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.predictions import PredictedModel

THERE = Deployment(deployment_id="d", model_id="m", number_of_allocations=1, priority="low", start_time="now")
MORE = Deployment(deployment_id="d", model_id="m", number_of_allocations=3, start_time="now")
AGAIN = Deployment(deployment_id="d", model_id="other", number_of_allocations=3)
NEW = PredictedModel(Model("m", "pytorch"), {})


@pytest.mark.parametrize(
    ("predicted", "models", "left"),
    [
        ({}, {}, (1, "low")),
        ({"e": None}, {"m": NEW._replace(is_new=False)}, (1, "low")),
        # Changed, started again, stopped.
        ({"d": MORE}, {}, (3, "low")),
        ({"d": AGAIN}, {}, (3, None)),
        ({"d": None}, {}, None),
        # Its model is deleted, or deleted and made again.
        ({}, {"m": None}, None),
        ({}, {"m": NEW}, None),
        ({"d": AGAIN}, {"m": NEW}, (3, None)),
    ],
)
def test_what_is_left_of_a_deployment(predicted: t.Any, models: t.Any, left: tuple[int, str | None] | None) -> None:
    found = as_left(Named(THERE), "d", predicted, models).deployment
    assert (found and (found.number_of_allocations, found.priority)) == left


@pytest.mark.parametrize(
    ("predicted", "models", "left"),
    [
        ({}, {}, ("d", "e")),
        ({"d": None, "f": AGAIN}, {}, ("e",)),
        ({"f": MORE}, {}, ("d", "e", "f")),
        ({"f": MORE}, {"m": NEW}, ("f",)),
    ],
)
def test_what_is_left_of_the_deployments_of_a_model(predicted: t.Any, models: t.Any, left: tuple[str, ...]) -> None:
    assert as_left(Named(None, ("d", "e")), "m", predicted, models).of_model == left
