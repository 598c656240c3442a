# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outcome of an uncertain write, judged by what is observed afterwards. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError, Difference
from ..._core.write_outcome import is_uncertain as is_unanswered
from ..._ml.deployment import Deployment
from ..records.desired import Desired
from ..records.step import Step, StepKind
from .diff import missing_settings, start_differences
from .endpoint_updates import desired_by
from .guard import violation
from .plan import Plan
from .readiness import is_new_instance, restarted_message

EXISTS = "existing deployment with the same id"
STARTED_MEANWHILE = "has already been started"
NOT_STARTED = "not in [started] state"


NOTHING_SENT = "Nothing was sent."


def describe_writes(accepted: t.Sequence[StepKind], unsent: t.Sequence[StepKind], *, any_sent: bool) -> str:
    """Return which writes of a plan Elasticsearch accepted, and which the task did not send; empty if neither helps."""
    if not accepted:
        return NOTHING_SENT if unsent and not any_sent else ""
    said = f"The {_were(accepted)} accepted."
    return f"{said} The {_were(unsent)} not sent." if unsent else said


def _were(kinds: t.Sequence[StepKind]) -> str:
    return f"{' and the '.join(kinds)} {'was' if len(kinds) == 1 else 'were'}"


class WriteOutcome(t.NamedTuple):
    """The outcome of one write.

    ``applied``: it took effect. ``retry``: it did not, and may be sent again. ``rejected``: it did not, and never will.
    ``conflict``: the deployment is not as planned, and the write must not be repeated; ``why`` says what was found.
    """

    kind: t.Literal["applied", "retry", "rejected", "conflict"]
    why: str = ""


APPLIED = WriteOutcome("applied")
RETRY = WriteOutcome("retry")
REJECTED = WriteOutcome("rejected")


def is_uncertain(step: Step, error: ApiError) -> bool:
    """Return whether *error* leaves open if the write took effect, or is about a state that another read shows."""
    if is_unanswered(error):
        return True
    reason = error.reason or ""
    if step.kind == "start":
        return EXISTS in reason or STARTED_MEANWHILE in reason
    return error.status == 404 or (step.kind == "update" and NOT_STARTED in reason)


def judge_write(
    plan: Plan, step: Step, desired: Desired, model_id: str | None, error: ApiError, observed: Deployment | None
) -> WriteOutcome:
    """Judge *step* of *plan* after the uncertain *error*, by what is *observed* now."""
    if step.kind == "stop":
        return _judge_stop(plan.before, error, observed)
    if step.kind == "start":
        verdict = _judge_start(plan, step, desired, model_id, observed)
    else:
        verdict = _judge_update(plan, desired_by(plan, step, desired), model_id, observed)
    # Elasticsearch tried, failed, and said so: it would fail again.
    return REJECTED if verdict is RETRY and error.status == 500 else verdict


def _judge_start(
    plan: Plan, step: Step, desired: Desired, model_id: str | None, observed: Deployment | None
) -> WriteOutcome:
    if (
        observed is not None
        and observed.assignment_state == "stopping"
        and observed.start_time != _start_time(plan.before)
    ):
        return WriteOutcome("conflict", "it was stopped by another client meanwhile")
    if observed is None or observed.assignment_state == "stopping":
        return RETRY
    differences = start_mismatch(plan, step, desired, model_id, observed)
    if differences:
        return WriteOutcome(
            "conflict", "it was started meanwhile with other settings: " + "; ".join(map(str, differences))
        )
    return APPLIED


def _start_time(deployment: Deployment | None) -> str | None:
    return deployment.start_time if deployment else None


def start_mismatch(
    plan: Plan, step: Step, desired: Desired, model_id: str | None, observed: Deployment
) -> tuple[Difference, ...]:
    """Return the settings of *observed* that neither the task nor the planned start explains."""
    otherwise = start_differences(desired, step.settings, plan.after, observed) if plan.after else ()
    named = {difference.name for difference in otherwise}
    missing = missing_settings(desired, observed, model_id)
    return otherwise + tuple(difference for difference in missing if difference.name not in named)


def _judge_stop(before: Deployment | None, error: ApiError, observed: Deployment | None) -> WriteOutcome:
    if observed is None:
        return APPLIED
    if observed.assignment_state == "stopping":
        # Elasticsearch says that this is to be tried again, and takes a stop of what is being stopped.
        return RETRY if error.status == 500 else APPLIED
    if is_new_instance(observed, before):
        return WriteOutcome("conflict", restarted_message(observed))
    return WriteOutcome("conflict", "it still runs") if error.status == 500 else RETRY


def _judge_update(plan: Plan, desired: Desired, model_id: str | None, observed: Deployment | None) -> WriteOutcome:
    if observed is None or observed.assignment_state in ("stopping", "failed"):
        return WriteOutcome("conflict", f"it is {observed.assignment_state if observed else 'gone'} now")
    if not missing_settings(desired, observed, model_id):
        return APPLIED
    if is_new_instance(observed, plan.before):
        return WriteOutcome("conflict", restarted_message(observed))
    violated = violation(desired.guard, observed, plan.after)
    return WriteOutcome("conflict", f"its guard forbids sending it again: {violated}") if violated else RETRY
