# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test reading models: which ones, what is said of each, with how many requests and which privileges."""

from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http import pages
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info.run import empty_result
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
PATH = "/_ml/trained_models"
ELSER = ".elser_model_2"
KINDS = ("inference_endpoints", "ingest_pipelines", "model_aliases", "semantic_text_indices")


def put(emulator: Emulator, path: str, body: Json | None = None) -> None:
    assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200, path


def config(**more: t.Any) -> Json:
    return {
        "inference_config": {"text_embedding": {}},
        "input": {"field_names": ["text"]},
        "model_type": "pytorch",
        **more,
    }


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    """Return a cluster with a model in use, and an unused one."""
    with Emulator("9.5.3") as made:
        made.effect("start_deployment", model_id="m", deployment_id="search")
        made.settle()
        put(made, f"{PATH}/m/model_aliases/alias")
        put(
            made,
            "/_inference/sparse_embedding/e",
            {"service": "elasticsearch", "service_settings": {"deployment_id": "search"}},
        )
        put(made, "/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": "alias"}}]})
        made.effect("put_semantic_text_reference", index="i", inference_id="e")
        made.forget()
        yield made


def ids(result: Json) -> list[str]:
    return [model["model_id"] for model in result["models"]]


def requests(emulator: Emulator) -> list[str]:
    return [each["path"] for each in emulator.control("GET", "/requests")]


# --- which models ---


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ((), ["m", "other"]),
        (("*",), ["m", "other"]),
        (("m",), ["m"]),
        (("alias",), ["m"]),
        (("al?as", "oth*"), ["m", "other"]),
        (("m", "alias", "[m]"), ["m"]),
        (("none*",), []),
    ],
)
def test_models_are_found_by_id_alias_and_pattern(
    emulator: Emulator, patterns: tuple[str, ...], found: list[str]
) -> None:
    result = emulator.models(*patterns)
    assert (ids(result), result["warnings"]) == (found, [])
    assert emulator.journal() == []


def test_models_are_found_by_tags_that_they_all_have(emulator: Emulator) -> None:
    put(emulator, f"{PATH}/tagged", config(tags=["b", "a"]))
    put(emulator, f"{PATH}/half", config(tags=["a"]))
    assert ids(emulator.models(tags=["a", "b"])) == ["tagged"]
    assert ids(emulator.models(tags=["a"])) == ["half", "tagged"]
    assert ids(emulator.models("t*", tags=["a"])) == ["tagged"]
    assert ids(emulator.models("m", tags=["a"])) == []
    [model] = emulator.models("tagged")["models"]
    assert (model["tags"], model["task"], model["field_names"]) == (["a", "b"], "text_embedding", ["text"])


WARNINGS = [
    (("othr",), "Model 'othr' does not exist. The models are 'm', 'other'. Did you mean 'other'?"),
    (("alia", "m"), "Model 'alia' does not exist. The models are 'm', 'other'. Did you mean 'alias'?"),
    (("othr", "x", "x"), "Models 'othr', 'x' do not exist. The models are 'm', 'other'. Did you mean 'other'?"),
]


@pytest.mark.parametrize(("given", "warning"), WARNINGS)
def test_an_id_that_does_not_exist_gives_a_warning(emulator: Emulator, given: tuple[str, ...], warning: str) -> None:
    result = emulator.models(*given)
    assert (result["warnings"], result["failure"]) == ([warning], None)
    assert emulator.models("m", tags=["none"])["warnings"] == []


# --- what is said of each ---


def test_all_that_is_known_of_a_model(emulator: Emulator) -> None:
    checksum = {"definition_sha256": "ab", "definition_bytes": 12}
    metadata = {
        "mlops_elasticsearch": checksum,
        "per_allocation_memory_bytes": 5 << 20,
        "per_deployment_memory_bytes": 7,
    }
    put(
        emulator,
        f"{PATH}/mine",
        config(metadata=metadata, tags=["t"], description="d", platform_architecture="linux-x86_64"),
    )
    [model] = emulator.models("mine")["models"]
    assert model.pop("create_time").endswith("Z")
    assert model == {
        "model_id": "mine",
        "model_type": "pytorch",
        "task": "text_embedding",
        "description": "d",
        "tags": ["t"],
        "field_names": ["text"],
        "platform_architecture": "linux-x86_64",
        "model_aliases": [],
        "license_level": "platinum",
        "created_by": "api_user",
        "packaged": False,
        "fully_defined": False,
        "download": None,
        "definition_sha256": "ab",
        "definition_bytes": 12,
        "verified": True,
        "model_bytes": None,
        "per_deployment_memory_bytes": 7,
        "per_allocation_memory_bytes": 5 << 20,
        "required_memory": None,
        "deployments": [],
        "in_use": False,
        "used_by": {"deployments": [], **{kind: [] for kind in KINDS}},
        "config": None,
    }


