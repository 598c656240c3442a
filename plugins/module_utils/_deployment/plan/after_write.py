# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions around one write: whether a stop is still to be sent, and what follows an error. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError, Failure, Unsatisfied
from ..._core.write_outcome import may_have_been_applied
from ..._ml.deployment import Deployment
from ..records.step import Step
from .readiness import is_new_instance, is_running, restarted_message
from .run_state import PlanProgress
from .write_outcome import is_uncertain, judge_write

ATTEMPTS = 4
"""The most often that a write is sent, each time after a read showed that it took no effect."""
_ALREADY_DONE = (400, 404, 409)
"""Answers to a first request which show that it did nothing, because another client was quicker."""
_NOT_FROM_ELASTICSEARCH = ("answer", "product")
"""Kinds of errors that are not from Elasticsearch: a gateway's 404 does not say what became of the request."""
_UNKNOWN = "Whether the request took effect is not known"


class AfterError(t.NamedTuple):
    """The consequence of a write's error.

    ``applied``: it took effect. ``needless``: another client did the same first. ``retry``: it had no effect, and may
    be sent again. ``failed``: the plan ends with ``failure``; ``may_be_applied``: the write may have taken effect.
    """

    kind: t.Literal["applied", "needless", "retry", "failed"]
    failure: Failure | None = None
    may_be_applied: bool = False


def after_error(progress: PlanProgress, step: Step, error: ApiError, observed: Deployment | None) -> AfterError:
    """Return what follows the *error* of *step*, by what is *observed* after it."""
    if not is_uncertain(step, error):
        return AfterError("failed", error)
    outcome = judge_write(progress.plan, step, progress.desired, progress.model_id, error, observed)
    if outcome.kind == "conflict":
        message = f"{error} Deployment '{step.deployment_id}' is not as planned: {outcome.why}."
        if not may_have_been_applied(error):
            return AfterError("failed", _because_of(error, "conflict", message))
        # Another client may have changed it after that.
        return AfterError("failed", _because_of(error, "conflict", f"{message} {_UNKNOWN}."), may_be_applied=True)
    if outcome.kind == "rejected":
        return AfterError("failed", error)
    if outcome.kind == "retry":
        return AfterError("retry" if progress.attempts < ATTEMPTS else "failed", error)
    by_another = progress.attempts == 1 and error.status in _ALREADY_DONE and error.kind not in _NOT_FROM_ELASTICSEARCH
    return AfterError("needless" if by_another else "applied")


def after_unread_error(step: Step, error: ApiError, read_error: ApiError) -> AfterError:
    """Return what follows the *error* of *step*, if the deployment could not be read after it."""
    if not is_uncertain(step, error):
        return AfterError("failed", error)
    unknown = _because_of(error, "unknown_outcome", f"{error} {_UNKNOWN}: {read_error}")
    return AfterError("failed", unknown, may_be_applied=True)


def before_stop(
    progress: PlanProgress, observed: Deployment | None
) -> t.Literal["send", "replan", "applied", "needless"]:
    """Return what to do with a stop that is due, by a read right before it.

    Elasticsearch stops whatever has the id, also a deployment that another client has started since. ``applied``: an
    earlier attempt took effect late. ``needless``: another client has stopped it, and the task starts what is missing.

    :raises Unsatisfied: another client has started it again.
    """
    if observed is not None and is_new_instance(observed, progress.plan.before):
        deployment_id = progress.desired.deployment_id
        message = f"The task did not stop deployment '{deployment_id}': {restarted_message(observed)}."
        raise Unsatisfied("conflict", message)
    if progress.attempts:
        return "applied" if observed is None else "send"
    return "needless" if not is_running(observed) and progress.desired.on_missing == "start" else "replan"


def unknown_stop(step: Step, error: ApiError) -> Failure:
    """Return the failure of a stop that may have taken effect, if *error* keeps the task from reading that."""
    message = f"Whether the stop of deployment '{step.deployment_id}' took effect is not known: {error}"
    return _because_of(error, "unknown_outcome", message)


def failure_of_unread_stop(progress: PlanProgress, observed: Deployment | None, error: Failure) -> Failure:
    """Return *error*; if a stop without a start took effect, as far as is known, the failure that says so."""
    is_stopped = progress.plan.after is None and "stop" in progress.applied.kinds and observed is None
    if not (is_stopped and isinstance(error, ApiError)):
        return error
    deployment_id = progress.desired.deployment_id
    message = f"Deployment '{deployment_id}' was stopped; the task could not check that it is gone: {error}"
    return _because_of(error, "unknown_outcome", message)


def _because_of(error: ApiError, code: str, message: str) -> Failure:
    failure = Unsatisfied(code, message)
    failure.__cause__ = error
    return failure
