# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send requests about trained models, in short words."""

from __future__ import annotations

from typing import Any

from emulator_tests.api import Answer, Api

Json = dict[str, Any]
ML = "/_ml/trained_models"
EMBED: Json = {"model_type": "pytorch", "inference_config": {"text_embedding": {}}}
TREE: Json = {
    "input": {"field_names": ["field1"]},
    "tags": ["regression"],
    "inference_config": {"regression": {}},
    "definition": {"trained_model": {"tree": {"feature_names": ["field1"], "tree_structure": [{"node_index": 0}]}}},
}


def put(api: Api, model_id: str, body: Json, **query: Any) -> Answer:
    """Put a new model."""
    return api.send("PUT", f"{ML}/{model_id}", body, **query)
