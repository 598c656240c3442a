# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test put and get of inference endpoints (Elasticsearch's public inference sources and tests)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api
from emulator_tests.endpoint_requests import ADAPTIVE, VERSIONS, attach, put, shown

OPTIMIZED = ".elser_model_2_linux-x86_64"


# --- put ---


@pytest.mark.parametrize("version", VERSIONS)
def test_put_starts_a_deployment_of_the_same_id(version: str) -> None:
    api = Api(version, clock="eager")
    answer = put(api)
    assert answer.body == {
        "inference_id": "e",
        "task_type": "sparse_embedding",
        "service": "elasticsearch",
        "service_settings": {"num_allocations": 1, "num_threads": 1, "model_id": "m"},
        "chunking_settings": {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1},
    }
    deployment = api.assignment("e")
    assert deployment["assignment_state"] == "started"
    assert deployment["task_parameters"]["model_id"] == "m"
    assert api.writes()[-1]["committed"]


def test_put_with_adaptive_allocations() -> None:
    api = Api(clock="eager")
    settings = put(api, num_allocations=None, adaptive_allocations=ADAPTIVE).body["service_settings"]
    assert settings == {"num_threads": 1, "model_id": "m", "adaptive_allocations": ADAPTIVE}
    assert api.assignment("e")["adaptive_allocations"] == ADAPTIVE
    api.effect("set_number", deployment_id="e", number_of_allocations=3)
    assert shown(api)["service_settings"]["num_allocations"] == 3


def test_put_without_type_in_the_path() -> None:
    api = Api(clock="eager")
    settings = {"num_allocations": 1, "num_threads": 1, "model_id": "m"}
    body = {"task_type": "sparse_embedding", "service": "elasticsearch", "service_settings": settings}
    assert api.send("PUT", "/_inference/e", body).body["task_type"] == "sparse_embedding"


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("sparse_embedding/e", {}, "Inference endpoint configuration is missing the [service] setting"),
        ("sparse_embedding/e", {"service": "none"}, "Unknown service [none]"),
        ("e", {"service": "elasticsearch"}, "model is missing required setting [task_type]"),
        ("e", {"task_type": "any", "service": "x"}, "task_type [any] is not valid type for inference"),
        (
            "rerank/e",
            {"task_type": "text_embedding", "service": "x"},
            "Cannot resolve conflicting task_type parameter in the request URL [rerank]"
            " and the request body [text_embedding]",
        ),
        ("nothing/e", {"service": "elasticsearch"}, "Unknown task_type [nothing]"),
        ("rerank/e", {"service": "elasticsearch"}, "Missing required field [service_settings]"),
        (
            "rerank/e",
            {"service": "elasticsearch", "service_settings": {}, "foo": {"a": [1, True]}},
            "Configuration contains settings [{foo={a=[1, true]}}] unknown to the [elasticsearch] service",
        ),
        (
            "rerank/e",
            {"service": "elasticsearch", "service_settings": {"deployment_id": "none"}},
            "Cannot find deployment [none]",
        ),
    ],
)
def test_refused_configurations(path: str, body: Any, reason: str) -> None:
    answer = Api().send("PUT", f"/_inference/{path}", body)
    assert (answer.type, answer.reason) == ("status_exception", reason)
    assert answer.status == (404 if "find" in reason else 400)


@pytest.mark.parametrize(
    ("task", "body", "reason"),
    [
        ("completion", {}, "The [elasticsearch] service does not support task type [completion]"),
        (
            "text_embedding",
            {"chunking_settings": {"strategy": "word"}},
            "Validation Failed: 1: [chunking_settings] does not contain the required setting [max_chunk_size];",
        ),
        (
            "text_embedding",
            {"service_settings": {"similarity": "near"}},
            "Validation Failed: 1: [service_settings] Invalid value [near] received."
            " [similarity] must be one of [cosine, dot_product, l2_norm];",
        ),
        (
            "rerank",
            {"chunking_settings": {"strategy": "none"}},
            "Configuration contains settings [{chunking_settings={strategy=none}}] unknown to the [elasticsearch]"
            " service",
        ),
    ],
)
def test_what_does_not_fit_the_task(task: str, body: Any, reason: str) -> None:
    settings = {"num_allocations": 1, "num_threads": 1, "model_id": "m", **body.get("service_settings", {})}
    answer = Api().send(
        "PUT", f"/_inference/{task}/e", {"service": "elasticsearch", **body, "service_settings": settings}
    )
    assert (answer.status, answer.reason) == (400, reason)


