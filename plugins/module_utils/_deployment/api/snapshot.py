# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen at one moment: the statistics, and beside them the cluster state, if somebody asks for it."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError
from ..._ml.deployment import Deployment

Json = dict[str, t.Any]


class Reading(t.NamedTuple):
    """What ``_stats`` says under one id.

    ``siblings``: ids of other deployments of the model with that id. ``namesake``: there is a model with that id.
    """

    deployment: Deployment | None
    siblings: tuple[str, ...] = ()
    namesake: bool = False


class Sight:
    """Rows of ``_stats``; of all deployments if *whole*, else of those under one id."""

    def __init__(self, rows: t.Iterable[Json], assignments: t.Callable[[], Json], *, whole: bool) -> None:
        self.rows: dict[str, Json] = {}
        """Deployment id to row."""
        self.whole = whole
        self._models: dict[str, list[str]] = {}
        self._statistics: dict[str, Deployment] = {}
        self._read_assignments = assignments
        self._assignments: Json | ApiError | None = None
        for row in rows:
            self._add(row)

    def _add(self, row: Json) -> None:
        deployments = self._models.setdefault(str(row.get("model_id")), [])
        if row.get("deployment_stats"):
            deployment = Deployment.from_stats(row)
            self.rows[deployment.deployment_id] = row
            self._statistics[deployment.deployment_id] = deployment
            deployments.append(deployment.deployment_id)

    def __iter__(self) -> t.Iterator[str]:
        """The ids of all deployments seen, in order."""
        return iter(sorted(self.rows))

    def statistics(self, deployment_id: str) -> Deployment | None:
        """The deployment without targets of its routes."""
        return self._statistics.get(deployment_id)

    def bears_its_models_id(self, deployment_id: str) -> bool:
        """Whether a deployment has the id of its model, so that who names the model means it."""
        seen = self._statistics.get(deployment_id)
        return seen is not None and seen.model_id == deployment_id

    def deployment(self, deployment_id: str) -> Deployment | None:
        """The deployment with the routing table of the cluster state, where the user may read it.

        Statistics and cluster state are read one after the other: what only one of them has still counts.

        :raises ApiError: the cluster state could not be read, which is tried once.
        """
        seen, assignment = self._statistics.get(deployment_id), self._all_assignments().get(deployment_id)
        if assignment is None:
            return seen
        from_state = Deployment.from_assignment(assignment, "cluster_state", {})
        return from_state if seen is None else seen.with_assignment(from_state)

    def _all_assignments(self) -> Json:
        if self._assignments is None:
            try:
                self._assignments = self._read_assignments()
            except ApiError as exc:
                self._assignments = exc
        if isinstance(self._assignments, ApiError):
            raise self._assignments
        return self._assignments

    def reading(self, deployment_id: str) -> Reading:
        siblings = sorted(each for each in self._models.get(deployment_id, ()) if each != deployment_id)
        return Reading(self.deployment(deployment_id), tuple(siblings), deployment_id in self._models)