def test_who_uses_a_model(emulator: Emulator) -> None:
    result = emulator.models()
    mine, other = result["models"]
    assert mine["used_by"] == {
        "deployments": ["search"],
        "inference_endpoints": ["e"],
        "ingest_pipelines": ["p"],
        "model_aliases": ["alias"],
        "semantic_text_indices": ["i"],
    }
    assert (mine["deployments"], mine["model_aliases"]) == (["search"], ["alias"])
    assert other["used_by"] == {"deployments": [], **{kind: [] for kind in KINDS}}
    assert (mine["in_use"], other["in_use"]) == (True, False)
    assert result["summary"] == {
        "models": 2,
        "deployed": 1,
        "incomplete": 0,
        "downloading": 0,
        "unused": 1,
        "model_bytes": 3 << 20,
    }


def test_sizes_and_memory_come_with_each_model(emulator: Emulator) -> None:
    sizes = {each["model_id"]: (each["model_bytes"], each["required_memory"]) for each in emulator.models()["models"]}
    assert sizes == {
        name: (size, {"first_allocation_bytes": (240 << 20) + 2 * size, "further_allocation_bytes": 0})
        for name, size in (("m", 1 << 20), ("other", 2 << 20))
    }


def test_what_is_not_gathered_is_null_and_not_read(emulator: Emulator) -> None:
    result = emulator.models(gather=[])
    for model in result["models"]:
        assert [model[name] for name in ("fully_defined", "used_by", "config")] == [None, None, None]
    assert [(model["deployments"], model["in_use"]) for model in result["models"]] == [(["search"], True), ([], None)]
    assert result["summary"]["unused"] is None
    read = [path for path in requests(emulator) if path not in ("/", PATH, f"{PATH}/_stats")]
    assert read == []


def test_the_configuration_is_there_on_request(emulator: Emulator) -> None:
    put(emulator, f"{PATH}/mine", config(metadata={"own": {"a": 1}}))
    [model] = emulator.models("mine", gather=["config"])["models"]
    assert (model["config"]["metadata"]["own"], model["config"]["input"]) == ({"a": 1}, {"field_names": ["text"]})
    assert model["used_by"] is None


@pytest.mark.parametrize("version", ["8.0.1", "8.7.1", "8.9.2", "8.16.0", "9.5.3"])
def test_keys_are_the_same_in_each_version(version: str) -> None:
    with Emulator(version) as emulator, Emulator("9.5.3") as newest:
        old, new = emulator.models(), newest.models()
        assert [list(model) for model in old["models"]] == [list(model) for model in new["models"]]
        assert list(old) == list(new) == [*empty_result(), "warnings"]
        defined = {model["fully_defined"] for model in old["models"]}
        assert defined == ({True} if emulator.has(8, 8) else {None})


def test_check_mode_reads_the_same(emulator: Emulator) -> None:
    assert emulator.models(check_mode=True) == emulator.models()


# --- definitions and downloads ---


def test_a_definition_is_asked_for_only_where_it_may_be_incomplete(emulator: Emulator) -> None:
    emulator.control("POST", "/models", {"model_id": "part", "bytes": 10, "missing_parts": "all"})
    emulator.control("POST", "/models", {"model_id": "tree", "bytes": 10, "model_type": "tree_ensemble"})
    found = {each["model_id"]: each["fully_defined"] for each in emulator.models(gather=["definition"])["models"]}
    assert found == {"m": True, "other": True, "part": False, "tree": None}
    assert [path for path in requests(emulator) if path.startswith(f"{PATH}/") and "_stats" not in path] == [
        f"{PATH}/other",
        f"{PATH}/part",
    ]
    assert "/_tasks" not in requests(emulator)


def test_a_model_that_is_deleted_meanwhile_has_no_status(emulator: Emulator) -> None:
    error = {"type": "resource_not_found_exception", "reason": "gone"}
    answer = {"type": "answer", "status": 404, "body": {"error": error, "status": 404}}
    emulator.fault("model", answer, path=f"{PATH}/other")
    assert [each["fully_defined"] for each in emulator.models("other")["models"]] == [None]
    emulator.fault("model", {"type": "bad_gateway", "by": "nginx"}, times=-1, path=f"{PATH}/other")
    result = emulator.models()
    assert (result["msg"].partition(":")[0], result["models"]) == ("Cannot read model 'other'", [])
    assert result["server"]["version"] == "9.5.3"


def download(emulator: Emulator) -> None:
    emulator.effect("set_download_time", seconds=100)
    put(emulator, f"{PATH}/{ELSER}", {"input": {"field_names": ["text_field"]}})
    emulator.effect("pass_time", seconds=50)


def test_a_download_under_way_is_shown(emulator: Emulator) -> None:
    download(emulator)
    [model] = emulator.models(ELSER)["models"]
    assert (model["packaged"], model["fully_defined"], model["verified"]) == (True, False, None)
    assert 200 < model["download"]["downloaded_parts"] < model["download"]["total_parts"] == 418
    assert emulator.models()["summary"]["downloading"] == 1
    assert [each["download"] for each in emulator.models("m")["models"]] == [None]


