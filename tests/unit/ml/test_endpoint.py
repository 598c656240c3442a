# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test inference endpoints: what answers say of them, and how they are read."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.schema import SchemaError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.adaptive import AdaptiveAllocations
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.endpoint import Endpoint, endpoints_in
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.schemas import ENDPOINTS

Json = dict[str, t.Any]
MINE: Json = {"task_type": "sparse_embedding", "service": "elasticsearch"}
OWN: Json = {"model_id": "m", "num_threads": 2, "num_allocations": None, "adaptive_allocations": {"enabled": True}}
FAR: Json = {"model_id": "gpt", "num_threads": "many", "dimensions": 3}


def test_an_endpoint_knows_its_deployment() -> None:
    answer = {
        "endpoints": [
            {**MINE, "inference_id": "own", "service_settings": OWN, "task_settings": {"return_documents": True}},
            {**MINE, "inference_id": "on", "service_settings": {"deployment_id": "d", "num_allocations": 3}},
            {**MINE, "inference_id": "far", "service": "openai", "service_settings": FAR},
        ]
    }
    ENDPOINTS(answer)
    own, attached, far = endpoints_in(answer)
    assert own == Endpoint("own", "sparse_embedding", "elasticsearch", OWN, {"return_documents": True})
    assert (own.model_id, own.threads_per_allocation, own.number_of_allocations) == ("m", 2, None)
    assert own.adaptive_allocations == AdaptiveAllocations(True)
    assert (attached.adaptive_allocations, attached.number_of_allocations) == (None, 3)
    assert [each.deployment_id for each in (own, attached, far)] == ["own", "d", None]
    assert [each.owns_deployment for each in (own, attached, far)] == [True, False, False]
    assert (far.service, far.service_settings) == ("openai", FAR)


def test_endpoints_before_8_15_have_other_names() -> None:
    old = {"model_id": "e", "task_type": "sparse_embedding", "service": "elser", "service_settings": {}}
    assert endpoints_in({"models": [old]}) == (Endpoint("e", "sparse_embedding", "elser"),)
    assert endpoints_in({}) == ()


NESTED: t.Any = 1
for _depth in range(60):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ({"task_type": "rerank"}, "endpoints[].inference_id is missing"),
        ({"inference_id": "e"}, "endpoints[].task_type is missing"),
        ({**MINE, "inference_id": "e", "service_settings": {"num_threads": "2"}}, "num_threads is not a whole number"),
        (
            {"task_type": "rerank", "inference_id": "e", "task_settings": {"a": NESTED}},
            "endpoints[] is nested too deeply",
        ),
    ],
)
def test_what_is_no_endpoint_is_refused(endpoint: Json, why: str) -> None:
    with pytest.raises(SchemaError) as refused:
        ENDPOINTS({"endpoints": [endpoint]})
    assert str(refused.value).endswith(why)
