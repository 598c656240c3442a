# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an unsure write turned out to be, decided from what is there now."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError, Difference
from ..._ml.deployment import Deployment
from ..records.desired import Wanted
from ..records.step import Action
from .diff import moved, started_otherwise, unmet
from .guard import breach
from .plan import Plan
from .readiness import another, is_another

EXISTS = "existing deployment with the same id"
STARTED_MEANWHILE = "has already been started"
NOT_STARTED = "not in [started] state"
UNSURE_KINDS = ("connection", "timeout", "unavailable", "answer", "product")


class Ruling(t.NamedTuple):
    """``done``: it took effect. ``again``: it did not, and may be sent again. ``final``: it did not, and never will.

    ``refused``: something else is there now, see ``why``.
    """

    outcome: t.Literal["done", "again", "final", "refused"]
    why: str = ""


DONE = Ruling("done")
AGAIN = Ruling("again")
FINAL = Ruling("final")


def may_have_passed(error: ApiError) -> bool:
    """Whether the write may have taken effect for all that *error* says. With 408 the server gave up waiting for it."""
    return error.kind in UNSURE_KINDS or error.status == 408


def is_unsure(action: Action, error: ApiError) -> bool:
    """Whether *error* leaves open if the write took effect, or tells of a state that a new reading shows."""
    if may_have_passed(error) or (error.status or 0) >= 500:
        return True
    reason = error.reason or ""
    if action.kind == "start":
        return EXISTS in reason or STARTED_MEANWHILE in reason
    return error.status == 404 or (action.kind == "update" and NOT_STARTED in reason)


def reconcile(
    plan: Plan, action: Action, wanted: Wanted, model_id: str | None, error: ApiError, seen: Deployment | None
) -> Ruling:
    """Rule on *action* of *plan* after the unsure *error*, from what is there now."""
    if action.kind == "stop":
        return _stopped(plan.before, error, seen)
    if action.kind == "start":
        ruling = _started(plan, action, wanted, model_id, seen)
    else:
        ruling = _updated(plan, wanted, model_id, seen)
    # The server tried, failed, and said so: it would again.
    return FINAL if ruling is AGAIN and error.status == 500 else ruling


def _started(plan: Plan, action: Action, wanted: Wanted, model_id: str | None, seen: Deployment | None) -> Ruling:
    if seen is not None and seen.assignment_state == "stopping" and seen.start_time != _start_time(plan.before):
        return Ruling("refused", "it was stopped by somebody else meanwhile")
    if seen is None or seen.assignment_state == "stopping":
        return AGAIN
    differences = strange(plan, action, wanted, model_id, seen)
    if differences:
        return Ruling("refused", "it was started meanwhile with other settings: " + "; ".join(map(str, differences)))
    return DONE


def _start_time(deployment: Deployment | None) -> str | None:
    return deployment.start_time if deployment else None


def strange(
    plan: Plan, action: Action, wanted: Wanted, model_id: str | None, seen: Deployment
) -> tuple[Difference, ...]:
    """What *seen* has otherwise than the task names and the start of the plan says."""
    otherwise = started_otherwise(wanted, action.settings, plan.after, seen) if plan.after else ()
    named = {difference.name for difference in otherwise}
    return otherwise + tuple(each for each in unmet(wanted, seen, model_id) if each.name not in named)


def unheard(plan: Plan, wanted: Wanted, model_id: str | None, seen: Deployment | None) -> tuple[Difference, ...]:
    """What *seen* lacks of what is *wanted*, if it is just as *plan* found it."""
    before = plan.before
    if seen is None or before is None or is_another(seen, before) or moved(before, seen):
        return ()
    return unmet(wanted, seen, model_id)


def _stopped(before: Deployment | None, error: ApiError, seen: Deployment | None) -> Ruling:
    if seen is None:
        return DONE
    if seen.assignment_state == "stopping":
        # The server says of itself that this is to be tried again, and takes a stop of what is stopping.
        return AGAIN if error.status == 500 else DONE
    if is_another(seen, before):
        return Ruling("refused", another(seen))
    return Ruling("refused", "it still runs") if error.status == 500 else AGAIN


def _updated(plan: Plan, wanted: Wanted, model_id: str | None, seen: Deployment | None) -> Ruling:
    if seen is None or seen.assignment_state in ("stopping", "failed"):
        return Ruling("refused", f"it is {seen.assignment_state if seen else 'gone'} now")
    if not unmet(wanted, seen, model_id):
        return DONE
    if is_another(seen, plan.before):
        return Ruling("refused", another(seen))
    moved = breach(wanted.guard, seen, plan.after)
    return Ruling("refused", f"its guard forbids to send it again: {moved}") if moved else AGAIN
