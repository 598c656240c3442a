# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes on which a deployment will run after a plan, as far as that is certain. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._capacity.doubts import in_words
from ..._capacity.inputs import planner_deployment
from ..._core.server import Server
from ..._core.words import first_of
from ..._ml.deployment import Deployment
from ..._ml.routing import Route
from ..._planner.events import Situation
from ..._planner.outcomes import ORDER
from ..._planner.records import Deployment as Placed
from ..records.prediction import Places
from .forecast import Forecast
from .preflight import Outlook, at_most, is_followed, without_places
from .room import Room

_REFUSED = "Elasticsearch would refuse the change, because there is no room."
_UNREAD = "Not all was read that decides about the nodes: see missing."
_FAULT = "Working out the places failed: please report this as a bug of mlops.elasticsearch."


def _unknown(room: Room, expected: Deployment) -> str:
    """Return the deployments of which a plan would need more than is known."""
    if expected.model_bytes is None:
        return f"The size of model '{expected.model_id}' is not known before the model is there."
    ids = [each.deployment_id for each in room.existing or () if planner_deployment(each) is None]
    if not ids:
        return "The other deployments are not known."
    names = first_of([f"'{each}'" for each in ids])
    return f"The places, the number or the size of {names} are not known."


def nothing_to_predict(server: Server) -> Places:
    """Return the prediction for a *server* that does not place allocations by the room that it shows."""
    why = "Elasticsearch Serverless does not show its nodes."
    if not server.serverless:
        why = f"Elasticsearch {server.shown_version} does not place allocations by the room on its nodes."
    return Places(None, reasons=(why,))


def predicted(outlook: Outlook, deployment_id: str, expected: Deployment | None) -> tuple[Deployment | None, Places]:
    """Return the deployment *expected* after the plan, with its places, and how certain they are."""
    if expected is None:
        return None, Places("exact")
    room, forecast = outlook.room, outlook.forecast
    attempts = forecast.attempts.get(deployment_id) if forecast else None
    verdict = outlook.verdicts.get(deployment_id)
    refused = is_followed(room, forecast) and attempts and not any(each.accepted for each in attempts)
    if refused or (verdict and verdict.check == "refused"):
        return _unplaced(expected), Places(None, reasons=(_REFUSED,))
    missing = room.capacity.missing
    possible = [_of(deployment_id, situation) for situation in forecast.situations] if forecast else []
    certain = [each for each in possible if each is not None]
    if forecast is None or missing or forecast.doubts or len(certain) < len(possible):
        return _widest(outlook, expected)
    if ORDER not in forecast.reasons and all(each.targets == certain[0].targets for each in certain):
        return _placed(expected, certain[0], room.names), Places("exact")
    limits = at_most(room, certain[0]) if ORDER in forecast.reasons else {}
    return _between(expected, certain, room.names, in_words(forecast.reasons), limits)


def moved(outlook: Outlook, changed: t.Container[str]) -> tuple[str, ...]:
    """Return the deployments whose places change, too, or of the *changed* ones are not certain in all that counts."""
    room, forecast = outlook.room, outlook.forecast
    if forecast is None:
        return ()
    before = {each.id: each for each in room.places or ()}
    ids = dict.fromkeys([*before, *(each.id for situation in forecast.situations for each in situation)])
    return tuple(each for each in ids if _is_moved(each, before.get(each), forecast, each in changed))


def _is_moved(deployment_id: str, before: Placed | None, forecast: Forecast, is_changed: bool) -> bool:
    after = [_of(deployment_id, situation) for situation in forecast.situations]
    return bool(forecast.doubts) or any(each != (after[0] if is_changed else before) for each in after)


def _of(deployment_id: str, situation: Situation) -> Placed | None:
    return next((each for each in situation if each.id == deployment_id), None)


def _placed(expected: Deployment, placed: Placed, names: t.Mapping[str, str]) -> Deployment:
    """Return *expected* on its nodes."""
    routes = tuple(
        Route(node, names.get(node), route.state, None, route.current, route.target)
        for node, route in sorted(placed.routes.items())
    )
    return dataclasses.replace(
        expected, routes=routes, has_predicted_places=True, max_assigned_allocations=placed.max_assigned
    )


def _between(
    expected: Deployment,
    possible: t.Sequence[Placed],
    names: t.Mapping[str, str],
    reasons: t.Sequence[str],
    limits: t.Mapping[str, int],
) -> tuple[Deployment, Places]:
    """Return *expected* on the nodes of one of the *possible* plans; what they differ in is not known.

    *limits*: the most that nodes may get in other plans than those.
    """
    first = _placed(expected, possible[0], names)
    known = {route.node_id: route for route in first.routes}
    figures: dict[str, tuple[int, int]] = {}
    differ = any(each.targets != possible[0].targets for each in possible)
    for node in sorted({node for each in possible for node in each.routes} | {*(limits if differ else ())}):
        targets = [each.targets.get(node, 0) for each in possible]
        least, most = min(targets), max(*targets, limits.get(node, 0) if differ else 0)
        if least < most:
            figures[node] = (least, most)
    routes = [route for route in first.routes if route.node_id not in figures]
    before = {route.node_id for route in expected.routes}
    for node in figures:
        was = known.get(node) if node in before else None
        routes.append(dataclasses.replace(was, target_allocations=None) if was else _open_route(node, names))
    deployment = dataclasses.replace(first, routes=tuple(sorted(routes)), has_predicted_places=False)
    return deployment, Places("bounds", reasons=(*reasons, *_lines(figures, names)))


def _widest(outlook: Outlook, expected: Deployment) -> tuple[Deployment, Places]:
    """Return *expected* on nodes that are not known, with the most that each can get."""
    room = outlook.room
    doubts = outlook.forecast.doubts | outlook.forecast.reasons if outlook.forecast else set()
    reasons = in_words(doubts)
    if room.capacity.missing:
        reasons.append(_UNREAD)
    elif outlook.forecast is None:
        reasons.append(_FAULT if outlook.has_fault else _unknown(room, expected))
    asked = without_places(expected)
    unknown = _unplaced(expected)
    if asked is None or not room.nodes or room.capacity.lacks("nodes"):
        return unknown, Places(None, room.capacity.missing, tuple(reasons))
    now = {route.node_id: route.current_allocations or 0 for route in expected.routes}
    most = {node: max(number, now.get(node, 0)) for node, number in at_most(room, asked).items()}
    lines = _lines({node: (0, number) for node, number in most.items()}, room.names)
    more = [_open_route(node, room.names) for node in most if node not in now]
    unknown = dataclasses.replace(unknown, routes=tuple(sorted((*unknown.routes, *more))))
    return unknown, Places("bounds", room.capacity.missing, (*reasons, *lines))


def _open_route(node_id: str, names: t.Mapping[str, str]) -> Route:
    """Return the route to a node that has none yet, and may get one."""
    return Route(node_id, names.get(node_id), None, None, None, None)


def _unplaced(expected: Deployment) -> Deployment:
    """Return *expected* with the nodes that it has, without what they will get."""
    routes = tuple(dataclasses.replace(route, target_allocations=None) for route in expected.routes)
    return dataclasses.replace(expected, routes=routes)


def _lines(figures: t.Mapping[str, tuple[int, int]], names: t.Mapping[str, str]) -> list[str]:
    return [
        f"Node {names.get(node, node)}: {f'{least} to {most}' if most else 'at most 0'} allocations."
        for node, (least, most) in figures.items()
    ]
