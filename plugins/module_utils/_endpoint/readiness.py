# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wait for an endpoint: it is ready when its deployment is, or when it answers. Pure."""

from __future__ import annotations

from .._core.run.long_work import Readiness
from .._ml.deployment import Deployment
from .._ml.endpoint import Endpoint
from .._ml.endpoint_versions import is_preset
from .allocations import asked
from .records import Desired, Situation

_HINT = "Run the task again to go on waiting."
_ZERO_HINT = "Set allow_zero to true to be content with that, or wait_for to answering."


def readiness(desired: Desired, current: Situation) -> Readiness:
    """Return whether the endpoint is what ``wait_for`` names, or what is still missing."""
    stored = current.stored
    if stored is None:
        return Readiness("failed", "another client has deleted it", code="conflict")
    if stored.in_cluster and current.shows_deployment:
        found = _of_deployment(desired, current, stored)
        if found.state != "ready":
            return found
    if current.answer:
        return Readiness("progressing", f"it does not answer yet: {current.answer}", hint=_HINT)
    return Readiness("ready")


def asks(desired: Desired, current: Situation) -> bool:
    """Return whether an inference has to show that the endpoint answers: only once its deployment may."""
    if desired.wait_for != "answering" or current.stored is None:
        return False
    return readiness(desired, current).state == "ready" and not _rests(current)


def _rests(current: Situation) -> bool:
    """Return whether the deployment has no allocation: an inference would wake it."""
    return current.deployment is not None and current.deployment.number_of_allocations == 0


def _of_deployment(desired: Desired, current: Situation, stored: Endpoint) -> Readiness:
    deployment = current.deployment
    if deployment is None:
        return _without_deployment(current, stored)
    failed = deployment.failed_routes
    if deployment.assignment_state == "failed" or (failed and len(failed) == len(deployment.routes)):
        reasons = "; ".join(sorted({route.reason for route in failed if route.reason}))
        why = f"no node can run its deployment: {reasons or deployment.reason or 'no reason is known'}"
        return Readiness("failed", why, code="deployment_failed", hint="Look at the nodes, then recreate it.")
    if deployment.number_of_allocations == 0:
        return _at_zero(desired)
    needed = 1 if desired.wait_for == "started" else deployment.number_of_allocations or 1
    if deployment.assignment_state == "started" and deployment.running >= needed:
        return Readiness("ready")
    running = f"{deployment.running} of {needed} allocations run"
    return Readiness("progressing", f"{running}{_because(deployment)}", hint=_HINT)


def _without_deployment(current: Situation, stored: Endpoint) -> Readiness:
    if is_preset(stored.inference_id):  # its first use starts it
        return Readiness("ready")
    if not stored.owns_deployment:
        why = f"deployment '{stored.deployment_id}', which it uses, is not there"
        return Readiness("failed", why, hint="Start it with trained_model_deployment.")
    if current.is_new:
        return Readiness("progressing", "its deployment has not begun yet", hint=_HINT)
    return Readiness("failed", "its deployment is gone", hint="Run the task again to start it.", code="conflict")


def _at_zero(desired: Desired) -> Readiness:
    """Return whether 0 allocations are enough: if the task says so, or gives a minimum of 0."""
    adaptive = asked(desired).adaptive
    allowed = adaptive is not None and adaptive.enabled is not False and adaptive.min_number_of_allocations == 0
    if desired.allow_zero or allowed:
        return Readiness("ready")
    return Readiness("failed", "its deployment has 0 allocations", code="zero_allocations", hint=_ZERO_HINT)


def _because(deployment: Deployment) -> str:
    return f": {deployment.reason.rstrip('.')}" if deployment.reason else ""
