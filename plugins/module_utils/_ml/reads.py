# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of one model."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Client, quote
from .._core.http.schema import Schema
from .._core.server import Server

Json = dict[str, t.Any]


def read_model(client: Client, model_id: str, query: dict[str, str], schema: Schema) -> Json | None:
    """Return the row of the model with this id or alias, ``None`` if there is none.

    :raises ApiError: it could not be read.
    """
    try:
        answer = client.read(f"read model '{model_id}'", f"/_ml/trained_models/{quote(model_id)}", query, schema=schema)
    except ApiError as exc:
        if exc.not_found:
            return None
        raise
    return next(iter(answer.get("trained_model_configs") or ()), None)


def read_model_with_status(client: Client, server: Server, model_id: str, schema: Schema) -> Json | None:
    """Return the row as :func:`read_model` does, with ``fully_defined`` where *server* tells it of such a model.

    :raises ApiError: it could not be read.
    """
    if server.supports(Feature.DEFINITION_STATUS):
        try:
            return read_model(client, model_id, {"include": "definition_status"}, schema)
        except ApiError as exc:
            if exc.status != 400:
                raise
    # Elasticsearch refuses to show the definition status of a model that is not a PyTorch model.
    return read_model(client, model_id, {}, schema)
