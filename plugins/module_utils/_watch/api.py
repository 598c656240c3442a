# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of what the nodes have counted of each deployment."""

from __future__ import annotations

import typing as t

from .._core.http.client import Client
from .._core.http.pages import read_pages
from .._core.http.schema import epoch_millis, integer, list_of, map_of, object_with, text
from .._core.run.cluster import ClusterConnection
from .._ml.predictions import predicted_models
from .records import COUNTERS, Counts, Existing, Process, Seen

_PATH = "/_ml/trained_models/_stats"
_ROWS = "trained_model_stats"
_NUMBERS = ("inference_count", *COUNTERS.values())
_NODE = ("node.*.name", "start_time", *_NUMBERS)
_DEPLOYMENT = ("deployment_id", "state", "reason", *(f"nodes.{name}" for name in _NODE))
_QUERY = {
    "filter_path": ",".join(
        ("count", f"{_ROWS}.model_id", *(f"{_ROWS}.deployment_stats.{name}" for name in _DEPLOYMENT))
    )
}
_STATS = object_with(
    count=integer,
    trained_model_stats=list_of(
        object_with(
            "model_id",
            model_id=text,
            deployment_stats=object_with(
                deployment_id=text,
                state=text,
                reason=text,
                nodes=list_of(
                    object_with(
                        node=map_of(object_with(name=text)),
                        start_time=epoch_millis,
                        **dict.fromkeys(_NUMBERS, integer),
                    )
                ),
            ),
        )
    ),
)


class WatchCluster(ClusterConnection):
    """A connection to one cluster: reads only."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.predicted: t.Mapping[str, str | None] = {}
        """Deployments that earlier tasks of a dry run would have changed: to their models, ``None`` if stopped."""

    def follow(self, params: t.Mapping[str, t.Any]) -> None:
        """Learn what earlier tasks of a dry run would have made."""
        self.predicted = predicted_models(params, self.server)

    def read_existing(self) -> Existing:
        """Return all deployments, with what their processes have counted.

        :raises ApiError: they could not be read.
        """
        found, model_ids = {}, []
        for row in read_pages(self._client, "read the deployments", _PATH, _ROWS, _QUERY, schema=_STATS):
            model_ids.append(str(row["model_id"]))
            if row.get("deployment_stats"):
                seen = _seen(row)
                found[seen.deployment_id] = seen
        return Existing(found, tuple(sorted(set(model_ids))))


def _seen(row: dict[str, t.Any]) -> Seen:
    stats, model_id = row["deployment_stats"], str(row["model_id"])
    return Seen(
        deployment_id=str(stats.get("deployment_id") or model_id),  # before 8.8 they are the same
        model_id=model_id,
        state=stats.get("state"),
        reason=stats.get("reason") or None,
        processes={
            node_id: _process(entry)
            for entry in stats.get("nodes") or ()
            for node_id in entry.get("node") or {}
            if entry.get("start_time") is not None
        },
    )


def _process(entry: dict[str, t.Any]) -> Process:
    """Return the process in a row of a node. What is 0 is left out (server-behaviour.md 2.3)."""
    return Process(entry["start_time"], Counts(*(entry.get(name) or 0 for name in _NUMBERS)))
