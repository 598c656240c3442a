# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Warnings about ELSER, whose allocations need more memory than Elasticsearch reckons. Pure."""

from __future__ import annotations

import typing as t

from .._core.sizes import human_size
from .._core.warning import WarningText
from .._planner.memory import ELSER as RECKONED
from .._planner.rules import Rules
from .nodes import Json

_IDS = Rules().elser
EACH = 1536 << 20
"""Bytes that each allocation needs (around-deployments.md 6.2)."""


def elser_warnings(nodes: t.Sequence[Json], fit: t.Sequence[Json], rules: Rules) -> tuple[WarningText, ...]:
    """Return a warning for each node that runs, or would run, more allocations than its memory holds.

    *nodes*, *fit*: the result keys. Versions that plan with observed memory reckon by themselves.
    """
    if rules.observes_memory:
        return ()
    by_id = {node["node_id"]: node for node in nodes}
    running = (
        _warning(share, share["target_allocations"], node, rules) for node in nodes for share in node["deployments"]
    )
    planned = (
        _warning(item, place["allocations"], by_id[place["node_id"]], rules) for item in fit for place in item["nodes"]
    )
    return tuple(dict.fromkeys(text for text in (*running, *planned) if text))


def _warning(deployed: Json, allocations: int | None, on: Json, rules: Rules) -> WarningText | None:
    deployment_id, model_id = deployed["deployment_id"], deployed["model_id"]
    total, number = on["memory"]["total"], allocations or 0
    if total is None or number * EACH <= total or not (model_id or "").startswith(_IDS):
        return None
    node = on["node_name"] or on["node_id"]
    is_seen = not rules.elser_by_deployment or deployment_id.startswith(_IDS)
    consequence = (
        f"Elasticsearch reckons with {human_size(RECKONED)} for ELSER, whatever the number."
        if is_seen
        else "By the id of the deployment, Elasticsearch does not know that it is ELSER."
    )
    return WarningText(
        f"Node '{node}' may run out of memory: {number} allocations of '{deployment_id}' there need about "
        f"{human_size(number * EACH)}, and it has {human_size(total)} for machine learning. {consequence}"
    )