def test_a_download_that_may_not_be_read_is_named(emulator: Emulator) -> None:
    download(emulator)
    emulator.allow("monitor_ml")
    result = emulator.models(ELSER, gather=["definition"])
    assert [(each["download"], each["fully_defined"]) for each in result["models"]] == [(None, False)]
    assert result["missing"] == [{"what": "download", "privilege": "monitor"}]
    emulator.allow("monitor_ml", "monitor")
    assert emulator.models(ELSER, gather=["definition"])["missing"] == []


def test_serverless_shows_no_download() -> None:
    with Emulator("9.5.3", flavor="serverless") as emulator:
        download(emulator)
        emulator.fault("tasks", {"type": "answer", "status": 410, "body": {}}, times=-1)
        result = emulator.models(gather=["definition"])
        assert result["missing"] == [{"what": "download", "privilege": None}]


# --- privileges, pages, errors ---


def test_users_that_may_not_be_read_are_named(emulator: Emulator) -> None:
    emulator.allow("monitor_ml", "monitor", indices={"i": "view_index_metadata"})
    result = emulator.models("m")
    assert result["missing"] == [
        {"what": "ingest_pipelines", "privilege": "read_pipeline"},
        {"what": "semantic_text_indices", "privilege": "view_index_metadata on all indices"},
    ]
    assert result["models"][0]["used_by"] == {
        "deployments": ["search"],
        "inference_endpoints": ["e"],
        "ingest_pipelines": None,
        "model_aliases": ["alias"],
        "semantic_text_indices": None,
    }
    emulator.effect("remove_deployment", deployment_id="search")
    assert [(each["in_use"], bool(each["used_by"])) for each in emulator.models()["models"]] == [
        (True, True),
        (None, True),
    ]
    assert emulator.models()["summary"]["unused"] is None
    emulator.allow("monitor_ml")
    assert [each["what"] for each in emulator.models()["missing"]] == ["inference_endpoints", "ingest_pipelines"]
    assert emulator.models("none*")["missing"] == []
    emulator.allow("read_pipeline")
    assert emulator.models()["msg"].endswith("Grant the cluster privilege monitor_ml.")


def test_the_number_of_requests_does_not_grow_with_that_of_models(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> int:
        emulator.forget()
        assert "failed" not in emulator.models(gather=["references", "config"])
        return len(requests(emulator))

    few = read()
    for number in range(30):
        emulator.control("POST", "/models", {"model_id": f"x{number}", "bytes": 10})
    assert read() == few
    monkeypatch.setattr(pages, "PAGE", 8)
    assert read() == few + 2 * 3
    assert len(emulator.models()["models"]) == 32


def test_what_a_failed_read_leaves(emulator: Emulator) -> None:
    emulator.fault("model", {"type": "bad_gateway", "by": "nginx"}, times=-1, path=PATH)
    result = emulator.models()
    assert all(result[name] == value for name, value in empty_result().items() if name not in ("server", "failure"))
    assert (result["server"]["version"], result["failure"]) == ("9.5.3", {"code": "cluster_unavailable"})
    assert result["msg"].startswith("Cannot read the models: ")


def test_an_answer_that_makes_no_sense_is_named(emulator: Emulator) -> None:
    answer = {"type": "answer", "status": 200, "body": {"count": 1, "trained_model_configs": [{"model_id": 5}]}}
    emulator.fault("model", answer)
    assert "trained_model_configs[].model_id is not text" in emulator.models()["msg"]


def test_what_this_collection_uploaded_is_known_by_its_checksum(emulator: Emulator, tmp_path: Path) -> None:
    """Test that both modules speak of the same model in the same words."""
    definition, vocabulary = tmp_path / "model.pt", tmp_path / "vocabulary.json"
    definition.write_bytes(b"not a model")
    vocabulary.write_text('{"vocabulary": ["a"]}')
    files: Json = {"definition": str(definition), "vocabulary": str(vocabulary)}
    uploaded = emulator.run_model(model_id="mine", config=config(), **files)["model"]
    [model] = emulator.models("mine", gather=["definition", "config"])["models"]
    assert model["verified"] is True
    assert model["definition_sha256"] == hashlib.sha256(b"not a model").hexdigest()
    del uploaded["config"]
    assert {name: model[name] for name in uploaded} == uploaded


def test_metadata_of_others_is_no_checksum(emulator: Emulator) -> None:
    put(emulator, f"{PATH}/odd", config(metadata={"mlops_elasticsearch": "theirs"}))
    [model] = emulator.models("odd")["models"]
    assert (model["definition_sha256"], model["verified"]) == (None, False)


def test_an_internal_error_is_a_failed_result(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.unsound = True
    monkeypatch.setattr(emulator.clock, "sleep", None)
    monkeypatch.setattr(emulator, "request", lambda *_: 1 / 0)
    assert emulator.models()["failure"] == {"code": "internal_error"}
