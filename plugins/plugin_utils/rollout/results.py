# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of the role, and their lines for a person."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import request_line

Json = t.Mapping[str, t.Any]


def results(
    plan: Json, done: t.Sequence[Json], undone: t.Sequence[Json], failed: Json, dry_run: bool
) -> dict[str, t.Any]:
    """Return the results of the role.

    *plan*: the decision. *done*: the steps that were taken, or in a dry run rehearsed. *undone*: those of a rollback.
    *failed*: the result of the task that failed, empty if none did. *dry_run*: nothing was sent.
    """
    dry_run = dry_run or bool(plan.get("dry_run"))
    outcome = _outcome(plan, done, undone, failed, dry_run)
    steps = _in_order(plan.get("steps") or (), done)
    state = plan.get("state") or {}
    found = {
        "action": plan.get("action") or "rollout",
        "route": plan.get("route") or "",
        "name": plan.get("name") or "",
        "outcome": outcome,
        "check_mode": dry_run,
        "changed": any(each["changed"] for each in (*done, *undone)),
        "msg": str(failed.get("msg") or ""),
        "new_deployment_id": (state.get("new") or {}).get("deployment_id"),
        "old_deployment_ids": [each["deployment_id"] for each in state.get("old") or ()],
        "refused": list(plan.get("refused") or ()) or [str(failed.get("msg"))] * bool(failed.get("refused")),
        "notices": list(plan.get("notices") or ()),
        "steps": steps,
        "rollback": list(undone),
        "api_calls": [call for each in (*done, *undone) for call in each["api_calls"]],
    }
    return {**found, "summary": _lines(found)}


def _outcome(plan: Json, done: t.Sequence[Json], undone: t.Sequence[Json], failed: Json, dry_run: bool) -> str:
    if plan.get("refused") or failed.get("refused"):
        return "refused"
    if failed:
        return "rolled_back" if failed.get("rolled_back") else "failed"
    if dry_run:
        return "planned"
    if plan.get("action") == "rollback":
        return "rolled_back"
    return "finished" if any(each["changed"] for each in done) else "unchanged"


def _in_order(steps: t.Sequence[Json], done: t.Sequence[Json]) -> list[dict[str, t.Any]]:
    """Return all planned steps with what was done of each; what was not is open."""
    # ansible-core 2.18 makes a text of a number.
    by_number = {str(each["number"]): each for each in done}
    empty = {"changed": False, "api_calls": [], "open": True}
    return [
        {"do": each["do"], "title": each["title"], **(by_number.get(str(each["number"])) or empty)} for each in steps
    ]


def _lines(found: Json) -> list[str]:
    """Return what a person reads in ten seconds."""
    names = {"alias": "model alias", "endpoint": "inference endpoint", "deployment": "deployment"}
    what = f" of {names.get(found['route'], found['route'])} '{found['name']}'" if found["name"] else ""
    tail = " (dry run, nothing was sent)" if found["check_mode"] else ""
    lines = [f"{found['action'].capitalize()}{what}: {found['outcome'].replace('_', ' ')}{tail}"]
    if found["new_deployment_id"]:
        old = ", ".join(found["old_deployment_ids"]) or "none"
        is_kept = found["old_deployment_ids"] == [found["new_deployment_id"]]
        lines.append(f"Deployment: {old}." if is_kept else f"New deployment: {found['new_deployment_id']}. Old: {old}.")
    lines += [*found["refused"], *([found["msg"]] if found["msg"] and not found["refused"] else [])]
    lines += [f"Note: {each}" for each in found["notices"]]
    for each in (*found["steps"], *found["rollback"]):
        mark = "failed" if each.get("failed") else "open" if each.get("open") else "done"
        mark = "would" if found["check_mode"] else mark
        lines.append(f"{mark}: {each['title']}")
        lines += [f"    {request_line(call)}" for call in each["api_calls"]]
    return lines
