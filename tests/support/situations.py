# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw clusters, and what requests, failures and lost nodes make of their deployments one after another."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.events import (
    Event,
    Replan,
    Situation,
    Start,
    Stop,
    Update,
    step,
    task_of,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import (
    Deployment,
    Node,
    RequestFails,
    Route,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import Rules

MIB = 1 << 20
_MEMORY = (440, 490, 640, 900, 1024, 1500, 2048, 3072, 4096, 8192, 16384, 65536)
_SIZES = (20, 50, 100, 100, 250, 400, 800)
_LETTERS = "abcdefXYZ019_-"


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A request that plans everything again, and what it meets. ``new``: the deployment that it starts."""

    nodes: Sequence[Node]
    deployments: Situation
    new: str | None
    rules: Rules


def situations(seed: int) -> Iterator[Drawn]:
    """Yield what one cluster meets."""
    draw = random.Random(seed)
    nodes = _nodes(draw)
    rules = Rules.of(draw.choice([(8, 18, 0), (8, 18, 0), (9, 2, 0), (9, 2, 0), (8, 13, 0), (8, 10, 0)]))
    kind = draw.choice(["plain", "low", "plain" if rules.one_figure else "figures"])
    situation: Situation = ()
    for number in range(draw.choice([3, 5, 8])):
        event = _event(draw, situation, f"d{len(situation)}{number}", kind)
        try:
            task = task_of(nodes, situation, event)
        except RequestFails:
            continue
        if not task.fixed:
            yield Drawn(nodes, task.situation, task.new, rules)
        situation = _changed(draw, step(nodes, situation, event, rules).reached[0])
        if len(nodes) > 1 and draw.random() < 0.15:
            nodes.remove(draw.choice(nodes))


def _nodes(draw: random.Random) -> list[Node]:
    number, zones = draw.choice([1, 2, 3, 4, 5, 6, 8]), draw.choice([1, 1, 2, 3])
    kinds = [(draw.choice(_MEMORY), draw.choice([1, 2, 4, 8, 16])) for _ in range(draw.choice([1, number]))]
    return [
        Node(_name(draw, f"n{place}", 22), memory * MIB, cores, ("abc"[place % zones],) if zones > 1 else ())
        for place in range(number)
        for memory, cores in [kinds[place % len(kinds)]]
    ]


def _event(draw: random.Random, situation: Situation, name: str, kind: str) -> Event:
    if not situation or draw.random() < 0.5:
        return Start(_deployment(draw, _name(draw, name, 8), kind))
    one = draw.choice(situation)
    events: list[Event] = [Update(one.id, one.allocations + draw.choice([1, 2, 4])), Stop(one.id), Replan()]
    return draw.choice(events)


def _deployment(draw: random.Random, name: str, kind: str) -> Deployment:
    low = kind == "low" and draw.random() < 0.5
    figures = kind == "figures" and draw.random() < 0.6
    return Deployment(
        name,
        name,
        draw.choice(_SIZES) * MIB,
        1 if low else draw.choice([1, 1, 2, 2, 3, 4, 5, 6, 8, 12]),
        draw.choice([1, 1, 1, 2, 2, 4, 8]),
        "low" if low else "normal",
        draw.choice([0, 100, 150, 250, 350]) * MIB if figures else 0,
        draw.choice([0, 20, 100, 300, 700]) * MIB if figures else 0,
        draw.choice([0, 0, 0, 200, 600, 1000, 1600]) * MIB,
    )


def _changed(draw: random.Random, situation: Situation) -> Situation:
    """Let most of what starts be started, and a route fail now and then."""
    return tuple(
        dataclasses.replace(each, routes={node: _later(draw, route) for node, route in each.routes.items()})
        for each in situation
    )


def _later(draw: random.Random, route: Route) -> Route:
    chance = draw.random()
    if chance < 0.03:
        return dataclasses.replace(route, state=draw.choice(["failed", "stopping"]))
    return Route(route.target, route.target, "started") if chance < 0.8 and route.state == "starting" else route


def _name(draw: random.Random, plain: str, length: int) -> str:
    """Return a plain name mostly, else one that Java hashes to any place."""
    return plain if draw.random() < 0.8 else "".join(draw.choice(_LETTERS) for _ in range(length))
