# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When waiting is over: predicates over a snapshot. The clock is somebody else's."""

from __future__ import annotations

import typing as t

from ..._ml.deployment import Deployment
from ..._ml.routing import Route


class Verdict(t.NamedTuple):
    """``ready``, ``pending``, or ``hopeless`` (waiting longer cannot help); ``why`` says what is missing."""

    outcome: t.Literal["ready", "pending", "hopeless"]
    why: str = ""


READY = Verdict("ready")


def is_started(deployment: Deployment) -> bool:
    return deployment.assignment_state == "started" and deployment.running > 0


def is_fully_allocated(deployment: Deployment) -> bool:
    return deployment.running >= (deployment.number_of_allocations or 0) and deployment.assignment_state == "started"


def is_steady(deployment: Deployment) -> bool:
    """Every route started and at its target (as far as the source tells targets), and their sum the number."""
    settled = all(map(_settled, deployment.routes))
    total = sum(route.current_allocations or 0 for route in deployment.routes)
    return settled and deployment.assignment_state == "started" and total == deployment.number_of_allocations


PREDICATES: dict[str, t.Callable[[Deployment], bool]] = {
    "started": is_started,
    "fully_allocated": is_fully_allocated,
    "steady": is_steady,
}


def readiness(seen: Deployment | None, wait_for: str, *, allow_zero: bool = False) -> Verdict:
    """Whether *seen* is what ``wait_for`` names.

    0 of 0 allocations is ready only if *allow_zero*; it changes by waiting only if the scaler is to have more.
    """
    if seen is None:
        return Verdict("hopeless", "the deployment is gone: it was stopped while waiting")
    if seen.assignment_state == "stopping":
        return Verdict("hopeless", f"the deployment is being stopped{_because(seen.reason)}")
    if seen.number_of_allocations == 0 and seen.assignment_state != "failed":
        return READY if allow_zero else _zero(seen)
    if PREDICATES[wait_for](seen):
        return READY
    failed = seen.failed_routes
    others = [route for route in seen.routes if route.routing_state in ("starting", "started")]
    if failed and (wait_for != "started" or not others):
        return Verdict("hopeless", "; ".join(_failed(route) for route in failed))
    return Verdict("pending", _missing(seen))


def goneness(seen: Deployment | None, before: Deployment | None = None) -> Verdict:
    """Whether the stop of *before* is complete."""
    if seen is not None and is_another(seen, before):
        return Verdict("hopeless", another(seen))
    if seen is None:
        return READY
    return Verdict("pending", "; ".join([f"it is still {seen.assignment_state}{_because(seen.reason)}", *_held(seen)]))


def _held(seen: Deployment) -> list[str]:
    """The nodes that have not let go of it."""
    return [f"node {route.node_name or route.node_id} is {route.routing_state}" for route in seen.routes]


def is_another(seen: Deployment, before: Deployment | None) -> bool:
    """Whether *seen* was started after *before*."""
    return before is not None and before.start_time is not None and before.start_time != seen.start_time


def another(seen: Deployment) -> str:
    """What to say of a deployment that is not the one that was read first."""
    return f"it was stopped and started again meanwhile (at {seen.start_time})"


def changeability(seen: Deployment | None, before: Deployment | None = None) -> Verdict:
    """Whether an update of *before* can be sent: the server takes one only while the deployment is started."""
    if seen is not None and is_another(seen, before):
        return Verdict("hopeless", another(seen))
    if seen is None or seen.assignment_state in ("stopping", "failed"):
        return Verdict("hopeless", f"it is {seen.assignment_state if seen else 'gone'}")
    return READY if seen.assignment_state == "started" else Verdict("pending", _missing(seen))


def _zero(seen: Deployment) -> Verdict:
    """A request wakes only what may go to zero. What may not is the scaler's to raise, if it does."""
    adaptive = seen.adaptive_allocations
    low = adaptive.min_number_of_allocations if adaptive and adaptive.enabled else None
    if low:
        why = f"the scaler has yet to raise it from 0 to its min_number_of_allocations of {low}"
        return Verdict("pending", f"no allocation runs: {why}")
    why = "it is scaled to zero, and the next inference request wakes it" if seen.adaptive else "its number is 0"
    return Verdict("hopeless", f"no allocation runs: {why}; allow_zero accepts that")


def _failed(route: Route) -> str:
    return f"node {route.node_name or route.node_id} failed{_because(route.reason)}"


def _missing(seen: Deployment) -> str:
    """What has not come yet, and what the server and the nodes say of it."""
    parts = [f"{seen.running} of {seen.number_of_allocations} allocations run, and it is {seen.assignment_state}"]
    parts += [_behind(route) for route in seen.routes if not _settled(route)]
    return "; ".join(parts) + _because(seen.reason)


def _settled(route: Route) -> bool:
    """Started and at its target, as far as the source tells targets."""
    return route.routing_state == "started" and route.target_allocations in (None, route.current_allocations)


def _behind(route: Route) -> str:
    node = f"node {route.node_name or route.node_id}"
    if route.routing_state == "started":
        return f"{node} runs {route.current_allocations} and is to run {route.target_allocations}"
    return f"{node} is {route.routing_state}{_because(route.reason)}"


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def hopeless(deployment_id: str, what: str, verdict: Verdict) -> str:
    """The sentence for a wait that cannot end well."""
    return f"Deployment '{deployment_id}' will not become {what}: {verdict.why}."


def kept(told: str) -> str:
    """The warning instead of the failure *told*."""
    return f"{told} The task goes on, because on_unsatisfied is keep."
