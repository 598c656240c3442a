# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test who uses a model."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._consumers.records import Consumers, UsedBy
from ansible_collections.mlops.elasticsearch.plugins.module_utils._consumers.users import ModelUsers, model_users
from ansible_collections.mlops.elasticsearch.plugins.module_utils._consumers.words import listed_users
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.endpoint import Endpoint
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
MODELS = {"d1": "m", "d2": "m", "x": "other"}
ALL = Consumers(
    (
        Endpoint("by-model", "rerank", service_settings={"model_id": "m"}),
        Endpoint("by-alias", "rerank", service_settings={"model_id": "a"}),
        Endpoint("by-deployment", "rerank", service_settings={"deployment_id": "d2"}),
        Endpoint("of-others", "rerank", service_settings={"deployment_id": "x", "model_id": "other"}),
    ),
    {
        "names-model": frozenset({"m"}),
        "names-alias": frozenset({"a"}),
        "names-deployment": frozenset({"d1", "x"}),
        "names-endpoint": frozenset({"by-deployment"}),
        "names-others": frozenset({"x", "other", "b", "of-others"}),
    },
    {"m": ("a",), "other": ("b",)},
    {"i": frozenset({"by-model", "of-others"}), "j": frozenset({"of-others"})},
)


def test_all_ways_to_name_a_model_count() -> None:
    users = model_users("m", MODELS, ALL)
    assert users == ModelUsers(
        ("d1", "d2"),
        UsedBy(
            ("by-alias", "by-deployment", "by-model"),
            ("names-alias", "names-deployment", "names-endpoint", "names-model"),
            ("a",),
            ("i",),
        ),
    )
    assert users.as_result() == {
        "deployments": ["d1", "d2"],
        "inference_endpoints": ["by-alias", "by-deployment", "by-model"],
        "ingest_pipelines": ["names-alias", "names-deployment", "names-endpoint", "names-model"],
        "model_aliases": ["a"],
        "semantic_text_indices": ["i"],
    }


def test_a_model_without_users_has_none() -> None:
    assert model_users("unused", MODELS, ALL) == ModelUsers()
    assert listed_users(ModelUsers()) == ""


def test_an_endpoint_of_elasticsearch_itself_counts_while_it_has_a_deployment() -> None:
    """Test that who names it counts before, too: its first request brings the model and the deployment back."""
    preset = Endpoint(".preset", "sparse_embedding", service_settings={"model_id": "m"})
    consumers = Consumers((preset,), {"p": frozenset({".preset"})}, {}, {"i": frozenset({".preset"})})
    assert model_users("m", {}, consumers) == ((), ((), ("p",), (), ("i",)))
    assert model_users("m", {".preset": "m"}, consumers) == ((".preset",), ((".preset",), ("p",), (), ("i",)))


def test_what_may_not_be_read_is_unknown() -> None:
    users = model_users("m", MODELS, Consumers(None, None, None, None))
    assert users == ModelUsers(("d1", "d2"), UsedBy(None, None, None, None))
    assert users.used_by.unread == ("inference_endpoints", "ingest_pipelines", "model_aliases")
    assert UsedBy((), (), (), None).unread == ("semantic_text_indices",)


def test_users_in_words() -> None:
    assert listed_users(model_users("m", MODELS, ALL)) == (
        "deployments 'd1', 'd2', inference endpoints 'by-alias', 'by-deployment', 'by-model', "
        "ingest pipelines 'names-alias', 'names-deployment', 'names-endpoint', 'names-model', model alias 'a' and "
        "semantic_text index 'i'"
    )
    assert listed_users(ModelUsers(("d",))) == "deployment 'd'"


@pytest.mark.parametrize("named", ["m", "alias", "d"])
def test_users_are_read_however_they_name_the_model(named: str) -> None:
    """Test an endpoint that names the model, by its id or an alias, or a deployment of it."""
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d")
        settings: Json = {"model_id": named, "num_allocations": 1, "num_threads": 1}
        settings = {"deployment_id": "d"} if named == "d" else settings
        writes: list[tuple[str, Json | None]] = [
            ("/_ml/trained_models/m/model_aliases/alias", None),
            ("/_inference/sparse_embedding/e", {"service": "elasticsearch", "service_settings": settings}),
            ("/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": "e"}}]}),
        ]
        for path, body in writes:
            assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200, path
        emulator.effect("put_semantic_text_reference", index="i", inference_id="e")
        reader = emulator.connected().consumers
        users = reader.read_model_users("m", {"d": "m"})
        assert users == (("d",), (("e",), ("p",), ("alias",), ("i",)))
        assert reader.read_model_users("other", {"d": "m"}) == ModelUsers()
