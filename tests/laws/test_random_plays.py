# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what check mode says of nodes and room on random clusters: the real run on an equal cluster must agree."""

from __future__ import annotations

import collections
import dataclasses
import random
import re
import typing as t

from support.emulated_cluster import Emulator
from support.random_search import FULL

Json = dict[str, t.Any]
VERSIONS = ("8.8.2", "8.10.4", "8.12.2", "8.17.4", "8.18.1", "9.1.0", "9.2.1")
MIB = 1 << 20
IDS = "abcd"
NO_ROOM = {"no_capacity", "not_enough_processors"}
ROOM = re.compile(r"Node (\S+): (?:at most )?(\d+)(?: to (\d+))? allocations\.")


@dataclasses.dataclass(frozen=True)
class Play:
    """A random cluster, and the tasks for it."""

    version: str
    nodes: tuple[str, ...]
    effects: tuple[Json | None, ...]
    tasks: tuple[list[Json], ...]

    @classmethod
    def of(cls, seed: int) -> Play:
        draw = random.Random(seed)
        zones = draw.choice((1, 1, 2, 3))
        kinds = [(draw.choice((1, 2, 4, 8)), draw.choice(("640mb", "1gb", "2gb", "16gb"))) for _ in range(2)]
        nodes = []
        for number in range(draw.choice((1, 2, 3, 4))):
            cores, memory = draw.choice(kinds)
            zone = f",{'abc'[number % zones]}" if zones > 1 and draw.random() < 0.9 else ""
            nodes.append(f"n{number}={cores},{memory}{zone}")
        return cls(
            draw.choice(VERSIONS),
            tuple(nodes),
            tuple(_effects(draw)),
            tuple(_items(draw) for _ in range(draw.choice((1, 1, 2)))),
        )

    def cluster(self) -> Emulator:
        """Return one more such cluster."""
        made = Emulator(
            self.version, self.nodes, tuple((name, size * MIB) for name, size in (("m", 100), ("other", 20)))
        )
        if any(node.count(",") == 2 for node in self.nodes):
            made.effect("set_setting", name="cluster.routing.allocation.awareness.attributes", value="zone")
        for effect in self.effects:
            try:
                made.settle() if effect is None else made.control("POST", "/effects", effect)
            except ValueError:
                continue  # not on this cluster
        made.forget()
        return made


def _effects(draw: random.Random) -> t.Iterator[Json | None]:
    lazy = draw.random() < 0.3
    if lazy:
        yield {"do": "set_setting", "name": "xpack.ml.max_lazy_ml_nodes", "value": 9}
    for _ in range(draw.choice((1, 2, 3, 4))):
        numbers = {
            "number_of_allocations": draw.choice((1, 2, 3, 5)),
            "threads_per_allocation": draw.choice((1, 1, 2, 4)),
        }
        low = {"priority": "low"}
        yield {
            "do": "start_deployment",
            "deployment_id": draw.choice(IDS),
            "model_id": draw.choice(("m", "other")),
            **(low if draw.random() < 0.15 else numbers),
        }
        if draw.random() < 0.85:
            yield None
    if lazy and draw.random() < 0.5:
        yield {"do": "set_setting", "name": "xpack.ml.max_lazy_ml_nodes", "value": 0}
    for _ in range(draw.choice((0, 0, 1))):
        what = draw.choice(("stop_deployment", "set_number", "shut_down_node"))
        given: Json = {"deployment_id": draw.choice(IDS)} if what != "shut_down_node" else {"node_id": "id-n0"}
        yield {"do": what, **given, **({"number_of_allocations": draw.choice((1, 6))} if what == "set_number" else {})}


def _items(draw: random.Random) -> list[Json]:
    items: dict[str, Json] = {}
    for _ in range(draw.choice((1, 2, 3))):
        deployment_id = draw.choice((*IDS, "e"))
        change: Json = draw.choice(
            (
                *({"number_of_allocations": number} for number in (1, 2, 3, 5, 8)),
                {"state": "stopped"},
                {"state": "restarted"},
                {"threads_per_allocation": draw.choice((1, 2, 4)), "replace": "stop_start"},
            )
        )
        model: Json = {} if "state" in change or deployment_id != "e" else {"model_id": "other"}
        items[deployment_id] = {"deployment_id": deployment_id, **model, **change}
    return list(items.values())


def targets(table: Json) -> dict[str, int]:
    return {node: route["target_allocations"] for node, route in table.items() if route["target_allocations"]}


def codes(result: Json) -> set[str]:
    return {each["failure"]["code"] for each in (result, *result.get("deployments", ())) if each.get("failure")}


def sent_alike(one: Json, other: Json) -> bool:
    return (
        one["changed"] and not one.get("failed") and not other.get("failed") and one["api_calls"] == other["api_calls"]
    )


def judge(predicted: Json, cluster: Json, place: str) -> str:
    """Return the kind of a prediction; fail the test if it is wrong."""
    found = targets(cluster.get(predicted["deployment_id"], {}).get("routing_table", {}))
    prediction = predicted["prediction"]
    assert not any("bug" in reason for reason in prediction["reasons"]), place
    if prediction["kind"] == "exact":
        assert targets(predicted["routing_table"]) == found, place
    elif prediction["kind"] == "bounds":
        assert prediction["reasons"], place
        rooms = [ROOM.fullmatch(reason) for reason in prediction["reasons"]]
        limits = {room[1]: (int(room[2]), int(room[3] or room[2])) for room in rooms if room}
        known = {
            route["node_name"]: (route["target_allocations"],) * 2
            for route in predicted["routing_table"].values()
            if route["target_allocations"] is not None
        }
        for node, (least, most) in {**known, **limits}.items():
            assert least <= found.get(f"id-{node}", 0) <= most, place
        assert {node.removeprefix("id-") for node in found} <= {*known, *limits}, place
    return str(prediction["kind"])


def play(seed: int) -> t.Iterator[str]:
    """Yield what each task of a play came to."""
    scene, entries = Play.of(seed), t.cast(Json, {})
    with scene.cluster() as checked, scene.cluster() as real:
        for number, items in enumerate(scene.tasks):
            place, options = f"seed {seed}, task {number}: {scene}", {"wait_timeout": 20, "wait_for": "started"}
            dry = checked.run_many(items, True, predictions={"deployments": entries}, **options)
            happened = real.run_many(items, False, **options)
            assert checked.journal() == [], place
            if codes(dry) & NO_ROOM:
                yield "refused"
                if not number:
                    assert codes(happened) & NO_ROOM, place
                    with scene.cluster() as tried:
                        assert tried.run_many(items, False, preflight="off", **options).get("failed"), place
                return
            after = real.deployments()
            for one, other in zip(dry["deployments"], happened["deployments"], strict=True):
                if sent_alike(one, other):
                    yield judge(one, after, place)
            if dry.get("failed") or happened.get("failed"):
                return
            entries = {**entries, **dry["ansible_facts"]["elasticsearch_ml_deployments"]}


def test_random_plays() -> None:
    counts: collections.Counter[str] = collections.Counter()
    for seed in range(4000 if FULL else 60):
        counts.update(play(seed))
    assert counts["exact"] > 15, counts
    assert {"bounds", "refused"} <= {*counts}, counts
