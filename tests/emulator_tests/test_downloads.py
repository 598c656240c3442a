# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what clients see of a download, and the model that every real cluster has."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api

ELSER = ".elser_model_2"
DETAILED = {"actions": "xpack/ml/model_import[n]", "detailed": "true"}


@pytest.fixture
def api() -> Api:
    """Begin a download of ten seconds, and freeze the clock."""
    found = Api()
    found.emulator.control("POST", "/clock", {"frozen": True})
    found.effect("set_download_time", seconds=10)
    put = found.send("PUT", f"/_ml/trained_models/{ELSER}", {"input": {"field_names": ["text_field"]}})
    assert put.status == 200, put.body
    return found


def _tasks(api: Api, **query: str) -> Any:
    return api.send("GET", "/_tasks", **query).body


def test_a_download_goes_on(api: Api) -> None:
    """Test what public code shows of downloads: action, description and parts; gone when it is over."""
    begun = _tasks(api, group_by="none", **DETAILED)["tasks"]
    assert [(task["action"], task["type"]) for task in begun] == [("xpack/ml/model_import[n]", "model_import")]
    assert begun[0]["description"] == f"model_id-{ELSER}"
    total = begun[0]["status"]["total_parts"]
    assert begun[0]["status"] == {"total_parts": total, "downloaded_parts": 0}
    assert total > 100
    api.emulator.control("POST", "/clock", {"advance": 5})
    (half,) = _tasks(api, group_by="none", **DETAILED)["tasks"]
    assert half["status"]["downloaded_parts"] == total // 2
    assert half["running_time_in_nanos"] // 10**9 == 5
    api.emulator.control("POST", "/clock", {"advance": 5})
    assert _tasks(api, **DETAILED) == {"nodes": {}}


def test_groups(api: Api) -> None:
    """Test groups (documentation of task management)."""
    by_node = _tasks(api)["nodes"]
    ((node_id, node),) = by_node.items()
    ((task_id, task),) = node["tasks"].items()
    assert task_id == f"{node_id}:{task['id']}"
    assert "status" not in task
    assert _tasks(api, group_by="parents") == {"tasks": {task_id: task}}
    assert _tasks(api, group_by="none", actions="cluster:*") == {"tasks": []}
    assert _tasks(api, group_by="none", nodes="nowhere") == {"tasks": []}
    assert _tasks(api, group_by="none", actions="xpack/ml/*")["tasks"] == [task]
    assert api.send("GET", "/_tasks", group_by="x").type == "illegal_argument_exception"


def test_one_task(api: Api) -> None:
    (task,) = _tasks(api, group_by="none", **DETAILED)["tasks"]
    found = api.send("GET", f"/_tasks/{task['node']}:{task['id']}")
    assert found.body == {"completed": False, "task": task}
    over = api.send("GET", f"/_tasks/{task['node']}:99")
    assert (over.status, over.type) == (404, "resource_not_found_exception")
    assert "isn't part of the cluster" in api.send("GET", "/_tasks/gone:1").reason
    assert api.send("GET", "/_tasks/nonsense").reason == "malformed task id nonsense"


def test_lang_ident() -> None:
    """Test the model of every real cluster: listed, not deployed, for any licence, and not to be deleted."""
    name = "lang_ident_model_1"
    api = Api(lang_ident=True, models=(), license_type="basic")
    (listed,) = api.send("GET", "/_ml/trained_models").body["trained_model_configs"]
    shown = {key: listed[key] for key in ("model_id", "model_type", "created_by", "license_level", "tags")}
    assert shown == {
        "model_id": name,
        "model_type": "lang_ident",
        "created_by": "_xpack",
        "license_level": "basic",
        "tags": ["lang_ident", "prepackaged"],
    }
    row = {
        "model_id": name,
        "model_size_stats": {"model_size_bytes": 1_053_992, "required_native_memory_bytes": 0},
        "pipeline_count": 0,
    }
    assert api.stats() == {"count": 1, "trained_model_stats": [row]}
    inferred = api.send("POST", f"/_ml/trained_models/{name}/_infer", {"docs": [{"text": "some words"}]})
    assert inferred.status == 200
    assert api.send("PUT", f"/_ml/trained_models/{name}/model_aliases/language").status == 200
    assert api.send("DELETE", f"/_ml/trained_models/{name}").status == 400
    api.emulator.control("POST", "/reset")
    assert api.stats()["count"] == 1
    assert Api().stats()["count"] == 2
