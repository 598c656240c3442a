# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Health of a deployment: one word, and the reason. Pure."""

from __future__ import annotations

import typing as t

from .deployment import Deployment


class Health(t.NamedTuple):
    """``state``: ``ok``, ``degraded``, ``starting``, ``zero`` or ``failed``; ``reason`` in words, none for ``ok``."""

    state: str
    reason: str | None = None


def health(deployment: Deployment) -> Health:
    """Return one word for the state of a deployment, and the reason."""
    failed = [
        f"node {route.node} failed" + (f" ({route.reason})" if route.reason else "")
        for route in deployment.failed_routes
    ]
    because = "; ".join([f"{deployment.running} of {deployment.number_of_allocations} allocations run", *failed])
    if deployment.reason:
        because = f"{because}; {deployment.reason}"
    if deployment.assignment_state == "failed":
        return Health("failed", because)
    if deployment.assignment_state == "stopping":
        return Health("degraded", "it is being stopped" + (f" ({deployment.reason})" if deployment.reason else ""))
    if deployment.number_of_allocations == 0:
        wakes = "the next inference request wakes it" if deployment.adaptive else "no request wakes it"
        return Health("zero", f"no allocation runs, and {wakes}")
    if deployment.assignment_state == "starting":
        return Health("starting", because)
    if failed or deployment.running < (deployment.number_of_allocations or 0):
        return Health("degraded", because)
    return Health("ok")
