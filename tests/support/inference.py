# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepare models and deployments that answer inferences, and refusals of an inference."""

from __future__ import annotations

import typing as t

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
TREE: Json = {
    "input": {"field_names": ["income"]},
    "inference_config": {"regression": {}},
    "definition": {"trained_model": {"tree": {"feature_names": ["income"], "tree_structure": [{"node_index": 0}]}}},
}
ADAPTIVE = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2}


def put_model(emulator: Emulator, model_id: str, task: str, settings: Json) -> None:
    body = {"model_type": "pytorch", "inference_config": {task: settings}, "input": {"field_names": ["text_field"]}}
    base = f"/_ml/trained_models/{model_id}"
    vocabulary = {"vocabulary": ["a", "b"]}
    part = {"definition": "AAAA", "total_definition_length": 3, "total_parts": 1}
    for path, content in ((base, body), (f"{base}/vocabulary", vocabulary), (f"{base}/definition/0", part)):
        call = {"method": "PUT", "path": path, "query": {}, "body": content}
        assert emulator.send(call) == 200, (path, content)


def put_tree(emulator: Emulator) -> None:
    assert emulator.send({"method": "PUT", "path": "/_ml/trained_models/tree", "query": {}, "body": TREE}) == 200


def started(version: str = "9.5.3", flavor: str = "default", **settings: t.Any) -> Emulator:
    """Return a cluster on which deployment d of model m runs."""
    emulator = Emulator(version, flavor=flavor)
    given: Json = settings or {"number_of_allocations": 1}
    deployment_id = "d" if emulator.has(8, 8) else "m"
    emulator.effect("start_deployment", model_id="m", deployment_id=deployment_id, **given)
    emulator.settle()
    emulator.forget()
    return emulator


def refusal(status: int, reason: str, error_type: str = "status_exception") -> Json:
    error = {"type": error_type, "reason": reason}
    return {"type": "answer", "status": status, "body": {"error": error, "status": status}}


def inferences(emulator: Emulator) -> int:
    return sum(request["path"].endswith("_infer") for request in emulator.control("GET", "/requests"))
