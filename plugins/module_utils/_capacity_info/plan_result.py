# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answer to whether a list of deployments fits, from what check mode predicts of it. Pure."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import AS_A_WHOLE
from .._core.reasons import Reason, each_once
from .._core.run.result import Json

_ABOUT_ROOM = re.compile(
    "The ML nodes |.+ of deployment '.+' (has|have) no place until |Elasticsearch (refuses|may refuse) the change of "
)
"""The beginnings of warnings that say what the nodes lack (``_deployment/plan/preflight.py``)."""


def is_about_room(warning: str) -> bool:
    """Return whether a warning of the dry run says what the nodes lack."""
    return _ABOUT_ROOM.match(warning) is not None


def cannot_be_planned(planned: Json) -> str:
    """Return why a list cannot be planned, from the failed result of its dry run."""
    failed = [item for item in planned["deployments"] if item.get("failed")]
    why = each_once(Reason(item["deployment_id"], item["msg"]) for item in failed) or planned["msg"].removeprefix(
        AS_A_WHOLE
    )
    return f"The list in deployments cannot be planned. {why}"


def plan_result(planned: Json, warnings: t.Iterable[str]) -> Json:
    """Return the result key ``plan``. *planned*, *warnings*: of a dry run of the list that refuses nothing for room."""
    refused = [_is_refused(item) for item in planned["deployments"]]
    predictions = [_prediction(item) for item in planned["deployments"]]
    certain = [each["kind"] == "exact" and not no_room for each, no_room in zip(predictions, refused, strict=True)]
    items = [_item(item, exact) for item, exact in zip(planned["deployments"], certain, strict=True)]
    kinds = {each["kind"] for each, is_refused in zip(predictions, refused, strict=True) if not is_refused}
    missing = [item["missing"] for item in items]
    short = any(refused) or any(missing)
    about_room = [text for text in warnings if is_about_room(text)]
    unsaid = [item for item in items if item["missing"] and f"'{item['deployment_id']}'" not in " ".join(about_room)]
    reasons = [*about_room, *map(_no_place, unsaid), *(text for each in predictions for text in each["reasons"])]
    return {
        "fits": False if short else None if None in missing else True,
        "kind": None if None in kinds else "bounds" if "bounds" in kinds else "exact",
        "deployments": items,
        "reasons": list(dict.fromkeys(reasons)),
    }


def _no_place(item: Json) -> str:
    of_all = f"{item['missing']} of the {item['wanted']} allocations"
    return f"{of_all} of deployment '{item['deployment_id']}' would have no place."


def _is_refused(item: Json) -> bool:
    """Return whether Elasticsearch is certain to refuse the change for lack of room."""
    return (item.get("start_checks") or {}).get("capacity") == "refused"


def _prediction(item: Json) -> Json:
    """Return the prediction; of a deployment that no request would change, that what is there stays."""
    if item.get("prediction"):
        found: Json = item["prediction"]
        return found
    targets = [route["target_allocations"] for route in item["routing_table"].values()]
    known = item["routing_source"] == "cluster_state" and None not in targets
    return {"kind": "exact" if known else None, "reasons": []}


def _item(item: Json, exact: bool) -> Json:
    """Return one deployment: what it would have, and what would have a place. *exact*: that is certain."""
    number = (item["allocations"] or {}).get("wanted")
    placed = sum(route["target_allocations"] for route in item["routing_table"].values()) if exact else None
    return {
        "deployment_id": item["deployment_id"],
        "wanted": number,
        "placed": placed,
        "missing": None if placed is None or number is None else max(0, number - placed),
        "routing_table": item["routing_table"],
    }
