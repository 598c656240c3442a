# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an unsure write turned out to be, decided from what is there now."""

from __future__ import annotations

import typing as t

from .._records.action import Action
from .._records.deployment import Deployment
from .._records.errors import ApiError
from .._records.wanted import Wanted
from .compare import unmet

EXISTS = "existing deployment with the same id"
UNSURE_KINDS = ("connection", "timeout", "unavailable", "answer", "product")


class Ruling(t.NamedTuple):
    """``done``: it took effect. ``again``: it did not, and may be sent again. ``refused``: neither, see ``why``."""

    outcome: t.Literal["done", "again", "refused"]
    why: str = ""


DONE = Ruling("done")
AGAIN = Ruling("again")


def is_unsure(action: Action, error: ApiError) -> bool:
    """Whether *error* leaves open if the write took effect, or tells of a state that a new reading shows."""
    if error.kind in UNSURE_KINDS or error.status in (404, 408) or (error.status or 0) >= 500:
        return action.kind != "start" or error.status != 404
    if error.status == 409:
        return action.kind != "stop"
    return action.kind == "start" and EXISTS in (error.reason or "")


def reconcile(
    action: Action, wanted: Wanted, model_id: str | None, before: Deployment | None, seen: Deployment | None
) -> Ruling:
    """Rule on *action* after an unsure answer: *before* is what the plan was made from, *seen* what is there now."""
    if action.kind == "start":
        return _started(wanted, model_id, seen)
    if action.kind == "stop":
        return _stopped(before, seen)
    return _updated(wanted, model_id, before, seen)


def _started(wanted: Wanted, model_id: str | None, seen: Deployment | None) -> Ruling:
    if seen is None or seen.assignment_state == "stopping":
        return AGAIN
    differences = unmet(wanted, seen, model_id)
    if differences:
        return Ruling("refused", "it was started meanwhile with other settings: " + "; ".join(map(str, differences)))
    return DONE


def _stopped(before: Deployment | None, seen: Deployment | None) -> Ruling:
    if seen is None or seen.assignment_state == "stopping":
        return DONE
    if _restarted(before, seen):
        return Ruling("refused", f"it was stopped and started again meanwhile (at {seen.start_time})")
    return AGAIN


def _updated(wanted: Wanted, model_id: str | None, before: Deployment | None, seen: Deployment | None) -> Ruling:
    if seen is None or seen.assignment_state in ("stopping", "failed"):
        return Ruling("refused", f"it is {seen.assignment_state if seen else 'gone'} now")
    if not unmet(wanted, seen, model_id):
        return DONE
    if _restarted(before, seen):
        return Ruling("refused", f"it was stopped and started again meanwhile (at {seen.start_time})")
    return AGAIN


def _restarted(before: Deployment | None, seen: Deployment) -> bool:
    return before is not None and before.start_time is not None and before.start_time != seen.start_time
