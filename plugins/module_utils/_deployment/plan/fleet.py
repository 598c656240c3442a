# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that hold for a whole list of deployments, and the order of its writes. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import Refusal, refuse_together
from ..._core.reasons import Reason
from ..._ml.deployment import Deployment
from ..records.processors import MlProcessors
from ..records.step import Step
from .order import send_order
from .plan import Plan

LIMIT = 100
"""The most deployments that a cluster takes (server-behaviour.md 3.1 row 5)."""


def refuse_long_list(to_run: int) -> None:
    """Refuse a list with more deployments *to_run* than any cluster takes."""
    if to_run > LIMIT:
        text = f"The list has {to_run} deployments to run, and Elasticsearch takes at most {LIMIT}."
        refuse_together([Reason("", text, "The list")])


def refuse_too_many(existing: t.Collection[str], plans: t.Iterable[Plan]) -> None:
    """Refuse to start more deployments than fit beside the *existing* ones that stay."""
    after = set(existing)
    for plan in plans:
        for step in plan.steps:
            (after.discard if step.kind == "stop" else after.add)(step.deployment_id)
    if len(after) > max(LIMIT, len(existing)):
        raise Refusal(
            "too_many_deployments",
            f"The cluster has {len(existing)} deployments and would have {len(after)}: "
            f"Elasticsearch takes at most {LIMIT}",
            hint="Stop some, or set stop_unlisted and unlisted_except.",
        )


def takes_capacity(plans: t.Iterable[Plan]) -> bool:
    return any(send_order(plan, step).takes for plan in plans for step in plan.steps)


def refuse_too_few_processors(
    processors: MlProcessors, existing: t.Iterable[Deployment], plans: t.Sequence[Plan]
) -> None:
    """Refuse plans that need more processors than there are, unless the cluster may grow.

    *existing*: all current deployments. One that no plan changes keeps its processors, and low priority needs none of
    its own (server-behaviour.md 5.1). A plan that resumes an earlier run needs capacity for what that run stopped: if
    there is none for more, Elasticsearch refuses the start, and the task starts what was stopped.
    """
    if processors.may_grow:
        return
    changed = {step.deployment_id for plan in plans for step in plan.steps}
    kept = [deployment for deployment in existing if deployment.deployment_id not in changed]
    held = sum(_processors_held(deployment) for deployment in kept if deployment.priority != "low")
    needed = held + sum(_processors_needed(plan) for plan in plans if plan.changed)
    if needed > sum(processors.processors):
        raise Refusal(
            "not_enough_processors",
            f"The deployments would need {needed} processors, and the ML nodes have {sum(processors.processors)}",
            hint="Ask for fewer allocations or threads, stop other deployments, or add ML nodes.",
        )


def _processors_held(deployment: Deployment) -> int:
    """Return the processors in use now, or all that are needed if the deployment is predicted."""
    if deployment.routing_source == "prediction":
        return _processors_of(deployment)
    running = sum(route.current_allocations or 0 for route in deployment.routes if route.routing_state == "started")
    return min(running, deployment.number_of_allocations or 0) * _threads(deployment)


def _processors_needed(plan: Plan) -> int:
    """Return the processors that *plan* cannot do without."""
    candidates = (plan.after, plan.resumed_from.stopped if plan.resumed_from else plan.after)
    needs = [0 if candidate.priority == "low" else _processors_of(candidate) for candidate in candidates if candidate]
    return min(needs, default=0)


def _processors_of(deployment: Deployment) -> int:
    """Return the processors that all allocations of *deployment* need."""
    return (deployment.number_of_allocations or 0) * _threads(deployment)


def _threads(deployment: Deployment) -> int:
    return deployment.threads_per_allocation or 1


def in_send_order(plans: t.Sequence[Plan]) -> list[tuple[int, Step]]:
    """Return the steps of all *plans* as they are sent when none has to wait, each with the place of its plan."""
    steps = [(place, step) for place, plan in enumerate(plans) for step in plan.steps]
    return sorted(steps, key=lambda placed: send_order(plans[placed[0]], placed[1]))
