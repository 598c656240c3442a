# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answer to one question of how much fits, as far as it can be given. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._capacity.doubts import in_words
from .._capacity.inputs import planner_deployments, planner_nodes
from .._deployment.plan.fleet import LIMIT as MOST_DEPLOYMENTS
from .._ml.model import Model
from .._planner.records import Deployment
from .fit import Fit, Room, ceiling, how_many
from .nodes import Json, Seen, allocations_of
from .options import FitRequest
from .shortages import shortages

NO_NODES = "There is no ML node that gets allocations."
ONE_PLAN = "Which nodes they would get is not certain. What one of the possible plans leaves:"
NOT_TRIED = "Not every number was tried."
UNKNOWN_SIZE = "The size of a model, or the threads of a deployment, could not be read."


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A question with the model that it is about. ``model_bytes`` ``None``: its size cannot be read."""

    request: FitRequest
    model: Model | None
    model_bytes: int | None

    def deployment(self, taken: t.Container[str]) -> Deployment:
        """Return a new deployment of the model, under the id of the model if that is not *taken*."""
        model_id = self.model.model_id if self.model else "model"
        ids = (f"{model_id}-{number}" if number else model_id for number in range(MOST_DEPLOYMENTS + 2))
        return Deployment(
            next(each for each in ids if each not in taken),
            model_id,
            self.model_bytes or 0,
            1,
            self.request.threads_per_allocation,
            self.request.priority,
            self.model.per_deployment_memory_bytes if self.model else 0,
            self.model.per_allocation_memory_bytes if self.model else 0,
        )


def fit_result(seen: Seen, candidate: Candidate) -> Json:
    """Return an item of the result key ``fit``."""
    new = candidate.deployment({each.deployment_id for each in seen.deployments})
    request = candidate.request
    asked = {
        "model_id": candidate.model.model_id if candidate.model else None,
        "model_bytes": candidate.model_bytes,
        "threads_per_allocation": request.threads_per_allocation,
        "priority": request.priority,
        "deployment_id": new.id,
    }
    return {**asked, **_answer(seen, new, known=candidate.model_bytes is not None)}


def _answer(seen: Seen, new: Deployment, *, known: bool) -> Json:
    if seen.capacity.lacks("nodes"):
        return _rendered(None, None, _of_missing(seen))
    deployments = planner_deployments(seen.deployments)
    free = max(0, MOST_DEPLOYMENTS - len(seen.deployments))
    if seen.capacity.lacks("routing_table") or deployments is None or not known:
        most = _most(seen, new)
        return _rendered(0, min(free, most) if new.low else most, _of_missing(seen) or [UNKNOWN_SIZE])
    room = Room(planner_nodes(seen.capacity, with_zone=False), deployments, seen.rules, seen.unknown)
    fit = how_many(room, new, free)
    return _rendered(
        fit.least, fit.most, _reasons(seen, room, fit, new, free), _nodes(seen, fit), _displaced(room, fit)
    )


def _rendered(
    least: int | None,
    most: int | None,
    reasons: t.Sequence[str],
    nodes: t.Sequence[Json] = (),
    displaced: t.Sequence[str] = (),
) -> Json:
    return {
        "allocations": least,
        "at_most": most,
        "kind": None if least is None else "exact" if least == most else "bounds",
        "nodes": list(nodes),
        "displaced": list(displaced),
        "reasons": list(reasons),
    }


def _most(seen: Seen, new: Deployment) -> int:
    """Return how many allocations there can be room for: a new deployment takes no processors from those that run."""
    nodes = planner_nodes(seen.capacity)
    most = ceiling(nodes, seen.rules, new)
    if new.low:
        return most
    held = sum(
        (allocations_of(route) or 0) * (each.threads_per_allocation or 1)
        for each in seen.deployments
        for route in each.routes
        if each.priority != "low" and route.routing_state == "started"
    )
    return min(most, max(0, sum(node.cores for node in nodes) - held) // new.threads)


def _reasons(seen: Seen, room: Room, fit: Fit, new: Deployment, free: int) -> list[str]:
    """Return why not more fits; if that is not certain, what makes it so."""
    if not free or (new.low and fit.least == free):
        return [f"Elasticsearch takes at most {MOST_DEPLOYMENTS} deployments."]
    if fit.least < fit.most:
        return _of_missing(seen) or in_words(fit.doubts) or [NOT_TRIED]
    names = {node.id: node.shown_name for node in seen.capacity.nodes}
    lacking = shortages(room.nodes, (*room.deployments, *fit.new), fit.allocations, room.rules, new)
    leaving = {node.id: "is shutting down" for node in seen.capacity.nodes if node.shutting_down}
    lines = sorted(f"{names[node_id]}: {what}" for node_id, what in {**lacking, **leaving}.items())
    return [*(() if fit.is_certain else (ONE_PLAN,)), *(lines or [NO_NODES])]


def _of_missing(seen: Seen) -> list[str]:
    """Return what makes an answer uncertain because it could not be read, by the privilege that it needs."""
    by_privilege: dict[str | None, list[str]] = {}
    for missing in seen.capacity.missing:
        by_privilege.setdefault(missing.privilege, []).append(missing.what.replace("_", " "))
    return [
        f"{'Not shown' if privilege is None else f'Not read without the cluster privilege {privilege}'}: "
        + ", ".join(parts)
        for privilege, parts in by_privilege.items()
    ]


def _nodes(seen: Seen, fit: Fit) -> list[Json]:
    """Return where the new deployments would run."""
    names = {node.id: node.name for node in seen.capacity.nodes}
    found = [
        {"node_id": node_id, "node_name": names.get(node_id), "allocations": number}
        for node_id, number in fit.places.items()
    ]
    return sorted(found, key=lambda node: (str(node["node_name"]), node["node_id"]))


def _displaced(room: Room, fit: Fit) -> list[str]:
    """Return the deployments that are certain to have fewer allocations than now."""
    now = {name: sum(targets.values()) for name, targets in room.targets().items()}
    return [name for name, number in now.items() if fit.most_of(name) < number]
