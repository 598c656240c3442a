# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Predicates that end a wait, over one deployment as it was read. The caller has the clock. Pure."""

from __future__ import annotations

import re
import typing as t

from ..._core.warning import WarningText
from ..._core.words import MOST
from ..._ml.deployment import Deployment
from ..._ml.routing import Route


class Readiness(t.NamedTuple):
    """``ready``, ``progressing``, or ``failed`` (waiting longer cannot help); ``why`` says what is missing."""

    state: t.Literal["ready", "progressing", "failed"]
    why: str = ""


READY = Readiness("ready")
ANSWERING = "answering"
"""The condition of a wait that the state does not show: an inference does (around-deployments.md 1.2)."""
_LACKS = {"processors": "insufficient allocated processors", "memory": "insufficient available memory"}
"""What a node may lack, and the words of Elasticsearch for it (server-behaviour.md 5.3)."""


def is_running(deployment: Deployment | None) -> bool:
    """Return whether there is a deployment, and it is not being stopped."""
    return deployment is not None and deployment.assignment_state != "stopping"


def is_started(deployment: Deployment) -> bool:
    return deployment.assignment_state == "started" and deployment.running > 0


def is_fully_allocated(deployment: Deployment) -> bool:
    return deployment.running >= (deployment.number_of_allocations or 0) and deployment.assignment_state == "started"


def is_steady(deployment: Deployment) -> bool:
    """Return whether every route is started and at its target (if the source shows it), and their sum is the number."""
    settled = all(map(_is_settled, deployment.routes))
    total = sum(route.current_allocations or 0 for route in deployment.routes)
    return settled and deployment.assignment_state == "started" and total == deployment.number_of_allocations


PREDICATES: dict[str, t.Callable[[Deployment], bool]] = {
    "started": is_started,
    "fully_allocated": is_fully_allocated,
    "steady": is_steady,
    ANSWERING: is_fully_allocated,
}


def judge_readiness(observed: Deployment | None, wait_for: str, *, accepts_zero: bool = False) -> Readiness:
    """Judge whether *observed* is what ``wait_for`` names.

    0 of 0 allocations is ready only if *accepts_zero*; waiting helps only if adaptive allocations will raise it.
    """
    if observed is None:
        return Readiness("failed", "the deployment is gone: it was stopped while waiting")
    if observed.assignment_state == "stopping":
        return Readiness("failed", f"the deployment is being stopped{_because(observed.reason)}")
    if observed.number_of_allocations == 0 and observed.assignment_state != "failed":
        return READY if accepts_zero else _at_zero(observed)
    if PREDICATES[wait_for](observed):
        return READY
    failed = observed.failed_routes
    others = [route for route in observed.routes if route.routing_state in ("starting", "started")]
    if failed and (wait_for != "started" or not others):
        return Readiness("failed", "; ".join(_failed_route(route) for route in failed))
    return Readiness("progressing", _progress_of(observed))


def stop_readiness(observed: Deployment | None, before: Deployment | None = None) -> Readiness:
    """Judge whether the stop of *before* is complete."""
    if observed is not None and is_new_instance(observed, before):
        return Readiness("failed", restarted_message(observed))
    if observed is None:
        return READY
    return Readiness(
        "progressing",
        "; ".join([f"it is still {observed.assignment_state}{_because(observed.reason)}", *_nodes_holding(observed)]),
    )


def _nodes_holding(observed: Deployment) -> list[str]:
    """Return a part of a sentence for each node that has not released it."""
    return [f"on node {route.node} it is {route.routing_state}" for route in observed.routes]


def is_new_instance(observed: Deployment, before: Deployment | None) -> bool:
    """Return whether *observed* was started after *before*."""
    return before is not None and before.start_time is not None and before.start_time != observed.start_time


def restarted_message(observed: Deployment) -> str:
    """Return what to say of a deployment that is not the one that was read first."""
    at = f" (at {observed.start_time})" if observed.start_time else ""
    return f"it was stopped and started again meanwhile{at}"


def update_readiness(observed: Deployment | None, before: Deployment | None = None) -> Readiness:
    """Judge whether an update of *before* can be sent: Elasticsearch takes one only while the deployment is started."""
    if observed is not None and is_new_instance(observed, before):
        return Readiness("failed", restarted_message(observed))
    if observed is None:
        return Readiness("failed", "it is gone")
    if observed.assignment_state in ("stopping", "failed"):
        state = "has failed" if observed.assignment_state == "failed" else "is being stopped"
        return Readiness("failed", f"it {state}")
    return READY if observed.assignment_state == "started" else Readiness("progressing", _progress_of(observed))


