# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task, as the run needs it: one deployment is a list of one."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.options.facts import require_fact_name
from ..records.desired import longest_time
from ..records.guard import OnViolation
from . import deployment, fleet
from .fleet import Item
from .guard import max_total_step, on_violation

Params = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Task:
    """The deployments that a task names, and what holds for all of them.

    ``only_id``: the task is about this deployment. It reads no other, and a refusal of all is that of the deployment;
    ``None``: it is about a list. ``keeps``: whether
    to leave a deployment alone that is not listed. ``longest_time``: seconds that its waits may take.
    """

    params: Params
    items: t.Sequence[Item]
    server_timeout: str
    longest_time: float
    only_id: str | None = None
    keeps: t.Callable[[str], bool] = lambda deployment_id: True
    max_step: int | None = None
    on_violation: OnViolation = "fail"

    def unlisted(self, ids: t.Iterable[str]) -> list[Item]:
        """Return the items that stop those of *ids* that the task neither names nor leaves alone."""
        named = {desired.deployment_id for desired, _policy in self.items}
        return [fleet.stop_item(name, self.params) for name in ids if name not in named and not self.keeps(name)]


def one(params: Params) -> Task:
    """Return the task on one deployment that validated options describe.

    :raises Refusal: they contradict each other, or have values that no version of Elasticsearch accepts.
    """
    item = deployment.desired(params), deployment.wait_policy(params)
    timeout = deployment.server_timeout(params)
    require_fact_name(params)
    return Task(params, [item], timeout, longest_time([item[1]]), only_id=item[0].deployment_id)


def many(params: Params) -> Task:
    """Return the task on a list of deployments that validated options describe.

    :raises Refusal: as above, with everything that is wrong with any item.
    """
    items = fleet.items(params)
    keeps, timeout = fleet.keep_filter(params), deployment.server_timeout(params)
    longest, guard = fleet.longest_time(items, params), (max_total_step(params), on_violation(params))
    require_fact_name(params)
    return Task(params, items, timeout, longest, None, keeps, *guard)
