# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One read of the deployments: the statistics, and if it was read the cluster state."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ..._capacity.cluster_state import ClusterState
from ..._ml.deployment import Deployment
from ..._ml.predicted_deployment import PredictedDeployments, overlaid
from ..._ml.predictions import PredictedModel
from ..records.prediction import NO_PREDICTIONS, Predictions

Json = dict[str, t.Any]
Raw = t.Mapping[str, t.Any]


class Lookup(t.NamedTuple):
    """The answer of ``_stats`` for one id.

    ``other_deployments``: ids of other deployments of the model with that id. ``is_model_id``: there is a
    model with that id.
    """

    deployment: Deployment | None
    other_deployments: tuple[str, ...] = ()
    is_model_id: bool = False


class Snapshot:
    """One read of the deployments, as a value: nothing here sends a request.

    *rows*: of ``_stats``; of all deployments if *deployment_id* is ``None``, else of those under that id.
    ``has_targets``: the cluster state was read, too. A deployment that only one of the two reads has still counts.
    *predictions* and *models* take the place of what was read; :attr:`rows` stay as they are.
    *misreports*: the threads in *rows* may be wrong.
    """

    def __init__(
        self,
        rows: t.Iterable[Json],
        deployment_id: str | None = None,
        *,
        misreports: bool,
        predictions: PredictedDeployments = NO_PREDICTIONS.deployments,
        models: t.Mapping[str, PredictedModel | None] = NO_PREDICTIONS.models,
    ) -> None:
        self.rows: dict[str, Json] = {}
        """Deployment id to row."""
        self.deployment_id = deployment_id
        self._predictions = predictions
        self._model_bytes: dict[str, int | None] = {}
        self._misreports = misreports
        self._models: dict[str, list[str]] = {}
        self._gone: set[str] = set()
        """The deployments of models that earlier tasks of a dry run would have deleted or replaced."""
        self._from_stats: dict[str, Deployment] = {}
        self._assignments: Raw = {}
        self.state: ClusterState | None = None
        """The cluster state with all deployments, if it was read."""
        self.has_targets = False
        for row in rows:
            self._add(row)
        self._as_read, self._models_read = dict(self._from_stats), sorted(self._models)
        for predicted_id, predicted in predictions.items():
            self._predict(predicted_id, predicted)
        for model_id, model in models.items():
            self._predict_model(model_id, model)

    @property
    def is_complete(self) -> bool:
        """Return whether all deployments were read."""
        return self.deployment_id is None

    def with_assignments(self, assignments: Raw) -> Snapshot:
        """Return the snapshot with the *assignments* of the cluster state, by deployment id."""
        found = copy.copy(self)
        found._assignments, found.has_targets = assignments, True
        return found

    def with_state(self, state: ClusterState | None) -> Snapshot:
        """Return the snapshot with the cluster *state*, ``None`` if the user may not read it."""
        found = self.with_assignments(state.assignments if state else {})
        found.state = state
        return found

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

    def _predict_model(self, model_id: str, predicted: PredictedModel | None) -> None:
        """Add a model, or take one away: no deployment is left without its model, and a new one has no old ones."""
        deployments = self._models.pop(model_id, [])
        if predicted is None:
            self._gone.update(deployments)
        elif predicted.is_new:
            self._gone.update(each for each in deployments if not self.is_predicted(each))
        self._from_stats = {name: each for name, each in self._from_stats.items() if name not in self._gone}
        if predicted is not None:
            self._models[model_id] = [each for each in deployments if each not in self._gone]
        self._model_bytes[model_id] = predicted.model_bytes if predicted else None

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

    def deployment(self, deployment_id: str) -> Deployment | None:
        """Return a deployment; with the targets of its routes only if the cluster state was read."""
        assignment = self._assignments.get(deployment_id)
        if assignment is None or deployment_id in self._gone:
            return self._from_stats.get(deployment_id)
        from_state = Deployment.from_assignment(assignment, "cluster_state", {})
        read = self._as_read.get(deployment_id)
        observed = from_state if read is None else read.with_assignment(from_state)
        if not self.is_predicted(deployment_id):
            return observed
        predicted = self._predictions[deployment_id]
        return predicted and overlaid(predicted, observed)

    @property
    def deployments(self) -> list[Deployment]:
        """Return all deployments that were read, ordered by their ids."""
        return [deployment for name in self if (deployment := self.deployment(name))]

    def is_named_after_model(self, deployment_id: str) -> bool:
        """Return whether a deployment has the id of its model, so that the model's name means this deployment."""
        observed = self._from_stats.get(deployment_id)
        return observed is not None and observed.model_id == deployment_id

    def model_behind(self, name: str) -> str | None:
        """Return the model that *name* is an alias of, if this read is of that id alone: nothing else leads there."""
        if self.deployment_id != name or name in self._as_read or name in self._models_read:
            return None
        return next(iter(self._models_read), None)

    def lookup(self, deployment_id: str) -> Lookup:
        """Return what is known under *deployment_id*."""
        other_deployments = sorted(other for other in self._models.get(deployment_id, ()) if other != deployment_id)
        return Lookup(self.deployment(deployment_id), tuple(other_deployments), deployment_id in self._models)


def existing_in(state: ClusterState, predictions: Predictions) -> list[Deployment]:
    """Return all deployments of the cluster *state*, as earlier tasks of a dry run would have left them.

    They have the order in which Elasticsearch plans: what would be started comes last. The number of allocations of
    those whose places are not certain is not known.
    """
    names = state.node_names
    found: dict[str, Deployment | None] = {}
    for deployment_id, each in state.assignments.items():
        read = Deployment.from_assignment(each, "cluster_state", names)
        found[deployment_id] = _uncertain(read) if deployment_id in predictions.moved else read
    for deployment_id, predicted in predictions.deployments.items():
        after = predicted and overlaid(predicted, found.get(deployment_id))
        if after is predicted:  # stopped, or started again
            found.pop(deployment_id, None)
        is_certain = after is None or (after.has_predicted_places and deployment_id not in predictions.moved)
        found[deployment_id] = after if is_certain else _uncertain(after)
    return [deployment for deployment in found.values() if deployment]


def _uncertain(deployment: Deployment | None) -> Deployment | None:
    """Return a deployment without its number: nothing can be planned from it."""
    return deployment and dataclasses.replace(deployment, number_of_allocations=None)
