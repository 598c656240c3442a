# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan made again right before its writes, from a later reading. Pure."""

from __future__ import annotations

import dataclasses

from ..._core.errors import Refusal
from ..._ml.deployment import Deployment
from .consumers import by_endpoint
from .plan import Plan
from .start_step import FIXED


def updates_instead(plan: Plan, fresh: Plan) -> bool:
    """Whether what *plan* was to recover lives again, and needs no more than the update that is *fresh*.

    Failed routes get another try whenever Elasticsearch plans anew, as after the stop of another item of a list.
    """
    return plan.operation == "recover" and fresh.operation == "update"


def renewed(plan: Plan, fresh: Plan) -> Plan:
    """*fresh*, which a later reading gave, as far as *plan* was allowed by those who use the deployment.

    Its stop is that of *plan*, and its updates go by the same way. One that comes in place of a recovery ends nothing:
    its way is to be found before.

    :raises Refusal: *fresh* needs a write of another kind.
    """
    planned = {action.kind: action for action in plan.actions}
    if updates_instead(plan, fresh):
        return fresh
    if any(action.kind not in planned for action in fresh.actions):
        raise Refusal(
            f"Deployment '{fresh.actions[0].deployment_id}' was changed by somebody else meanwhile, "
            f"and needs another change now: {fresh.operation} instead of {plan.operation}",
            hint="Run the task again: it looks first, and decides anew.",
        )
    actions = tuple(planned["stop"] if action.kind == "stop" else action for action in fresh.actions)
    found = dataclasses.replace(fresh, actions=actions, of_stop=plan.of_stop if fresh.stops else ())
    return by_endpoint(found, plan.endpoint_type) if plan.endpoint_type else found


def exactly(seen: Deployment | None, known: Deployment | None) -> Deployment | None:
    """*seen* in a look at statistics alone, with the settings of its start that were *known* of it.

    Statistics have the cache size cut to one decimal, and before 8.6 they may show other threads than there are.
    """
    if seen is None or known is None or seen.cache_size_exact or seen.start_time != known.start_time:
        return seen
    fixed = {name: getattr(known, name) for name in FIXED}
    return dataclasses.replace(seen, **fixed, cache_size_exact=known.cache_size_exact)
