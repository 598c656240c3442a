# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option with what earlier tasks of a dry run would have made, by kind of resource."""

from __future__ import annotations

import typing as t

from ..._core.errors import Refusal
from ..._core.http.schema import SchemaError
from ..._core.options.spec import Spec
from ..._core.server import Server
from ..records.prediction import ENTRY, Predictions, from_entry

PREDICTIONS = Spec({"predictions": {"type": "dict", "options": {"deployments": {"type": "dict"}}}})


def predictions(params: t.Mapping[str, t.Any], server: Server) -> Predictions:
    """Return the deployments on *server* that earlier tasks of the dry run would have changed.

    :raises Refusal: the option has what no fact has.
    """
    entries = (params["predictions"] or {}).get("deployments") or {}
    for deployment_id, entry in entries.items():
        _refuse_other(str(deployment_id), entry)
    return {
        str(deployment_id): from_entry(entry)
        for deployment_id, entry in entries.items()
        if entry["predicted"] and entry["cluster"].get("uuid") == server.cluster()["uuid"]
    }


def _refuse_other(deployment_id: str, entry: t.Any) -> None:
    try:
        ENTRY(entry)
        if entry is None:
            raise SchemaError("is missing")
    except SchemaError as exc:
        raise Refusal(
            "invalid_value",
            f"predictions.deployments has no entry of a fact for '{deployment_id}': {exc}",
            hint="Leave predictions out: the tasks of a dry run hand them on by themselves.",
        ) from None