@pytest.mark.parametrize(("version", "status"), [("8.18.0", 400), ("9.0.1", 400), ("8.19.0", 200), ("9.5.3", 200)])
def test_strategies_by_version(version: str, status: int) -> None:
    """Test the ``ChunkingStrategy`` of inference_endpoint:142-143."""
    api = Api(version, clock="eager")
    body = {
        "service": "elasticsearch",
        "service_settings": {"num_allocations": 1, "num_threads": 1, "model_id": "m"},
        "chunking_settings": {"strategy": "recursive", "max_chunk_size": 50},
    }
    answer = api.send("PUT", "/_inference/text_embedding/e", body)
    assert answer.status == status
    if status == 400:
        assert answer.reason == "Invalid chunkingStrategy recursive"


@pytest.mark.parametrize(
    ("settings", "complaints"),
    [
        (
            {"num_allocations": None, "num_threads": None},
            [
                "[service_settings] does not contain the required setting [num_threads]",
                "[service_settings] does not contain one of the required settings"
                " [num_allocations, adaptive_allocations]",
            ],
        ),
        (
            {"num_threads": 0},
            ["[service_settings] Invalid value [0]. [num_threads] must be a positive integer"],
        ),
        (
            {"num_threads": "1"},
            ["field [num_threads] is not of the expected type. The value [1] cannot be converted to a [Integer]"],
        ),
        (
            {
                "adaptive_allocations": {"enabled": False, "foo": 1, "min_number_of_allocations": 5}
                | {"max_number_of_allocations": 4}
            },
            [
                "[adaptive_allocations] does not allow the setting [foo]",
                "[min_number_of_allocations] must not be larger than [max_number_of_allocations]",
            ],
        ),
    ],
)
def test_refused_settings(settings: Any, complaints: list[str]) -> None:
    answer = put(Api(), **settings)
    listed = "".join(f"{number}: {each};" for number, each in enumerate(complaints, 1))
    assert (answer.status, answer.type) == (400, "validation_exception")
    assert answer.reason == f"Validation Failed: {listed}"


def test_cast_that_java_refuses() -> None:
    answer = Api().send("PUT", "/_inference/rerank/e", {"service": "elasticsearch", "service_settings": "x"})
    assert (answer.status, answer.type) == (500, "class_cast_exception")


def test_model_id_is_needed() -> None:
    answer = put(Api(), model_id=None)
    reason = "Error parsing service settings, model_id must be provided"
    assert (answer.status, answer.type, answer.reason) == (400, "illegal_argument_exception", reason)


def test_unknown_model() -> None:
    answer = put(Api(), model_id="none")
    assert (answer.status, answer.type) == (404, "resource_not_found_exception")
    assert answer.reason.startswith("No known trained model with model_id [none]")


def test_invalid_and_reserved_ids() -> None:
    api = Api()
    reason = (
        "Validation Failed: 1: Invalid inference_id; '.e' can contain lowercase alphanumeric (a-z and 0-9), "
        "hyphens or underscores; must start and end with alphanumeric;"
    )
    assert put(api, ".e").reason == reason
    assert put(api, ".elser-2-elasticsearch").status == 400


def test_task_of_the_model_must_fit() -> None:
    api = Api(clock="eager")
    body = {"model_type": "pytorch", "inference_config": {"text_embedding": {"embedding_size": 8}}}
    assert api.send("PUT", "/_ml/trained_models/vectors", body).status == 200
    answer = put(api, model_id="vectors")
    assert answer.reason == (
        "Deployed model [vectors] with type [text_embedding] does not match the requested task type [sparse_embedding]"
    )
    body["inference_config"] = {"ner": {}}
    assert api.send("PUT", "/_ml/trained_models/names", body).status == 200
    answer = put(api, model_id="names")
    assert answer.reason == "Deployed model [names] has type [ner] which does not map to any supported task types"


def test_embedding_settings() -> None:
    api = Api(clock="eager")
    answer = put(api, task="text_embedding", similarity="dot_product", dimensions=8)
    assert answer.body["service_settings"] == {
        "num_allocations": 1,
        "num_threads": 1,
        "model_id": "m",
        "similarity": "dot_product",
        "dimensions": 8,
        "element_type": "float",
    }


def test_rerank_shows_its_task_settings() -> None:
    api = Api(clock="eager")
    body = put(api, task="rerank").body
    assert body["task_settings"] == {"return_documents": True}
    assert "chunking_settings" not in body


