# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test inference through endpoints (Elasticsearch's public inference sources)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api
from emulator_tests.endpoint_requests import put


def ask(api: Api, path: str, **body: Any) -> Any:
    """Infer through an endpoint."""
    return api.send("POST", f"/_inference/{path}", body)


def test_sparse_embedding() -> None:
    api = Api(clock="eager")
    put(api)
    one = ask(api, "e", input="some words").body
    assert list(one["sparse_embedding"][0]) == ["is_truncated", "embedding"]
    assert set(one["sparse_embedding"][0]["embedding"]) == {"some", "words"}
    two = ask(api, "sparse_embedding/e", input=["some words", "x"]).body
    assert two["sparse_embedding"][0] == one["sparse_embedding"][0]
    assert api.deployment_stats("e")["inference_count"] == 3


def test_text_embedding() -> None:
    api = Api(clock="eager")
    put(api, task="text_embedding")
    (found,) = ask(api, "e", input="x").body["text_embedding"]
    assert sum(number * number for number in found["embedding"]) == pytest.approx(1)


def test_rerank() -> None:
    api = Api(clock="eager")
    put(api, task="rerank")
    ranked = ask(api, "e", input=["a", "b", "c"], query="q").body["rerank"]
    scores = [each["relevance_score"] for each in ranked]
    assert scores == sorted(scores, reverse=True)
    assert sorted(each["text"] for each in ranked) == ["a", "b", "c"]
    assert ranked[0]["text"] == ["a", "b", "c"][ranked[0]["index"]]
    (best,) = ask(api, "e", input=["a", "b", "c"], query="q", top_n=1, return_documents=False).body["rerank"]
    assert best == {"index": ranked[0]["index"], "relevance_score": scores[0]}
    assert ask(api, "e", input="a").reason == "Required [query]"
    older = Api("9.1.10", clock="eager")
    put(older, task="rerank")
    for path in ("e", "rerank/e"):
        assert "Field [query] cannot be null for task type [rerank]" in ask(older, path, input="a").reason


def test_default_endpoint_deploys_its_model_when_it_is_used() -> None:
    api = Api(clock="eager")
    assert ask(api, ".elser-2-elasticsearch", input="x").status == 200
    deployed = api.assignment(".elser-2-elasticsearch")
    assert deployed["adaptive_allocations"] == {
        "enabled": True,
        "min_number_of_allocations": 0,
        "max_number_of_allocations": 32,
    }


def test_deployment_that_is_gone() -> None:
    api = Api(clock="eager")
    put(api)
    api.stop("e", force="true")
    answer = ask(api, "e", input="x")
    assert (answer.status, answer.reason) == (404, "Could not find trained model [e]")


def test_refused_requests() -> None:
    api = Api(clock="eager")
    put(api)
    assert ask(api, "none", input="x").status == 404
    assert ask(api, "rerank/e", input="x").status == 400
    assert ask(api, "e").reason == "Validation Failed: 1: Field [input] cannot be null;"
    assert ask(api, "e", input=[]).reason == "Validation Failed: 1: Field [input] cannot be an empty array;"
    assert "unknown field [foo]" in ask(api, "e", foo=1).reason
    body = {"service": "openai", "service_settings": {"api_key": "x"}}
    api.send("PUT", "/_inference/completion/o", body)
    assert ask(api, "o", input="x").reason == "the double does not call the service [openai]"
