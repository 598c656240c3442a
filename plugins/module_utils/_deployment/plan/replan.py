# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan made again right before its writes, from a later reading. Pure."""

from __future__ import annotations

import dataclasses

from ..._core.errors import Refusal
from ..._ml.deployment import Deployment
from .owner import through_endpoint
from .plan import Plan
from .start_step import FIXED


def became_update(plan: Plan, new_plan: Plan) -> bool:
    """Whether what *plan* was to recover lives again, and needs no more than the update that is *new_plan*.

    Failed routes get another try whenever Elasticsearch plans anew, as after the stop of another item of a list.
    """
    return plan.operation == "recover" and new_plan.operation == "update"


def conform(plan: Plan, new_plan: Plan) -> Plan:
    """*new_plan*, which a later reading gave, as far as *plan* was allowed by those who use the deployment.

    Its stop is that of *plan*, and its updates go by the same way. One that comes in place of a recovery ends nothing:
    its way is to be found before.

    :raises Refusal: *new_plan* needs a write of another kind.
    """
    planned = {step.kind: step for step in plan.steps}
    if became_update(plan, new_plan):
        return new_plan
    if any(step.kind not in planned for step in new_plan.steps):
        raise Refusal(
            "conflict",
            f"Deployment '{new_plan.steps[0].deployment_id}' was changed by somebody else meanwhile, "
            f"and needs another change now: {new_plan.operation} instead of {plan.operation}",
            hint="Run the task again: it looks first, and decides anew.",
        )
    steps = tuple(planned["stop"] if step.kind == "stop" else step for step in new_plan.steps)
    found = dataclasses.replace(
        new_plan, steps=steps, consumer_warnings=plan.consumer_warnings if new_plan.stops else ()
    )
    return through_endpoint(found, plan.endpoint_type) if plan.endpoint_type else found


def with_known_start_settings(observed: Deployment | None, known: Deployment | None) -> Deployment | None:
    """*observed* in a look at statistics alone, with the settings of its start that were *known* of it.

    Statistics have the cache size cut to one decimal, and before 8.6 they may show other threads than there are.
    """
    if observed is None or known is None or observed.cache_size_exact or observed.start_time != known.start_time:
        return observed
    fixed = {name: getattr(known, name) for name in FIXED}
    return dataclasses.replace(observed, **fixed, cache_size_exact=known.cache_size_exact)
