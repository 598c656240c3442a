# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of the role rescue: what was repaired, and what is still broken. Pure."""

from __future__ import annotations

import typing as t

from .._core.words import request_line
from .plan import STOPPING
from .rehearsal import refusal

Json: t.TypeAlias = "dict[str, t.Any]"
WORDS = {
    "lost": "is lost",
    "failed": "has failed",
    "stuck": "hangs",
    "endpoints": "is lost",
    STOPPING: "is not touched",
}
_NOT_PLANNED = "The cluster or its record could not be read."


class Outcome(t.NamedTuple):
    """The end of one finding: ``repaired``, ``broken`` or ``untouched``, with the reason unless it is repaired."""

    end: str
    why: str = ""


def results(planned: Json, runs: Json, check_mode: bool) -> Json:
    """Return the results of the role.

    *runs*: the ``rehearsal``, the result of the ``repair``, and the plan that was made ``after`` it, as far as there
    are any.
    """
    found = planned.get("found") or []
    refused = [*(planned.get("refused") or ()), *(runs["rehearsal"].get("refused") or ()), *refusal(runs["repair"])]
    if "found" not in planned and not refused:
        refused = [_NOT_PLANNED]
    ends = [(each, _end(each, runs, check_mode)) for each in found]
    broken = [_judged(each, end) for each, end in ends if end.end == "broken"]
    shown: Json = {
        "check_mode": check_mode,
        "found": found,
        "repaired": [each["id"] for each, end in ends if end.end == "repaired"],
        "broken": broken,
        "untouched": [_judged(each, end) for each, end in ends if end.end == "untouched"],
        "notices": planned.get("notices") or [],
        "api_calls": runs["rehearsal" if check_mode else "repair"].get("api_calls") or [],
    }
    still = [f"Deployment '{each['id']}' is still broken: {_end_of(each['why'])}" for each in broken]
    shown["failed"] = refused or still
    shown["msg"] = " ".join(shown["failed"])
    shown["changed"] = bool(shown["api_calls"])
    shown["summary"] = _summary(shown, ends, refused)
    return shown


def _end(found: Json, runs: Json, check_mode: bool) -> Outcome:
    name, rehearsal, repair = found["id"], runs["rehearsal"], _of(found["id"], runs["repair"])
    if found["why_not"]:
        return Outcome("untouched" if found["kind"] == STOPPING else "broken", found["why_not"])
    if name in (rehearsal.get("not_taken") or {}):
        return Outcome("broken", rehearsal["not_taken"][name])
    skipped = repair.get("skipped_because") or (rehearsal.get("skipped") or {}).get(name)
    if skipped:
        return Outcome("untouched", skipped)
    tried = {each["deployment_id"] for each in rehearsal.get("deployments") or ()}
    if name in (tried if check_mode else runs["after"].get("running") or ()):
        return Outcome("repaired")
    return Outcome("broken", repair.get("msg") or "it was not reached")


def _of(name: str, run: Json) -> Json:
    """Return the result of one deployment in the result of a list."""
    return next((each for each in run.get("deployments") or () if each["deployment_id"] == name), {})


def _judged(found: Json, end: Outcome) -> Json:
    return {"id": found["id"], "kind": found["kind"], "reason": found["reason"], "why": end.why}


def _end_of(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _summary(shown: Json, ends: t.Sequence[tuple[Json, Outcome]], refused: t.Sequence[str]) -> list[str]:
    """Return what a person reads first."""
    dry = " (dry run, nothing was sent)" if shown["check_mode"] else ""
    count = len(shown["repaired"]) + len(shown["broken"])
    if refused or not count:
        lines = ["Nothing was repaired." if refused else f"Nothing is broken.{dry}"]
    else:
        repaired = "would be repaired" if shown["check_mode"] else "repaired"
        lines = [f"{count} broken: {len(shown['repaired'])} {repaired}, {len(shown['broken'])} left{dry}"]
    for each, end in ends:
        lines.append(f"Deployment '{each['id']}' {WORDS[each['kind']]}: {_end_of(each['reason'])}")
        lines.append(f"  {_what(each, end, check_mode=shown['check_mode'])}")
    return [*lines, *shown["notices"], *(f"Request: {request_line(call)}" for call in shown["api_calls"]), *refused]


def _what(found: Json, end: Outcome, *, check_mode: bool) -> str:
    if end.end == "repaired":
        return f"Would {found['action']}." if check_mode else f"Repaired: {found['action']}."
    return f"{'Not touched' if end.end == 'untouched' else 'Not repaired'}: {_end_of(end.why)}"
