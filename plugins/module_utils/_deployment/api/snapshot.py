# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One read of the deployments: the statistics, and on demand the cluster state."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError
from ..._ml.deployment import Deployment
from ..records.prediction import NO_PREDICTIONS, Predictions, overlaid

Json = dict[str, t.Any]


class Lookup(t.NamedTuple):
    """The answer of ``_stats`` for one id.

    ``other_deployments``: ids of other deployments of the model with that id. ``is_model_id``: there is a
    model with that id.
    """

    deployment: Deployment | None
    other_deployments: tuple[str, ...] = ()
    is_model_id: bool = False


class Snapshot:
    """Rows of ``_stats``; of all deployments if *is_complete*, else of those under one id.

    *predictions* take the place of what was read; :attr:`rows` stay as they are.
    *misreports*: their threads may be wrong.
    """

    def __init__(
        self,
        rows: t.Iterable[Json],
        assignments: t.Callable[[], Json],
        *,
        is_complete: bool,
        misreports: bool,
        predictions: Predictions = NO_PREDICTIONS,
    ) -> None:
        self.rows: dict[str, Json] = {}
        """Deployment id to row."""
        self.is_complete = is_complete
        self._predictions = predictions
        self._model_bytes: dict[str, int | None] = {}
        self._misreports = misreports
        self._models: dict[str, list[str]] = {}
        self._from_stats: dict[str, Deployment] = {}
        self._read_assignments = assignments
        self._assignments: Json | ApiError | None = None
        for row in rows:
            self._add(row)
        self._as_read = dict(self._from_stats)
        for deployment_id, predicted in predictions.items():
            self._predict(deployment_id, predicted)

    def _add(self, row: Json) -> None:
        model_id = str(row.get("model_id"))
        self._models.setdefault(model_id, [])
        self._model_bytes[model_id] = (row.get("model_size_stats") or {}).get("model_size_bytes")
        if row.get("deployment_stats"):
            deployment = Deployment.from_stats(row, self._misreports)
            self.rows[deployment.deployment_id] = row
            self._from_stats[deployment.deployment_id] = deployment
            self._models.setdefault(deployment.model_id, []).append(deployment.deployment_id)

    def _predict(self, deployment_id: str, predicted: Deployment | None) -> None:
        observed = self._from_stats.pop(deployment_id, None)
        if observed is not None:
            self._models[observed.model_id].remove(deployment_id)
        if predicted is not None:
            self._from_stats[deployment_id] = overlaid(predicted, observed)
            self._models.setdefault(predicted.model_id, []).append(deployment_id)

    def is_predicted(self, deployment_id: str) -> bool:
        """Return whether an earlier task of the dry run would have changed the deployment."""
        return deployment_id in self._predictions

    def model_bytes(self, model_id: str) -> int | None:
        """Return the size of a model, ``None`` if this read does not show it."""
        return self._model_bytes.get(model_id)

    def __iter__(self) -> t.Iterator[str]:
        """Yield the ids of all deployments, in order."""
        return iter(sorted(self._from_stats))

    @property
    def model_ids(self) -> list[str]:
        """Return the ids of all models that were read, deployed or not."""
        return sorted(self._models)

    def from_stats(self, deployment_id: str) -> Deployment | None:
        """Return the deployment as the statistics alone show it: without the targets of its routes."""
        return self._from_stats.get(deployment_id)

    def is_named_after_model(self, deployment_id: str) -> bool:
        """Return whether a deployment has the id of its model, so that the model's name means this deployment."""
        observed = self._from_stats.get(deployment_id)
        return observed is not None and observed.model_id == deployment_id

    def with_targets(self, deployment_id: str) -> Deployment | None:
        """Return the deployment with the targets of its routes, if the user may read the cluster state.

        Statistics and cluster state are two reads: a deployment that only one of them has still counts.

        :raises ApiError: the cluster state could not be read; it is read once at most.
        """
        observed = self._with_targets_read(deployment_id)
        if not self.is_predicted(deployment_id):
            return observed
        predicted = self._predictions[deployment_id]
        return predicted and overlaid(predicted, observed)

    def _with_targets_read(self, deployment_id: str) -> Deployment | None:
        observed, assignment = self._as_read.get(deployment_id), self._all_assignments().get(deployment_id)
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
        """Return what is known under *deployment_id*, with routes.

        :raises ApiError: the cluster state could not be read.
        """
        other_deployments = sorted(other for other in self._models.get(deployment_id, ()) if other != deployment_id)
        return Lookup(self.with_targets(deployment_id), tuple(other_deployments), deployment_id in self._models)
