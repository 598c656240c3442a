# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One tiny inference of a deployment, which says whether it answers."""

from __future__ import annotations

import typing as t

from ..._core.http.client import Client
from ..._core.server import Server
from ..._ml.inference import (
    ANSWER,
    MODEL_QUERY,
    MODEL_SCHEMA,
    InferenceModel,
    example_docs,
    needed_config,
    results_in,
    to_request,
)
from ..._ml.reads import read_model

Json = dict[str, t.Any]


class InferenceReader:
    """Inferences, each sent once. What a model can take is read once in a task."""

    def __init__(self, client: Client, server: t.Callable[[], Server]) -> None:
        self._client = client
        self._server = server
        self._models: dict[str, InferenceModel] = {}

    def forget(self) -> None:
        """Forget what changes between two tasks."""
        self._models = {}

    def ask(self, deployment_id: str, model_id: str, docs: t.Sequence[Json], timeout: float) -> list[Json]:
        """Return the result of the first of *docs*, or without any of a document that the model can take.

        *timeout*: seconds that Elasticsearch may take.

        :raises ApiError: there is none.
        """
        model = self._model(model_id)
        given = docs or example_docs(model)
        request = to_request(self._server(), deployment_id, given[:1], needed_config(model), timeout)
        what = f"infer with deployment '{deployment_id}'"
        return results_in(self._client.ask(what, request, privilege="monitor_ml", schema=ANSWER))

    def _model(self, model_id: str) -> InferenceModel:
        """Return a model; one that is not there takes what any model takes.

        :raises ApiError: it could not be read.
        """
        if model_id not in self._models:
            row = read_model(self._client, model_id, MODEL_QUERY, MODEL_SCHEMA)
            self._models[model_id] = InferenceModel.from_api(row or {"model_id": model_id})
        return self._models[model_id]
