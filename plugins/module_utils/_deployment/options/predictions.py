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
from ..._core.warning import WarningText
from ..records.prediction import ENTRY, Predictions, from_entry

Json = dict[str, t.Any]
PREDICTIONS = Spec({"predictions": {"type": "dict", "options": {"deployments": {"type": "dict"}}}})


def predictions(params: t.Mapping[str, t.Any], server: Server) -> Predictions:
    """Return the deployments on *server* that earlier tasks of the dry run would have changed.

    :raises Refusal: the option has what no fact has.
    """
    last = {
        deployment_id: [entry for entry in entries if _is_of(entry, server)][-1:]
        for deployment_id, entries in _entries(params)
    }
    return {
        deployment_id: from_entry(entry)
        for deployment_id, entries in last.items()
        for entry in entries
        if entry["predicted"]
    }


def not_followed(params: t.Mapping[str, t.Any], server: Server, deployment_id: str) -> tuple[WarningText, ...]:
    """Return a warning if an earlier task of the dry run may have changed the deployment on *server* or elsewhere."""
    predicted = [entry for name, entries in _entries(params) if name == deployment_id for entry in entries]
    if not any(
        entry["predicted"] and not _is_of(entry, server) and not _is_known(entry, server) for entry in predicted
    ):
        return ()
    text = (
        f"An earlier task of this dry run would change a deployment '{deployment_id}' at other addresses. Whether it "
        "is this one is not known without the cluster privilege monitor: the task plans from what is there."
    )
    return (WarningText(text),)


def _entries(params: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, list[Json]]]:
    """Yield the entries of each deployment id, in the order in which they were made.

    :raises Refusal: the option has what no fact has.
    """
    for deployment_id, given in ((params["predictions"] or {}).get("deployments") or {}).items():
        entries = given if isinstance(given, list) else [given]
        for entry in entries:
            _refuse_other(str(deployment_id), entry)
        yield str(deployment_id), entries


def _is_known(entry: Json, server: Server) -> bool:
    """Return whether the uuids decide if *entry* is of the cluster of *server*."""
    return bool(entry["cluster"].get("uuid") and server.cluster_uuid)


def _is_of(entry: Json, server: Server) -> bool:
    """Return whether *entry* is of the cluster of *server*; without both uuids the addresses decide."""
    if _is_known(entry, server):
        return bool(entry["cluster"]["uuid"] == server.cluster_uuid)
    return bool(entry.get("addresses") == server.addresses)


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
