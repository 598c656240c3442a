# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory that a model needs on a node, by the rules of the server's version (planner.md 10). Pure."""

from __future__ import annotations

from .._core.features import Feature
from .._core.server import Server
from .._planner.memory import needed
from .._planner.records import Deployment
from .._planner.rules import Rules
from .records import Json, SeenModel

_MANY = 1 << 20
"""So many allocations that each further one needs the most that one may need."""


def required_memory(seen: SeenModel, server: Server) -> Json | None:
    """Return what a deployment needs on a node for its first allocation there, and at most for each further one.

    This is for normal priority and the model's own id, for which all rules that a version may follow agree. ``None`` if
    it is not certain.
    """
    model, size = seen.model, seen.model_bytes
    if model.model_type != "pytorch" or not size or not server.supports(Feature.RECORDED_PLANS):
        return None
    rules = Rules.of(server.version_tuple)
    if rules.observes_memory and seen.deployed.deployments:  # then what it took so far counts
        return None
    figures = (model.per_deployment_memory_bytes, model.per_allocation_memory_bytes)

    def need(allocations: int) -> int:
        deployment = Deployment(model.model_id, model.model_id, size, allocations, 1, "normal", *figures)
        return needed(deployment, allocations, rules)

    return {"first_allocation_bytes": need(1), "further_allocation_bytes": need(_MANY + 1) - need(_MANY)}
