# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The read of a field in the mapping of an index, and the request that creates the index."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Request, quote
from .._core.http.schema import ANY, map_of, max_depth, object_with
from .._core.plan import Step
from .._core.run.cluster import ClusterConnection
from .._core.server import Server
from .records import Desired, Situation, field_in

PLURAL = "indices"
_DEEPEST = 200


def _mappings(value: t.Any) -> None:
    map_of(object_with(mappings=ANY))(value)
    max_depth(value, _DEEPEST)


class FieldCluster(ClusterConnection):
    """A connection to one cluster: a field of an index."""

    ALLOWING: t.ClassVar = {f"create {PLURAL}": ("create_index",)}

    def read(self, desired: Desired) -> Situation:
        """Return the field as the mapping of each index has it that the name leads to.

        :raises Refusal: the server knows no such fields.
        :raises ApiError: the mapping could not be read.
        """
        self.server.require(Feature.SEMANTIC_TEXT)
        what, path = f"read the mapping of index '{desired.index}'", f"/{quote(desired.index)}/_mapping"
        try:
            answer = self._client.read(what, path, privilege="view_index_metadata", schema=_mappings)
        except ApiError as error:
            if error.error_type == "index_not_found_exception":
                return Situation({})
            raise
        found = {index: shown.get("mappings") or {} for index, shown in sorted(answer.items())}
        return Situation({index: field_in(index, desired.field, mapping) for index, mapping in found.items()})

    def refuse_unprivileged(self, writes: t.Collection[str]) -> None:
        """Leave it to Elasticsearch: the privilege is one on the index, and nothing has been written before."""


def to_request(step: Step, _server: Server) -> Request:
    """Return the request that creates an index with the field of *step*."""
    field: dict[str, t.Any] = {name: step.settings[name] for name in ("type", "inference_id")}
    for name in reversed(step.settings["field"].split(".")):
        field = {"properties": {name: field}}
    return Request("PUT", f"/{quote(step.settings['index'])}", {}, {"mappings": field})
