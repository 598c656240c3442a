# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answer to whether a list of deployments fits, from what check mode predicts of it. Pure."""

from __future__ import annotations

from .._core.run.result import Json


def plan_result(planned: Json) -> Json:
    """Return the result key ``plan``. *planned*: the result of a dry run of the list."""
    predictions = [item.get("prediction") or _present(item) for item in planned["deployments"]]
    kinds = [prediction["kind"] for prediction in predictions]
    kind = None if None in kinds else "bounds" if "bounds" in kinds else "exact"
    items = [_item(item, exact=each == "exact") for item, each in zip(planned["deployments"], kinds, strict=True)]
    missing = [item["missing"] for item in items]
    return {
        "fits": False if any(missing) else None if None in missing else True,
        "kind": kind,
        "deployments": items,
        "reasons": list(dict.fromkeys(reason for prediction in predictions for reason in prediction["reasons"])),
    }


def _present(item: Json) -> Json:
    """Return the prediction of a deployment that no request would change: what is there, if that can be read."""
    targets = [route["target_allocations"] for route in item["routing_table"].values()]
    known = item["routing_source"] == "cluster_state" and None not in targets
    return {"kind": "exact" if known else None, "reasons": []}


def _item(item: Json, *, exact: bool) -> Json:
    """Return one deployment: what it would have, and what would have a place."""
    number = (item["allocations"] or {}).get("wanted")
    placed = sum(route["target_allocations"] for route in item["routing_table"].values()) if exact else None
    return {
        "deployment_id": item["deployment_id"],
        "wanted": number,
        "placed": placed,
        "missing": None if placed is None or number is None else max(0, number - placed),
        "routing_table": item["routing_table"],
    }
