# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of resources that earlier tasks of a dry run would have made: entries of their facts, as an option."""

from __future__ import annotations

import typing as t

from ..errors import Refusal
from ..http.schema import Schema, SchemaError, boolean, object_with, text
from ..server import Server
from ..warning import WarningText

Json = dict[str, t.Any]


def entry_schema(**shown: Schema) -> Schema:
    """Return the schema of an entry of a fact that has *shown* of its resource."""
    where = object_with(name=text, uuid=text)
    return object_with("cluster", "predicted", cluster=where, addresses=text, predicted=boolean, **shown)


class Predicted:
    """The predictions of one *kind* in the option ``predictions``.

    :raises Refusal: the option has what no fact has.
    """

    def __init__(self, params: t.Mapping[str, t.Any], kind: str, schema: Schema) -> None:
        given = (params["predictions"] or {}).get(kind) or {}
        self._entries = {str(name): value if isinstance(value, list) else [value] for name, value in given.items()}
        """Id to its entries, in the order in which they were made; they may be of several clusters."""
        for name, entries in self._entries.items():
            for entry in entries:
                _refuse_other(kind, name, entry, schema)

    def on(self, server: Server) -> dict[str, Json]:
        """Return id to the last entry on *server*, of those that a dry run would have changed."""
        last = {
            name: [entry for entry in entries if _is_of(entry, server)][-1:] for name, entries in self._entries.items()
        }
        return {name: entry for name, entries in last.items() for entry in entries if entry["predicted"]}

    def not_followed(self, resource_id: str, noun: str, server: Server) -> tuple[WarningText, ...]:
        """Return a warning if an earlier task may have changed this resource on *server*, or elsewhere.

        *noun*: what a message calls it.
        """
        if not any(
            entry["predicted"] and not _is_of(entry, server) and not _is_known(entry, server)
            for entry in self._entries.get(resource_id, ())
        ):
            return ()
        text = (
            f"An earlier task of this dry run would change a {noun} '{resource_id}' at other addresses. Whether it "
            "is this one is not known without the cluster privilege monitor: the task plans from what is there."
        )
        return (WarningText(text),)


def _is_known(entry: Json, server: Server) -> bool:
    """Return whether the uuids decide if *entry* is of the cluster of *server*."""
    return bool(entry["cluster"].get("uuid") and server.cluster_uuid)


def _is_of(entry: Json, server: Server) -> bool:
    """Return whether *entry* is of the cluster of *server*; without both uuids the addresses decide."""
    if _is_known(entry, server):
        return bool(entry["cluster"]["uuid"] == server.cluster_uuid)
    return bool(entry.get("addresses") == server.addresses)


def _refuse_other(kind: str, name: str, entry: t.Any, schema: Schema) -> None:
    try:
        schema(entry)
        if entry is None:
            raise SchemaError("is missing")
    except SchemaError as exc:
        raise Refusal(
            "invalid_value",
            f"predictions.{kind} has no entry of a fact for '{name}': {exc}",
            hint="Leave predictions out: the tasks of a dry run hand them on by themselves.",
        ) from None