def test_packaged_models_are_downloaded_first() -> None:
    """Test packaged models as the public service creates them.

    With a wait, and with a field of another name than usual.
    """
    api = Api(clock="eager")
    api.effect("set_download_time", seconds=60)
    before = api.clock()["now"]
    assert put(api, model_id=OPTIMIZED).status == 200
    assert api.clock()["now"] - before >= 60_000
    (model,) = api.send("GET", f"/_ml/trained_models/{OPTIMIZED}").body["trained_model_configs"]
    assert (model["input"], "model_package" in model) == ({"field_names": ["text_field"]}, True)
    assert put(api, "again", model_id=OPTIMIZED).status == 200
    assert api.clock()["now"] - before < 90_000


@pytest.mark.parametrize("others", [["linux-aarch64"], ["linux-x86_64", "linux-aarch64"]])
def test_optimized_models_need_nodes_that_are_alike(others: list[str]) -> None:
    """Test that the variant suits all nodes with machine learning, as the public service and its tests choose."""
    api = Api(clock="eager", nodes={"n1": 8})
    default = "/_inference/.elser-2-elasticsearch"
    assert api.send("GET", default).body["endpoints"][0]["service_settings"]["model_id"] == OPTIMIZED
    for number, architecture in enumerate(others, 2):
        api.effect("add_node", node_id=f"n{number}", architecture=architecture)
    if "linux-x86_64" not in others:
        api.effect("remove_node", node_id="n1")
    refused = put(api, "other", model_id=OPTIMIZED)
    assert refused.reason == (
        "Error parsing request config, model id does not match any models available on this platform."
        f" Was [{OPTIMIZED}]. You may need to use a platform agnostic model."
    )
    assert api.send("GET", default).body["endpoints"][0]["service_settings"]["model_id"] == ".elser_model_2"


@pytest.mark.parametrize(
    ("version", "name"), [("8.15.3", "elser"), ("8.16.0", "elasticsearch"), ("9.5.3", "elasticsearch")]
)
def test_elser_is_a_service_of_its_own_before_8_16(version: str, name: str) -> None:
    api = Api(version, clock="eager")
    body = {"service": "elser", "service_settings": {"num_allocations": 1, "num_threads": 1}}
    answer = api.send("PUT", "/_inference/sparse_embedding/e", body)
    assert answer.body["service"] == name
    assert answer.body["service_settings"]["model_id"] == ".elser_model_2_linux-x86_64"


def test_other_services_are_kept_and_never_called() -> None:
    api = Api(clock="eager")
    settings = {"api_key": "secret", "model_id": "text-embedding-3-small"}
    answer = api.send("PUT", "/_inference/text_embedding/e", {"service": "openai", "service_settings": settings})
    assert answer.body["service_settings"] == {"model_id": "text-embedding-3-small"}
    assert api.emulator.control("GET", "/state")["deployments"] == {}
    assert "secret" not in str(api.emulator.control("GET", "/state")["endpoints"])
    again = api.send("PUT", "/_inference/text_embedding/e", {"service": "openai", "service_settings": settings})
    assert (again.status, again.type) == (400, "resource_already_exists_exception")
    assert again.reason == "Inference endpoint [e] already exists"


# --- ids are unique ---


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("8.17.10", "Model IDs must be unique. Requested model ID [e] matches existing model IDs but must not."),
        (
            "9.5.3",
            "Inference endpoint IDs must be unique. "
            "Requested inference endpoint ID [e] matches existing trained model ID(s) but must not.",
        ),
    ],
)
def test_id_of_a_deployment(version: str, reason: str) -> None:
    """Test that a second put of the same endpoint gets this, too, because the deployment has its id."""
    api = Api(version, clock="eager")
    assert put(api).status == 200
    answer = put(api)
    assert (answer.status, answer.type, answer.reason) == (400, "status_exception", reason)


def test_id_of_a_model_that_is_deployed() -> None:
    api = Api(clock="eager")
    api.started("d")
    assert put(api, "m", model_id="other").reason.startswith("Inference endpoint IDs must be unique.")


def test_id_of_a_model_that_is_not_deployed_fails_when_it_is_started() -> None:
    """Test server-behaviour.md 3.1 row 7, met by the endpoint itself (issue 111312)."""
    api = Api(clock="eager")
    answer = put(api, "m")
    reason = "Model IDs must be unique. Requested model ID [m] matches existing model IDs but must not."
    assert (answer.status, answer.reason) == (400, reason)
    assert shown(api, "m")["service_settings"]["model_id"] == "m"


