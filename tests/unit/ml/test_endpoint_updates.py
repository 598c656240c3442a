# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what updates of allocations send: to a deployment, and to the endpoint that owns it."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.adaptive import AdaptiveAllocations, AdaptivePatch
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.endpoint_updates import (
    allocation_settings,
    allocations_of_endpoint,
    deployment_update,
    endpoint_parts,
)

Json = dict[str, t.Any]
FIXED = Deployment(deployment_id="d", model_id="m", number_of_allocations=2)
SCALED = dataclasses.replace(FIXED, adaptive_allocations=AdaptiveAllocations(True, 1, 4))
WAS_SCALED = dataclasses.replace(FIXED, adaptive_allocations=AdaptiveAllocations(False, 1, 4))
OFF: Json = {"adaptive_allocations": {"enabled": False}}
ON = AdaptivePatch(True, 1, 3)
BOUNDS: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 3}


@pytest.mark.parametrize(
    ("current", "number", "patch", "sent", "parts"),
    [
        (FIXED, None, None, {}, ()),
        (FIXED, 2, AdaptivePatch(enabled=False), {}, ()),
        (FIXED, 3, None, {"number_of_allocations": 3}, ({"number_of_allocations": 3},)),
        (FIXED, None, ON, {"adaptive_allocations": BOUNDS}, ({"adaptive_allocations": BOUNDS},)),
        # While adaptive allocations are enabled, the number is Elasticsearch's.
        (SCALED, 3, None, {}, ()),
        (FIXED, 3, ON, {"adaptive_allocations": BOUNDS}, ({"adaptive_allocations": BOUNDS},)),
        # An endpoint replaces the object, a deployment merges it.
        (
            SCALED,
            None,
            AdaptivePatch(max_number_of_allocations=3),
            {"adaptive_allocations": {"max_number_of_allocations": 3}},
            ({"adaptive_allocations": BOUNDS},),
        ),
        (
            SCALED,
            None,
            AdaptivePatch(min_number_of_allocations=-1),
            {"adaptive_allocations": {"min_number_of_allocations": -1}},
            (
                {
                    "adaptive_allocations": {
                        "enabled": True,
                        "min_number_of_allocations": -1,
                        "max_number_of_allocations": 4,
                    }
                },
            ),
        ),
        # To a fixed number: also to that which Elasticsearch has set, and bounds that are kept need not be sent.
        (
            SCALED,
            2,
            AdaptivePatch(enabled=False),
            {**OFF, "number_of_allocations": 2},
            (OFF, {"number_of_allocations": 2}),
        ),
        (WAS_SCALED, 3, AdaptivePatch(enabled=False), {"number_of_allocations": 3}, ({"number_of_allocations": 3},)),
    ],
)
def test_only_what_differs_is_sent(
    current: Deployment, number: int | None, patch: AdaptivePatch | None, sent: Json, parts: tuple[Json, ...]
) -> None:
    settings = allocation_settings(number, patch, current)
    after = dataclasses.replace(
        current, adaptive_allocations=patch.merged_into(current.adaptive_allocations) if patch else None
    )
    assert (settings, endpoint_parts(settings, current, after)) == (sent, parts)


def test_the_requests() -> None:
    assert allocations_of_endpoint("sparse_embedding", "a/b", {"number_of_allocations": 3}) == (
        "PUT",
        "/_inference/sparse_embedding/a%2Fb/_update",
        {},
        {"service_settings": {"num_allocations": 3}},
    )
    assert deployment_update("a/b", {"number_of_allocations": 3}, "30s") == (
        "POST",
        "/_ml/trained_models/a%2Fb/deployment/_update",
        {"timeout": "30s"},
        {"number_of_allocations": 3},
    )
