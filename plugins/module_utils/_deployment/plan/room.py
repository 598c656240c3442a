# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room for deployments on the ML nodes, as far as it is known. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._capacity.inputs import planner_deployments, planner_nodes
from ..._capacity.records import Capacity, Missing
from ..._core.features import Feature
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._core.words import joined
from ..._ml.deployment import Deployment
from ..._planner import records as planner
from ..._planner.rules import Rules
from .order import send_order
from .plan import Plan


def takes_room(plan: Plan) -> bool:
    """Return whether one of the writes of *plan* needs room that it does not have yet."""
    return any(send_order(plan, step).takes for step in plan.steps)


@dataclasses.dataclass(frozen=True)
class Room:
    """``existing``: all deployments in the order of the cluster state, ``None`` if they are not known.

    ``places``: the same for the planner, ``None`` if it needs more than is known of one of them. ``is_recorded``:
    plans of the server's version were recorded (planner.md 10). ``candidates``: all nodes that may get allocations,
    also those that lack an awareness attribute.
    """

    capacity: Capacity
    nodes: tuple[planner.Node, ...]
    rules: Rules
    existing: tuple[Deployment, ...] | None
    places: tuple[planner.Deployment, ...] | None
    is_recorded: bool = True
    candidates: tuple[planner.Node, ...] = ()

    @classmethod
    def of(cls, capacity: Capacity, existing: t.Sequence[Deployment] | None, server: Server) -> Room:
        """Return the room on *server*."""
        known = None if existing is None else tuple(existing)
        places = None if known is None else planner_deployments(known)
        return cls(
            capacity,
            planner_nodes(capacity),
            Rules.of(server.version_tuple),
            known,
            places,
            server.supports(Feature.RECORDED_PLANS),
            planner_nodes(capacity, with_zone=False),
        )

    @property
    def is_known(self) -> bool:
        """Return whether everything was read that decides about places."""
        return self.places is not None and not self.capacity.missing

    @property
    def stopping(self) -> frozenset[str]:
        """Return the deployments that are being stopped already."""
        return frozenset(each.deployment_id for each in self.existing or () if each.assignment_state == "stopping")

    @property
    def names(self) -> dict[str, str]:
        """Return what a message calls each node."""
        return {node.id: node.shown_name for node in self.capacity.nodes}


def has_room(server: Server) -> bool:
    """Return whether *server* places allocations by the room on its nodes, and lets it be seen."""
    return server.supports(Feature.PROCESSOR_CHECK)


def unread_room(missing: t.Iterable[Missing]) -> tuple[WarningText, ...]:
    """Return the warning about what the user might read, and the server did not tell."""
    things = joined([each.what for each in missing if each.privilege is None])
    if not things:
        return ()
    return (
        WarningText(
            f"The {things} of the ML nodes could not be read, though no privilege is lacking: "
            "it is not certain what has room."
        ),
    )
