# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Define the scenes of the benchmark: each a job, and the ways to do it."""

from __future__ import annotations

import dataclasses
import typing as t

from bench.playbook import Json, Way
from support.emulator_process import Emulator

ONE = "mlops.elasticsearch.trained_model_deployment"
MANY = "mlops.elasticsearch.trained_model_deployments"
STATS = "/_ml/trained_models/d{{ item }}/_stats"
UPDATE = "/_ml/trained_models/d{{ item.item }}/deployment/_update"
DEBUG = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }}"}}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of all scenes. One run to warm up comes before the counted ``runs``."""

    runs: int = 5
    items: int = 20
    growth: tuple[int, ...] = (1, 10, 100)
    hosts: int = 40
    clusters: int = 200
    deployments: int = 100
    starts: int = 30
    load_seconds: float = 2.0


SMALL = Sizes(runs=1, items=2, growth=(1, 3), hosts=2, clusters=3, deployments=3, starts=2, load_seconds=0.2)


@dataclasses.dataclass(frozen=True)
class Scene:
    """One table. Its ways take turns, each after ``prepare``; the others are compared to the first.

    ``ways`` takes the number of the run, for jobs that change something.
    """

    name: str
    title: str
    ways: t.Callable[[int], list[Way]]
    running: int = 0
    hosts: int = 1
    forks: int = 10
    servers: int = 1
    options: tuple[str, ...] = ()
    prepare: t.Callable[[Emulator], None] = lambda server: None
    runs: int | None = None


def desired(number: int, **settings: t.Any) -> list[Json]:
    """Return a list of deployments for the fleet module."""
    return [{"deployment_id": f"d{each}", "model_id": "m", **settings} for each in range(number)]


def many(number: int, name: str = "fleet task", changes: int = 0, **options: t.Any) -> Way:
    settings = options.pop("settings", {"number_of_allocations": 1})
    return Way(name, [{MANY: {"deployments": desired(number, **settings), **options}}], changes)


def loop(number: int, name: str, task: Json, changes: int = 0, connection: str = "local") -> Way:
    return Way(name, [{**task, "loop": list(range(number))}], changes, connection)


def one(allocations: int = 1, **options: t.Any) -> Json:
    return {ONE: {"model_id": "m", "deployment_id": "d{{ item }}", "number_of_allocations": allocations, **options}}


def read(target: str = STATS) -> Json:
    return {"ansible.builtin.uri": {"url": "{{ url }}" + target, "return_content": True}}


def by_hand(number: int, allocations: int) -> Way:
    """Read, compare, update by uri: two loops."""
    shown = "item.json.trained_model_stats[0].deployment_stats.number_of_allocations"
    update = {
        "ansible.builtin.uri": {
            "url": "{{ url }}" + UPDATE,
            "method": "POST",
            "body_format": "json",
            "body": {"number_of_allocations": allocations},
        },
        "when": f"{shown} != {allocations}",
        "loop": "{{ read.results }}",
        "loop_control": {"label": "{{ item.item }}"},
    }
    return Way("uri", [{**read(), "loop": list(range(number)), "register": "read"}, update], number)


def scenes(sizes: Sizes) -> list[Scene]:
    return [*_one_cluster(sizes), *_many_clusters(sizes), _starts(sizes)]


def _one_cluster(sizes: Sizes) -> t.Iterator[Scene]:
    items = sizes.items
    debug = loop(items, "debug", {"ansible.builtin.debug": {"msg": "{{ item }}"}})
    yield Scene(
        "unchanged",
        f"{items} deployments, nothing to change",
        lambda run: [
            debug,
            many(items),
            loop(items, "loop, action plugin", one()),
            loop(items, "loop, module", one(), connection="loopback"),
            loop(items, "loop, uri that only reads", read()),
        ],
        running=items,
    )

    def changing(run: int) -> list[Way]:
        # Each way sets another number of allocations than the way before, so that it has something to change.
        numbers = [1 + (3 * run + step + 1) % 2 for step in range(3)]
        return [
            debug,
            many(items, changes=items, settings={"number_of_allocations": numbers[0]}, wait=False),
            loop(items, "loop, action plugin", one(numbers[1], wait=False), items),
            by_hand(items, numbers[2]),
        ]

    yield Scene("changed", f"{items} changes, not waited for", changing, running=items)
    number = sizes.deployments

    def all_changing(run: int) -> list[Way]:
        twice, once = {"number_of_allocations": 2}, {"number_of_allocations": 1}
        return [
            many(number, "fleet task, nothing to change"),
            many(number, "fleet task, not waited for", number, settings=twice, wait=False),
            many(number, "fleet task, waited for", number, settings=once, wait_sleep=0.1),
        ]

    yield Scene("hundred", f"{number} changes in one task", all_changing, running=number)
    alone = Way("one deployment", [{ONE: {"deployment_id": "d0", "number_of_allocations": 1}}])
    yield Scene(
        "growth",
        "one task, nothing to change: growth with the number of deployments",
        lambda run: [alone, *(many(number, f"fleet task, {number}") for number in sizes.growth)],
        running=max(sizes.growth),
    )


def _many_clusters(sizes: Sizes) -> t.Iterator[Scene]:
    hosts, number = sizes.hosts, sizes.deployments
    debug = Way("debug", [DEBUG])
    alone = {ONE: {"deployment_id": "d0", "number_of_allocations": 1}}
    yield Scene(
        "hosts",
        f"{hosts} clusters, one deployment each, nothing to change, 10 forks",
        lambda run: [
            debug,
            Way("action plugin", [alone]),
            Way("module", [alone], connection="loopback"),
            Way("uri that only reads", [read(STATS.replace("{{ item }}", "0"))]),
        ],
        running=1,
        hosts=hosts,
        servers=2,
    )
    yield Scene(
        "clusters",
        f"{sizes.clusters} clusters of {number} deployments, nothing to change, 10 forks",
        lambda run: [
            debug,
            many(number, "fleet task, quiet", fact_name="", detail="changed"),
            Way("same result, nothing done", [{"same_result": {}}]),
            many(number, "fleet task, all keys and facts"),
        ],
        running=number,
        hosts=sizes.clusters,
        servers=2,
    )


def _starts(sizes: Sizes) -> Scene:
    number = sizes.starts

    def stop_all(server: Emulator) -> None:
        for name in server.control("GET", "/state")["deployments"]:
            server.control("POST", "/effects", {"do": "remove_deployment", "deployment_id": name})

    return Scene(
        "starts",
        f"{number} starts, each of which takes {sizes.load_seconds:g} s to load",
        lambda run: [
            many(number, changes=number),
            loop(number, "loop, action plugin", one(), number),
        ],
        options=("--load-time", str(sizes.load_seconds)),
        prepare=stop_all,
        # The loop alone takes a minute, and its runs differ far less than the ways do.
        runs=min(sizes.runs, 2),
    )
