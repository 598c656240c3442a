# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of the capacity of a cluster. What was read is kept until it is forgotten."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Client
from .._core.http.schema import Schema
from .._core.server import Server
from . import schemas
from .answers import MEMORY_PATH, SETTINGS_PATH, capacity, no_capacity
from .records import Capacity

Json = dict[str, t.Any]

STATE_PATH = "/_cluster/state/metadata,nodes"
"""The one wide read of the cluster state that has the nodes beside the routing tables."""
STATE_FIELDS = (
    *(f"nodes.*.{name}" for name in ("name", "version", "roles", "attributes")),
    "metadata.node_shutdown.nodes.*.type",
)
"""The fields of that read that :meth:`CapacityReader.read` needs; their schemas are in ``schemas.py``."""
_MEMORY_FIELDS = ("_nodes.failed", *(f"nodes.*.{name}" for name in ("name", "roles", "attributes", "mem.ml")))
_SETTINGS_FIELDS = (
    "*.xpack.ml.max_lazy_ml_nodes",
    "*.xpack.ml.max_ml_node_size",
    "*.xpack.ml.allocated_processors_scale",
    "*.cluster.routing.allocation.awareness.attributes",
)


class CapacityReader:
    """Reads memory and settings, each at most once. Serverless has none of it."""

    def __init__(self, client: Client, server: t.Callable[[], Server]) -> None:
        self._client = client
        self._server = server
        self._answers: dict[str, Json | None] = {}
        self._broken: set[str] = set()

    def forget(self) -> None:
        """Read again when it is asked for next."""
        self._answers = {}
        self._broken = set()

    def read(self, state: Json | None, *, strict: bool = True) -> Capacity:
        """Return the capacity, as far as the user may read it; unless *strict*, as far as the server answers.

        *state*: the cluster state with :data:`STATE_FIELDS`; ``None`` if the user may not read it.

        :raises ApiError: there is no licence, or a read failed for another reason than a lack of privileges.
        """
        server = self._server()
        if server.serverless:
            return no_capacity()
        has_memory = server.supports(Feature.MEMORY_STATS)
        # The settings need the privilege that the cluster state needs.
        settings = None if state is None else self._read_settings(strict)
        memory = self._read_memory(strict) if has_memory else None
        return capacity(state, memory, settings, has_memory=has_memory, broken=self._broken)

    def _read_memory(self, strict: bool) -> Json | None:
        query = {"filter_path": ",".join(_MEMORY_FIELDS)}
        what = "read the memory of the nodes"
        return self._once(what, MEMORY_PATH, query, schemas.MEMORY_STATS, "monitor_ml", strict)

    def _read_settings(self, strict: bool) -> Json | None:
        query = {"include_defaults": "true", "filter_path": ",".join(_SETTINGS_FIELDS)}
        return self._once("read the settings", SETTINGS_PATH, query, schemas.SETTINGS, "monitor", strict)

    def _once(
        self, what: str, path: str, query: dict[str, str], schema: Schema, privilege: str, strict: bool
    ) -> Json | None:
        if path not in self._answers:
            try:
                self._answers[path] = self._client.read(what, path, query, privilege=privilege, schema=schema)
            except ApiError as exc:
                # 400: it does not know this path or a parameter of it.
                if exc.kind == "licence" or (strict and not (exc.hidden or exc.status == 400)):
                    raise
                self._answers[path] = None
                self._broken |= set() if exc.status == 403 else {path}
        return self._answers[path]