def _at_zero(observed: Deployment) -> Readiness:
    """Judge a deployment of 0 allocations.

    An inference request wakes it only if it may scale to zero. If it may not, adaptive allocations have to raise it.
    """
    adaptive = observed.adaptive_allocations
    low = adaptive.min_number_of_allocations if adaptive and adaptive.enabled else None
    if low:
        why = f"adaptive allocations have yet to raise it from 0 to their min_number_of_allocations of {low}"
        return Readiness("progressing", f"no allocation runs: {why}")
    why = "its number_of_allocations is 0"
    if observed.adaptive:
        why = "it is scaled to zero, and the next inference request wakes it"
    return Readiness("failed", f"no allocation runs: {why}; allow_zero accepts that")


_REFUSED_GRAPH = re.compile("forbidden operation|unrecogni[sz]ed operation|model graph|graph validation", re.IGNORECASE)
"""The native process says so of a TorchScript graph that it does not take (around-deployments.md 1.2)."""


def _failed_route(route: Route) -> str:
    if _REFUSED_GRAPH.search(route.reason or ""):
        return (
            f"node {route.node} does not load the model, because its TorchScript graph has operations or hooks that "
            f"Elasticsearch does not allow since 9.4{_because(route.reason)}; another start will not help, and a "
            "model without them has to be uploaded"
        )
    return f"node {route.node} failed{_because(route.reason)}"


def _progress_of(observed: Deployment) -> str:
    """Return what is still missing, and what Elasticsearch and the nodes say of it."""
    parts = [
        f"{observed.running} of {observed.number_of_allocations} allocations run, and it is {observed.assignment_state}"
        f"{_because(observed.reason)}"
    ]
    parts += _listed([_route_progress(route) for route in observed.routes if not _is_settled(route)])
    return "; ".join([*parts, *_missing_capacity(observed)])


def _listed(nodes: list[str]) -> list[str]:
    """Return the first of *nodes*, and how many more there are."""
    more = len(nodes) - MOST
    return [*nodes[:MOST], f"and {more} more nodes"] if more > 0 else nodes


def _missing_capacity(observed: Deployment) -> list[str]:
    """Return a part of a sentence if Elasticsearch has no node for some allocations, with what the nodes lack.

    Elasticsearch plans targets together with the number, so a smaller sum means that there is no capacity.
    """
    routes = [route for route in observed.routes if route.routing_state in ("starting", "started")]
    targets, number = [route.target_allocations for route in routes], observed.number_of_allocations or 0
    assigned = sum(target or 0 for target in targets)
    if observed.routing_source == "stats" or None in targets or assigned >= number:
        return []
    lacks = [name for name, text in _LACKS.items() if text in (observed.reason or "")]
    lacking = f" (not enough {' and '.join(lacks)})" if lacks else ""
    return [f"{assigned} of {number} allocations have a node: there is no capacity for the others{lacking}"]


def nodes_without_targets(observed: Deployment) -> str:
    """Return the end of a sentence about a deployment whose targets the user may not read: what its nodes run."""
    runs = _listed(
        [
            f"node {route.node} runs {route.current_allocations}"
            for route in observed.routes
            if route.routing_state == "started"
        ]
    )
    missing = "what each node is to run cannot be read without the cluster privilege monitor"
    return "".join(f"; {part}" for part in [*runs, missing])


def _is_settled(route: Route) -> bool:
    """Return whether *route* is started and at its target, if the source shows targets."""
    return route.routing_state == "started" and route.target_allocations in (None, route.current_allocations)


def _route_progress(route: Route) -> str:
    node = f"node {route.node}"
    if route.routing_state == "started":
        return f"{node} runs {route.current_allocations} and is to run {route.target_allocations}"
    return f"on {node} it is {route.routing_state}{_because(route.reason)}"


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def failed_message(deployment_id: str, what: str, readiness: Readiness) -> str:
    """Return the message for a wait that cannot succeed."""
    stop, other = f"The stop of deployment '{deployment_id}' did not complete", f"Deployment '{deployment_id}' will not"
    return f"{stop if what == 'gone' else f'{other} become {what}'}: {readiness.why}."


def continues_warning(observed: Deployment, awaited: str, *, accepts_zero: bool) -> WarningText:
    """Return the warning in place of a failure: *observed* is not what the task waits for. Reasons are left out."""
    shown = observed.without_reasons()
    if awaited == "gone":
        readiness = stop_readiness(shown)
    else:
        readiness = judge_readiness(shown, awaited, accepts_zero=accepts_zero)
    missing = f": {readiness.why}" if readiness.why else ""
    return WarningText(
        f"Deployment '{observed.deployment_id}' is not {awaited}{missing}. "
        "The task goes on, because on_unsatisfied is keep."
    )
