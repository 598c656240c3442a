# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses a deployment is looked up where it matters only: before a stop, and before what an endpoint may own."""

from __future__ import annotations

import typing as t

from ..._consumers.records import References, UsedBy
from ..._ml.deployment import Deployment
from ..api.cluster import Api
from ..api.snapshot import Sight
from ..plan import consumers as rules
from ..plan.plan import Plan
from ..records.desired import Wanted
from .run_state import Report


def protect(
    api: Api, sight: Sight | None, wanted: Wanted, plan: Plan, report: Report, ending: t.Container[str] = ()
) -> Plan:
    """The *plan* as those who use the deployment allow it; who they are is noted in the *report*.

    *sight*: of all deployments, if there is one. *ending*: ids of those that the same list ends.

    :raises Refusal: they do not.
    :raises ApiError: they could not be read, for another reason than a privilege that lacks.
    """
    if plan.before is not None and plan.stops:
        users = _users(api, sight, plan.before, ending)
        report.used_by = users.as_result()
        plan = rules.protected(wanted, plan, users, api.server)
    elif rules.may_be_owned(plan, api.server):
        plan = rules.through_owner(wanted, plan, api.references.endpoints, api.server)
    return under_owner(api, wanted, plan)


def under_owner(api: Api, wanted: Wanted, plan: Plan) -> Plan:
    """The *plan*, if it does not start what an inference endpoint has made with other allocations than before.

    It warns of an update past an endpoint that nobody may see.

    :raises Refusal: it does.
    """
    if rules.may_bypass_owner(plan, api.server):
        return rules.under_owner(wanted, plan, api.references.endpoints or ())
    if rules.may_be_owned(plan, api.server) and api.references.endpoints is None:
        return rules.past_unseen(plan, api.server)
    return plan


def _users(api: Api, sight: Sight | None, deployment: Deployment, ending: t.Container[str]) -> UsedBy:
    read = api.references
    found = References(read.endpoints, read.pipelines, read.aliases)
    model_id, namesake = deployment.model_id, False
    if rules.names_its_model(deployment, found):
        other = (sight if sight and sight.whole else api.look(model_id)).statistics(model_id)
        # What is on its way out will answer for nobody.
        namesake = other is not None and other.assignment_state != "stopping" and model_id not in ending
    return rules.used_by(deployment, found, namesake=namesake)


def restore(api: Api, wanted: Wanted) -> Wanted:
    """What is wanted of a deployment that is not there, if an inference endpoint still lives by it.

    Without one, or where endpoints may not be read, that is *wanted* as it was.
    """
    endpoint = rules.lost(wanted, api.references.endpoints or ())
    return rules.restored(wanted, endpoint) if endpoint else wanted
