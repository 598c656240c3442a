# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection of a task to one cluster: its server, the time of its requests, the rights of the user."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..errors import ApiError, Refusal
from ..features import Feature
from ..http.client import SHORTEST_READ, Client, Request
from ..options.connection import Connection
from ..server import Server
from . import schemas
from .privileges import PATH, Allowing, Rights, privileges_to_check
from .wait import SHORTEST_PLANNING, TaskTime


class ClusterConnection:
    """A connection to one cluster. Each resource adds its own reads and writes."""

    ALLOWING: t.ClassVar[Allowing] = {}
    """The privileges that the writes of the resource need."""

    @classmethod
    def connected(cls, connection: Connection, sleep: t.Callable[[float], None]) -> t.Self:
        """Return the cluster at *connection*. *sleep*: called between two attempts of a read."""
        return cls(Client(connection, sleep))

    def __init__(self, client: Client) -> None:
        self._client = client
        self._server: Server | None = None
        self._rights: Rights | None = None
        self._stays_open = False

    def keep_open(self) -> None:
        """Keep the connection open when it is closed, for the next task on this cluster."""
        self._stays_open = True

    def close(self) -> None:
        """Forget what the next task must read again, and close the connection unless it is kept open."""
        self.forget()
        if not self._stays_open:
            self._client.close()

    def forget(self) -> None:
        """Forget what changes between two tasks. The version, and what the user may not do, stays known."""

    def within(
        self, time_left: t.Callable[[], float], shortest_read: float = SHORTEST_READ
    ) -> contextlib.AbstractContextManager[None]:
        """Let requests take no longer than the seconds that *time_left* returns, and repeat none when they are over.

        *shortest_read*: seconds that a read gets even then.
        """
        return self._client.within(time_left, shortest_read)

    def planning(self, task_time: TaskTime, timeout: float) -> contextlib.AbstractContextManager[None]:
        """Let the reads before the first write take no longer than a task may that has *timeout* seconds."""
        return self.within(lambda: task_time.left_to_plan(timeout), SHORTEST_PLANNING)

    @property
    def server(self) -> Server:
        """Return what :meth:`read_server` has read.

        :raises LookupError: it was not called.
        """
        if self._server is None:
            raise LookupError("read_server() comes before server")
        return self._server

    def read_server(self) -> Server:
        """Read version and flavor, once: of ``GET /``, or for users without the privilege monitor of ``_ml/info``."""
        if self._server is None:
            self._server = dataclasses.replace(self._read_server(), addresses=self._client.address_hash)
        return self._server

    def _read_server(self) -> Server:
        try:
            what = "read the version of the cluster"
            return Server.from_api(self._client.read(what, "/", privilege="monitor", schema=schemas.SERVER))
        except ApiError as exc:
            if exc.kind != "privilege":
                raise
        info = self._client.read("read the version of the cluster", "/_ml/info", schema=schemas.INFO)
        # "8.19.2 (Build 3f0...)" or plain "8.19.2": the native code has the version of the node.
        version = str((info.get("native_code") or {}).get("version") or "").partition(" ")[0]
        return Server(version, "default", "")

    def refuse_unprivileged(self, writes: t.Collection[str]) -> None:
        """Refuse writes that the user may not send; read once. Without an answer, the write itself will show it.

        *writes*: keys of :attr:`ALLOWING`.

        :raises ApiError: Elasticsearch says that the user lacks the privilege.
        """
        if writes and self._rights is None:
            self._rights = self._read_rights()
        if self._rights is not None:
            self._rights.refuse(writes)

    def write(self, what: str, request: Request, write: str) -> None:
        """Send *request* once. *what* completes "Cannot ...". *write*: a key of :attr:`ALLOWING`.

        :raises ApiError: also where it is not known whether it took effect.
        """
        self._client.write(what, request, privilege=self.ALLOWING[write][0])

    def _read_rights(self) -> Rights:
        try:
            question = {"cluster": privileges_to_check(self.ALLOWING, self.server)}
            what = "read the privileges of the user"
            answer = self._client.read(what, PATH, body=question, schema=schemas.RIGHTS)
        except ApiError:
            # No security, a proxy that hides the path, or a transient error: only a plain no counts.
            return Rights(self.ALLOWING)
        return Rights.from_api(self.ALLOWING, answer)


C_co = t.TypeVar("C_co", bound=ClusterConnection, covariant=True)


class Connect(t.Protocol[C_co]):
    """Makes the cluster of a connection. *sleep*: called between two attempts of a read."""

    def __call__(self, connection: Connection, sleep: t.Callable[[float], None], /) -> C_co: ...


def refuse_old_server(server: Server) -> None:
    """Refuse a server that this collection does not support.

    :raises Refusal: its version is too old, or cannot be read.
    """
    if not server.version:
        raise Refusal(
            "missing_privilege",
            "The version of Elasticsearch cannot be read",
            hint="Grant the cluster privilege monitor.",
        )
    if not server.supports(Feature.TRAINED_MODEL_DEPLOYMENTS):
        raise Refusal(
            "unsupported_version",
            f"Elasticsearch {server.shown_version} is too old",
            hint=f"This collection needs {Feature.TRAINED_MODEL_DEPLOYMENTS.first_version} or newer.",
        )
