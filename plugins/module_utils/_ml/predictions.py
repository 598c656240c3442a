# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of resources from whose predicted state later tasks of a dry run plan."""

from __future__ import annotations

import typing as t

from .._core.http.schema import object_with, text
from .._core.options.spec import Spec
from .._core.run.predictions import Predicted, entry_schema
from .._core.server import Server

KINDS = {"deployments": "deployment", "aliases": "alias"}
"""Kind in the option ``predictions`` to the key of the resource in an entry of a fact."""

PREDICTIONS = Spec({"predictions": {"type": "dict", "options": {kind: {"type": "dict"} for kind in KINDS}}})

ALIAS_ENTRY = entry_schema(alias=object_with("model_alias", "model_id", model_alias=text, model_id=text))

_MODEL_ENTRY = entry_schema(deployment=object_with("model_id", model_id=text))


def predicted_aliases(params: t.Mapping[str, t.Any], server: Server) -> dict[str, str | None]:
    """Return the aliases on *server* that a dry run would have changed: to their models, ``None`` if deleted.

    :raises Refusal: the option has what no fact has.
    """
    found = Predicted(params, "aliases", ALIAS_ENTRY).on(server)
    return {name: (entry.get("alias") or {}).get("model_id") for name, entry in found.items()}


def predicted_models(params: t.Mapping[str, t.Any], server: Server) -> dict[str, str | None]:
    """Return the deployments on *server* that a dry run would have changed: to their models, ``None`` if stopped.

    :raises Refusal: the option has what no fact has.
    """
    found = Predicted(params, "deployments", _MODEL_ENTRY).on(server)
    return {name: (entry.get("deployment") or {}).get("model_id") for name, entry in found.items()}
