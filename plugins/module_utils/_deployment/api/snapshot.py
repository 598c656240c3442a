# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen at one moment: the statistics, and beside them the cluster state, if somebody asks for it."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError
from ..._ml.deployment import Deployment

Json = dict[str, t.Any]


class Lookup(t.NamedTuple):
    """What ``_stats`` says under one id.

    ``other_deployments``: ids of other deployments of the model with that id. ``model_has_this_id``: there is a model
    with that id.
    """

    deployment: Deployment | None
    other_deployments: tuple[str, ...] = ()
    model_has_this_id: bool = False


class Snapshot:
    """Rows of ``_stats``; of all deployments if *is_complete*, else of those under one id."""

    def __init__(self, rows: t.Iterable[Json], assignments: t.Callable[[], Json], *, is_complete: bool) -> None:
        self.rows: dict[str, Json] = {}
        """Deployment id to row."""
        self.is_complete = is_complete
        self._models: dict[str, list[str]] = {}
        self._without_routes: dict[str, Deployment] = {}
        self._read_assignments = assignments
        self._assignments: Json | ApiError | None = None
        for row in rows:
            self._add(row)

    def _add(self, row: Json) -> None:
        deployments = self._models.setdefault(str(row.get("model_id")), [])
        if row.get("deployment_stats"):
            deployment = Deployment.from_stats(row)
            self.rows[deployment.deployment_id] = row
            self._without_routes[deployment.deployment_id] = deployment
            deployments.append(deployment.deployment_id)

    def __iter__(self) -> t.Iterator[str]:
        """The ids of all deployments seen, in order."""
        return iter(sorted(self.rows))

    def without_routes(self, deployment_id: str) -> Deployment | None:
        """The deployment without targets of its routes."""
        return self._without_routes.get(deployment_id)

    def is_named_after_model(self, deployment_id: str) -> bool:
        """Whether a deployment has the id of its model, so that who names the model means it."""
        observed = self._without_routes.get(deployment_id)
        return observed is not None and observed.model_id == deployment_id

    def with_routes(self, deployment_id: str) -> Deployment | None:
        """The deployment with the routing table of the cluster state, where the user may read it.

        Statistics and cluster state are read one after the other: what only one of them has still counts.

        :raises ApiError: the cluster state could not be read, which is tried once.
        """
        observed, assignment = self._without_routes.get(deployment_id), self._all_assignments().get(deployment_id)
        if assignment is None:
            return observed
        from_state = Deployment.from_assignment(assignment, "cluster_state", {})
        return from_state if observed is None else observed.with_assignment(from_state)

    def _all_assignments(self) -> Json:
        if self._assignments is None:
            try:
                self._assignments = self._read_assignments()
            except ApiError as exc:
                self._assignments = exc
        if isinstance(self._assignments, ApiError):
            raise self._assignments
        return self._assignments

    def lookup(self, deployment_id: str) -> Lookup:
        other_deployments = sorted(other for other in self._models.get(deployment_id, ()) if other != deployment_id)
        return Lookup(self.with_routes(deployment_id), tuple(other_deployments), deployment_id in self._models)
