# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of deployments, for resources that only look at them."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Client, quote
from .._core.http.pages import read_pages
from .._core.http.schema import integer, list_of, object_with, text
from .._core.server import Server
from .deployment import Deployment
from .schemas import deployment_stats
from .settings import SCHEMAS

_ROWS = "trained_model_stats"
_FIELDS = (
    *("deployment_id", "model_id", *SCHEMAS, "adaptive_allocations"),
    *("state", "reason", "start_time", "allocation_status"),
    *("nodes.node.*.name", "nodes.routing_state", "nodes.number_of_allocations"),
)
_QUERY = {
    "filter_path": ",".join(("count", f"{_ROWS}.model_id", *(f"{_ROWS}.deployment_stats.{name}" for name in _FIELDS)))
}
STATS = object_with(
    count=integer,
    trained_model_stats=list_of(object_with("model_id", model_id=text, deployment_stats=deployment_stats({}))),
)
"""Of the answer of ``_stats``, as far as it is read here."""


def read_deployments(client: Client, server: Server) -> dict[str, Deployment]:
    """Return all deployments by id.

    :raises ApiError: they could not be read.
    """
    what, path = "read the deployments", "/_ml/trained_models/_stats"
    rows = read_pages(client, what, path, _ROWS, _QUERY, schema=STATS)
    return {deployment.deployment_id: deployment for deployment in _deployments(rows, server)}


class Named(t.NamedTuple):
    """The deployment with one id, and the deployments of the model that has the same id."""

    deployment: Deployment | None = None
    of_model: tuple[str, ...] = ()


def read_named(client: Client, server: Server, name: str) -> Named:
    """Return what has this *name*.

    :raises ApiError: it could not be read.
    """
    path = f"/_ml/trained_models/{quote(name)}/_stats"
    try:
        answer = client.read(f"read deployment '{name}'", path, _QUERY, schema=STATS)
    except ApiError as exc:
        if exc.not_found:
            return Named()
        raise
    found = _deployments(answer.get(_ROWS) or (), server)
    deployment = next((each for each in found if each.deployment_id == name), None)
    return Named(deployment, tuple(each.deployment_id for each in found if each.model_id == name))


def _deployments(rows: t.Iterable[t.Mapping[str, t.Any]], server: Server) -> list[Deployment]:
    misreports = server.supports(Feature.MISREPORTED_THREADS)
    return [Deployment.from_stats(row, misreports) for row in rows if row.get("deployment_stats")]
