# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Do with a model what users of eland do. Runs in the environment of eland: ``peer.py URL ACTION MODEL [FOLDER]``.

The package ``eland.ml.pytorch`` imports torch for what traces models. The class that talks to Elasticsearch does not
need it, so its module is loaded alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any


def pytorch(module: str) -> Any:
    """Import a module of ``eland.ml.pytorch``, but not what its package imports."""
    found = importlib.util.find_spec("eland")
    folder = Path(str(found and found.origin)).parent
    for name, path in (("eland.ml", folder / "ml"), ("eland.ml.pytorch", folder / "ml/pytorch")):
        package = sys.modules.setdefault(name, types.ModuleType(name))
        package.__path__ = [str(path)]
    return importlib.import_module(f"eland.ml.pytorch.{module}")


def configuration() -> Any:
    """Return the configuration of a text embedding, in eland's own classes."""
    models = pytorch("nlp_ml_model")
    return models.NlpTrainedModelConfig(
        description="uploaded by eland",
        model_type="pytorch",
        inference_config=models.TextEmbeddingInferenceOptions(
            tokenization=models.NlpBertTokenizationConfig(do_lower_case=True, max_sequence_length=128), embedding_size=8
        ),
        prefix_strings=None,
        metadata={"per_deployment_memory_bytes": 1000, "per_allocation_memory_bytes": 2000},
    )


def main(url: str, action: str, model_id: str, folder: str = "") -> int:
    clients = importlib.import_module("elasticsearch")
    client = clients.Elasticsearch(url)
    model_class = pytorch("_pytorch_model").PyTorchModel
    model = model_class(client, model_id)
    shown: Any = None
    if action == "upload":
        files = Path(folder)
        model.put_config(config=configuration())
        model.put_model(str(files / "model.pt"))
        model.put_vocab(str(files / "vocabulary.json"))
        shown = configuration().to_dict()
    elif action == "list":
        shown = sorted(model_class.list(client))
    elif action == "infer":
        model.start()
        shown = dict(model.infer([{"text_field": "some words"}]))
        model.stop()
    elif action == "delete":
        model.delete()
    sys.stdout.write(json.dumps(shown) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
