# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the law of capacity: as much fits as is said, carried on the cluster to the point where it refuses."""

from __future__ import annotations

import random
import typing as t
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from support.emulated_cluster import Emulator
from support.random_search import has_turn

Json = dict[str, t.Any]
VERSIONS = ("8.10.4", "8.14.1", "8.17.2", "8.19.0", "8.19.3", "9.1.5", "9.5.3")
SIZES = (20, 50, 100, 250, 400, 800)
SEEDS = 24


def start(emulator: Emulator, model_id: str, **query: t.Any) -> int:
    options = urlencode({"wait_for": "starting", **query})
    return emulator.api("POST", f"/_ml/trained_models/{model_id}/deployment/_start?{options}")


class Situation:
    """A cluster with deployments, which can be built again and again."""

    def __init__(self, version: str, nodes: t.Sequence[str], new: int, deployments: t.Sequence[Json]) -> None:
        self.version = version
        self.nodes = nodes
        self.models = (("new", new << 20), *((str(each["deployment_id"]), each["size"] << 20) for each in deployments))
        self.deployments = [{name: each[name] for name in each if name != "size"} for each in deployments]

    def build(self) -> Emulator:
        emulator = Emulator(self.version, self.nodes, self.models)
        for each in self.deployments:
            start(emulator, each["deployment_id"], **each)
            emulator.settle()
        return emulator

    def fit(self, **request: t.Any) -> Json:
        with self.build() as emulator:
            return t.cast("Json", emulator.capacity(fit=[{"model_id": "new", **request}])["fit"][0])

    def refused_after(self, **query: t.Any) -> tuple[int, Json]:
        """Return the largest number before the first that is refused, and where that many run."""
        number = 0
        places: Json = {}
        while True:
            with self.build() as emulator:
                if start(emulator, "new", number_of_allocations=number + 1, **query) != 200:
                    return number, places
                table = emulator.deployments()["new"]["routing_table"]
            number, places = number + 1, {node: route["target_allocations"] for node, route in table.items()}

    def refused_after_deployments(self) -> int:
        """Return how many deployments of low priority can be started."""
        with self.build() as emulator:
            number = 0
            while start(emulator, "new", deployment_id=f"new-{number}", priority="low") == 200:
                emulator.settle()
                number += 1
            return number


def drawn(seed: int) -> Situation:
    draw = random.Random(seed)
    version, zones = draw.choice(VERSIONS), draw.choice((1, 2, 3, 3))
    nodes = []
    for index in range(draw.randint(1, 5)):
        memory = draw.choice((1, 2, 2, 3, 4, 8)) * 1024 + draw.choice((0, 123))
        zone = "" if zones == 1 else f",{'abc'[index % zones]}"
        nodes.append(f"n{index}={draw.choice((1, 2, 4, 4, 8))},{memory}mb{zone}")
    deployments: list[Json] = []
    for index in range(draw.randint(0, 4)):
        each: Json = {"deployment_id": f"d{index}", "size": draw.choice(SIZES)}
        more = {"number_of_allocations": draw.randint(1, 4), "threads_per_allocation": draw.choice((1, 2))}
        deployments.append(each | (more if draw.random() < 0.7 else {"priority": "low"}))
    return Situation(version, nodes, draw.choice(SIZES), deployments)


TIGHT = Situation(
    "9.1.0",
    ("n1=4,2gb,a", "n2=4,1500mb,b", "n3=2,1gb,c"),
    100,
    (
        {"deployment_id": "search", "size": 250, "number_of_allocations": 3},
        {"deployment_id": "night", "size": 50, "priority": "low"},
    ),
)


def check(found: Json, number: int, places: Json) -> None:
    """Check an answer against what the cluster takes."""
    assert found["allocations"] <= number <= found["at_most"]
    assert found["reasons"]
    if found["kind"] == "exact":
        certain = {node["node_id"]: node["allocations"] for node in found["nodes"] if node["allocations"] is not None}
        assert certain.items() <= places.items()
        assert places.keys() <= {node["node_id"] for node in found["nodes"]}


@pytest.mark.parametrize("threads", [1, 2])
def test_three_zones_tight_memory_and_low_priority(threads: int) -> None:
    found = TIGHT.fit(threads_per_allocation=threads)
    assert found["kind"] == "exact"
    check(found, *TIGHT.refused_after(threads_per_allocation=threads))


def test_low_priority_in_three_zones() -> None:
    found = TIGHT.fit(priority="low")
    assert found["allocations"] == found["at_most"] == TIGHT.refused_after_deployments()


def seeds() -> Iterator[int]:
    return (seed for seed in range(SEEDS * 4) if has_turn(seed, 4))


@pytest.mark.parametrize("seed", list(seeds()))
def test_any_cluster(seed: int) -> None:
    situation = drawn(seed)
    check(situation.fit(), *situation.refused_after())
    low = situation.fit(priority="low")
    assert low["allocations"] <= situation.refused_after_deployments() <= low["at_most"]
