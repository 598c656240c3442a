# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of what Elasticsearch asks before a start. What was read is kept until it is forgotten."""

from __future__ import annotations

import typing as t

from ..._core.features import Feature
from ..._core.http.client import Client
from ..._core.run.obstacles import is_licensed, is_upgrade_mode, read_if_allowed
from ..._core.server import Server
from ..records.start_conditions import NodeVersion, StartConditions
from . import schemas

Json = dict[str, t.Any]
_NODES = ",".join(f"nodes.*.{name}" for name in ("version", "transport_version", "roles", "os.arch"))


class StartConditionsReader:
    """Reads what decides about a start, each at most once. Serverless has none of it."""

    def __init__(
        self, client: Client, server: t.Callable[[], Server], predicted_mode: t.Callable[[], bool | None]
    ) -> None:
        self._client = client
        self._server = server
        self._predicted_mode = predicted_mode
        self._conditions: StartConditions | None = None

    def forget(self) -> None:
        """Read again when it is asked for next."""
        self._conditions = None

    def read(self) -> StartConditions:
        """Return the conditions, as far as the user may read them; read them once.

        :raises ApiError: a read failed for another reason.
        """
        if self._conditions is None:
            self._conditions = StartConditions() if self._server().serverless else self._read_conditions()
        return self._conditions

    def _read_conditions(self) -> StartConditions:
        asked = self._server().supports(Feature.NODE_VERSION_CHECK)
        nodes = self._read_versions("read the nodes", "/_nodes") if asked else None
        differ = nodes is not None and len(set(nodes)) > 1
        return StartConditions(
            nodes,
            self._read_master() if differ else None,
            is_licensed(self._client),
            is_upgrade_mode(self._client, self._predicted_mode()),
        )

    def _read_master(self) -> NodeVersion | None:
        masters = self._read_versions("read the master node", "/_nodes/_master")
        return masters[0] if masters else None

    def _read_versions(self, what: str, path: str) -> tuple[NodeVersion, ...] | None:
        """Return the versions of the nodes under *path*, or ``None`` if no node is shown."""
        raw = read_if_allowed(self._client, what, path, {"filter_path": _NODES}, schemas.NODES)
        return tuple(map(NodeVersion.from_api, (raw.get("nodes") or {}).values())) or None
