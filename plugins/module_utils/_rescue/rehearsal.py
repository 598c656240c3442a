# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rehearsal of a repair: what Elasticsearch would take of it. Pure."""

from __future__ import annotations

import typing as t

Json: t.TypeAlias = "dict[str, t.Any]"
NO_ROOM = ("no_capacity", "not_enough_processors", "too_many_deployments")
"""Failures of a list as a whole that may be those of one of its deployments: the others are tried without it."""


def rehearsed(planned: Json, together: Json, alone: t.Sequence[Json]) -> Json:
    """Return what of a plan is tried, from the results of its rehearsal.

    *together*: of the whole list, empty if there is none. *alone*: of each deployment by itself, which follows the one
    before; empty unless the list as a whole has no room.
    """
    results = [_of_one(each) for each in alone] or list(together.get("deployments") or ())
    refused = {each["deployment_id"]: each["msg"] for each in results if each.get("failure")}
    said = [] if alone else refusal(together)
    kept = [each for each in planned.get("deployments") or () if each["deployment_id"] not in refused]
    return {
        "deployments": [] if said else kept,
        "refused": said,
        "not_taken": refused,
        "skipped": {each["deployment_id"]: each["skipped_because"] for each in results if each.get("skipped_because")},
        "api_calls": [call for each in alone or [together] for call in each.get("api_calls") or ()],
    }


def _of_one(result: Json) -> Json:
    """Return the result of the only deployment of a list."""
    if _code(result) is None:
        return dict(result["deployments"][0])
    return {"deployment_id": result["item"]["deployment_id"], "failure": True, "msg": _message(result)}


def _code(result: Json) -> str | None:
    """Return the code of a failure. A result without the key is none of the module."""
    failure = result.get("failure", {"code": "no_result"})
    return str(failure["code"]) if failure else None


def _message(result: Json) -> str:
    inner = [each["msg"] for each in result.get("deployments") or () if each.get("failure")]
    return str(inner[0] if inner else result.get("msg", "A task has no result."))


def refusal(result: Json) -> list[str]:
    """Return the message of a list that was not tried at all, if it was not."""
    return [_message(result)] if result and _code(result) not in (None, "deployments_failed") else []