# --- attached ---


def test_attach_to_a_deployment() -> None:
    api = Api(clock="eager")
    api.started("d", 2)
    expected = {"num_allocations": 2, "num_threads": 1, "model_id": "m", "deployment_id": "d"}
    assert attach(api, "e", "d").body["service_settings"] == expected
    assert attach(api, "f", "d", model_id="m").status == 200
    refused = attach(api, "g", "d", model_id="x")
    reason = "Deployment [d] uses model [m] which does not match the model [x] in the request."
    assert (refused.status, refused.reason) == (400, reason)
    api.update("d", number_of_allocations=3)
    assert shown(api)["service_settings"] == {**expected, "num_allocations": 3}
    assert api.send("DELETE", "/_inference/e").body["acknowledged"] is True
    assert "d" in api.emulator.cluster.assignments


@pytest.mark.parametrize(("version", "filled"), [("9.2.8", False), ("9.4.0", False), ("9.5.3", True)])
def test_vectors_of_an_attached_endpoint(version: str, filled: bool) -> None:
    """Test around-deployments.md 1.2: their size is known since July 2026 (153688)."""
    api = Api(version, clock="eager")
    body = {"model_type": "pytorch", "inference_config": {"text_embedding": {"embedding_size": 8}}}
    api.send("PUT", "/_ml/trained_models/vectors", body)
    api.emulator.cluster.models["vectors"].complete = True
    api.started("d", model_id="vectors")
    settings = {"deployment_id": "d"}
    answer = api.send("PUT", "/_inference/text_embedding/e", {"service": "elasticsearch", "service_settings": settings})
    shown_of_it = {name: answer.body["service_settings"].get(name) for name in ("dimensions", "similarity")}
    assert shown_of_it == ({"dimensions": 8, "similarity": "cosine"} if filled else dict.fromkeys(shown_of_it))


# --- get ---


def test_defaults_by_version() -> None:
    def ids(version: str, path: str = "/_inference/_all") -> list[str]:
        body = Api(version).send("GET", path).body
        listed: list[Any] = body["endpoints" if "endpoints" in body else "models"]
        return [each.get("inference_id", each.get("model_id")) for each in listed]

    assert ids("8.14.0") == ids("8.16.0") == []
    assert ids("8.17.10") == [".elser-2-elasticsearch", ".multilingual-e5-small-elasticsearch"]
    assert ids("9.5.3", "/_inference") == [
        ".elser-2-elasticsearch",
        ".multilingual-e5-small-elasticsearch",
        ".rerank-v1-elasticsearch",
    ]
    assert ids("9.5.3", "/_inference/rerank/*") == [".rerank-v1-elasticsearch"]


def test_bounds_of_default_endpoints_are_settings() -> None:
    """Test server-behaviour.md 6: where ``xpack.ml.models.default_allocations`` applies."""
    api = Api()
    api.effect("set_setting", name="xpack.ml.models.default_allocations.max", value=5)
    assert shown(api, ".elser-2-elasticsearch")["service_settings"] == {
        "num_threads": 1,
        "model_id": ".elser_model_2_linux-x86_64",
        "adaptive_allocations": {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 5},
    }


def test_get_what_is_not_there() -> None:
    answer = Api().send("GET", "/_inference/none")
    assert (answer.status, answer.type) == (404, "resource_not_found_exception")
    assert answer.reason == "Inference endpoint not found [none]"


def test_get_with_another_type() -> None:
    api = Api(clock="eager")
    put(api)
    answer = api.send("GET", "/_inference/rerank/e")
    reason = "Requested task type [rerank] does not match the inference endpoint's task type [sparse_embedding]"
    assert (answer.status, answer.reason) == (400, reason)


def test_older_names_and_routes() -> None:
    api = Api("8.12.0", clock="eager")
    body = {"service": "elser", "service_settings": {"num_allocations": 1, "num_threads": 1}}
    assert api.send("PUT", "/_inference/sparse_embedding/e", body).body["model_id"] == "e"
    listed = api.send("GET", "/_inference/sparse_embedding/e").body["models"]
    assert listed[0]["task_settings"] == {}
    # A path of one name was no path of endpoints then, so it is one of an index and a type.
    assert api.send("GET", "/_inference/e").status == 405
    assert api.send("DELETE", "/_inference/sparse_embedding/e").body == {"acknowledged": True}
    assert Api("8.10.4").send("GET", "/_inference/sparse_embedding/e").status == 400
