# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room on the ML nodes, and whether the plans of a task fit. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import Refusal
from ..._ml.deployment import Deployment
from ..records.processors import MlProcessors
from .order import send_order
from .plan import Plan


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
