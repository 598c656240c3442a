# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of what Elasticsearch asks before a start. What was read is kept until it is forgotten."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError
from ..._core.features import Feature
from ..._core.http.client import Client
from ..._core.run.obstacles import is_licensed, is_upgrade_mode, read_if_allowed
from ..._core.server import Server
from ..records.processors import MlProcessors
from ..records.start_conditions import NodeVersion, StartConditions
from . import schemas

Json = dict[str, t.Any]
_NODES = ",".join(f"nodes.*.{name}" for name in ("version", "transport_version", "roles", "attributes"))
_SETTINGS = "*.xpack.ml.max_*,*.xpack.ml.allocated_processors_scale"


class StartConditionsReader:
    """Reads what decides about a start, each at most once. Serverless has none of it."""

    def __init__(self, client: Client, server: t.Callable[[], Server]) -> None:
        self._client = client
        self._server = server
        self._conditions: StartConditions | None = None
        self._nodes: Json | None = None

    def forget(self) -> None:
        """Read again when it is asked for next."""
        self._conditions = self._nodes = None

    def read(self) -> StartConditions:
        """Return the conditions, as far as the user may read them; read them once.

        :raises ApiError: a read failed for another reason.
        """
        if self._conditions is None:
            self._conditions = StartConditions() if self._server().serverless else self._read_conditions()
        return self._conditions

    def _read_conditions(self) -> StartConditions:
        nodes = _versions(self._read_nodes()) if self._server().supports(Feature.NODE_VERSION_CHECK) else None
        differ = nodes is not None and len(set(nodes)) > 1
        return StartConditions(
            nodes,
            self._read_master() if differ else None,
            is_licensed(self._client),
            is_upgrade_mode(self._client),
        )

    def _read_nodes(self) -> Json:
        if self._nodes is None:
            self._nodes = read_if_allowed(
                self._client, "read the nodes", "/_nodes", {"filter_path": _NODES}, schemas.NODES
            )
        return self._nodes

    def _read_master(self) -> NodeVersion | None:
        query = {"filter_path": "nodes.*.version,nodes.*.transport_version"}
        masters = _versions(
            read_if_allowed(self._client, "read the master node", "/_nodes/_master", query, schemas.NODES)
        )
        return masters[0] if masters else None

    @property
    def has_processors(self) -> bool:
        """Return whether the server asks for processors: before 8.4 nodes accepted more than they have."""
        return self._server().supports(Feature.PROCESSOR_CHECK)

    def read_processors(self) -> MlProcessors | None:
        """Return the processors for machine learning; ``None`` if they cannot be read."""
        query = {"include_defaults": "true", "filter_path": _SETTINGS}
        schema = schemas.CLUSTER_SETTINGS
        try:
            nodes = self._read_nodes()
            if not nodes:
                return None
            settings = self._client.read(
                "read the settings", "/_cluster/settings", query, privilege="monitor", schema=schema
            )
            return MlProcessors.from_api(nodes, settings)
        except (ApiError, ValueError, ArithmeticError):  # numbers are free texts there
            return None  # the check only spares requests that would fail


def _versions(raw: Json) -> tuple[NodeVersion, ...] | None:
    """Return the versions of the nodes, or ``None`` if no node is shown."""
    return tuple(map(NodeVersion.from_api, (raw.get("nodes") or {}).values())) or None
