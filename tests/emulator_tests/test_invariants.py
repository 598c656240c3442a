# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happens: no node carries more than it has, numbers agree, and every answer is what the oracle says.

``EMULATOR_SCHEDULES=2000`` runs that many schedules instead of a few.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emulator.inprocess import ConnectionDropped
from emulator.state.nodes import Node
from emulator.state.planner import PlanDeployment, PlanNode
from emulator.state.zones import plan_all
from emulator_tests import oracle
from emulator_tests.api import Answer, Api
from emulator_tests.plain import facts_of, nameless
from emulator_tests.schedules import COUNTED

MB: Final = 1 << 20
ML: Final = "/_ml/trained_models"
MODELS: Final = {"small": 100 * MB, "large": 2000 * MB, "spare": 10 * MB}
IDS: Final = ("a", "b", "c")
ZONES: Final = (None, "z1", "z2")
VERSIONS: Final = (
    *("8.0.1", "8.2.3", "8.3.3", "8.4.3", "8.6.2", "8.8.2", "8.10.4", "8.13.4", "8.15.5"),
    *("8.16.1", "8.17.0", "8.19.14", "9.0.8", "9.1.10", "9.5.3"),
)
SCHEDULES: Final = int(os.environ.get("EMULATOR_SCHEDULES", "120"))

numbers = st.integers(1, 12)
threads = st.sampled_from((1, 2, 4))
names = st.sampled_from(IDS)
rounds = st.sampled_from((0, 1, 3))
model_ids = st.sampled_from(sorted(MODELS))


class Cluster(RuleBasedStateMachine):
    """Sections 4 and 5.4: clients, scaler, faults and nodes act in any order."""

    api: Api

    @initialize(version=st.sampled_from(VERSIONS), eager=st.booleans())
    def begin(self, version: str, eager: bool) -> None:
        nodes = {"n1": 4, "n2": 8}
        self.api = Api(version, nodes, "eager" if eager else "manual", models=tuple(MODELS.items()))
        self.version = self.api.double.cluster.version

    # --- helpers ---

    @property
    def deployments(self) -> list[str]:
        return sorted(self.api.double.cluster.assignments)

    def check_answer(self, answer: Answer | None, deployment_id: str) -> None:
        """An answer with an assignment is what the oracle renders, or an error in its envelope."""
        if answer is None:
            return
        event(f"answered {answer.status}")
        COUNTED["answers compared"] += 1
        if answer.status == 200:
            key = "assignment" if self.version.assignment_names else "allocation"
            expected = {key: oracle.assignment(facts_of(self.api.double.cluster, deployment_id))}
            assert json.dumps(answer.body) == json.dumps(expected)
        else:
            assert answer.body["status"] == answer.status
            assert list(answer.body["error"])[:3] == ["root_cause", "type", "reason"]

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> Answer | None:
        try:
            return self.api.send(method, path, body, **query)
        except ConnectionDropped:
            return None

    # --- clients ---

    @rule(name=names, model=model_ids, number=numbers, each=threads, wait=st.booleans(), later=rounds)
    def start(self, name: str, model: str, number: int, each: int, wait: bool, later: int) -> None:
        query: dict[str, Any] = {"timeout": "1ms"} if wait else {"wait_for": "starting"}
        if self.version.assignment_names:
            query |= {"number_of_allocations": number, "threads_per_allocation": each}
        else:
            query |= {"model_threads": number, "inference_threads": each}
        deployment_id = name if self.version.deployment_id else model
        if self.version.deployment_id:
            query["deployment_id"] = name
        self.check_answer(self.send("POST", f"{ML}/{model}/deployment/_start", None, **query), deployment_id)
        self.api.tick(later)

    @precondition(lambda self: self.version.deployment_id)
    @rule(name=names, model=model_ids)
    def start_low(self, name: str, model: str) -> None:
        query = {"deployment_id": name, "priority": "low", "wait_for": "starting"}
        self.check_answer(self.send("POST", f"{ML}/{model}/deployment/_start", None, **query), name)

    @precondition(lambda self: self.version.adaptive)
    @rule(name=names, model=model_ids, least=st.none() | st.integers(-1, 3), cache=st.sampled_from(("0", "3gb", "7mb")))
    def start_adaptive(self, name: str, model: str, least: int | None, cache: str) -> None:
        body = {"adaptive_allocations": {"enabled": True, "min_number_of_allocations": least}, "cache_size": cache}
        query = {"deployment_id": name, "wait_for": "starting"}
        self.check_answer(self.send("POST", f"{ML}/{model}/deployment/_start", body, **query), name)

    @precondition(lambda self: self.deployments and self.version.update)
    @rule(data=st.data(), number=numbers, later=rounds)
    def update(self, data: st.DataObject, number: int, later: int) -> None:
        name = data.draw(st.sampled_from(self.deployments))
        body = {"number_of_allocations": number}
        self.check_answer(self.send("POST", f"{ML}/{name}/deployment/_update", body), name)
        self.api.tick(later)

    @precondition(lambda self: self.deployments and self.version.adaptive)
    @rule(
        data=st.data(),
        given=st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "enabled": st.booleans(),
                "min_number_of_allocations": st.none() | st.integers(-1, 3),
                "max_number_of_allocations": st.none() | st.integers(1, 6),
            },
        ),
    )
    def adapt(self, data: st.DataObject, given: Any) -> None:
        name = data.draw(st.sampled_from(self.deployments))
        body = {"adaptive_allocations": given}
        self.check_answer(self.send("POST", f"{ML}/{name}/deployment/_update", body), name)

    @precondition(lambda self: self.deployments)
    @rule(data=st.data(), force=st.booleans(), gently=st.booleans())
    def stop(self, data: st.DataObject, force: bool, gently: bool) -> None:
        name = data.draw(st.sampled_from(self.deployments))
        if gently:
            self.api.effect("stop_deployment", deployment_id=name)
            return
        answer = self.send("POST", f"{ML}/{name}/deployment/_stop", None, force=str(force).lower())
        if answer is not None and answer.status == 200:
            assert answer.body == {"stopped": True}
            assert name not in self.api.double.cluster.assignments

    @rule(model=model_ids, force=st.booleans())
    def delete(self, model: str, force: bool) -> None:
        answer = self.send("DELETE", f"{ML}/{model}", None, force=str(force).lower())
        if answer is not None and answer.status == 200:
            assert answer.body == {"acknowledged": True}
            self.api.double.control("POST", "/models", {"model_id": model, "bytes": MODELS[model]})

    @rule(model=model_ids, reassign=st.booleans())
    def alias(self, model: str, reassign: bool) -> None:
        self.send("PUT", f"{ML}/{model}/model_aliases/nick", None, reassign=str(reassign).lower())

    @rule(pipeline=st.sampled_from(("p", "q")), name=st.sampled_from((*IDS, "nick", "small")), there=st.booleans())
    def refer(self, pipeline: str, name: str, there: bool) -> None:
        if there:
            self.api.effect("put_pipeline_reference", pipeline=pipeline, model_id=name)
        elif pipeline in self.api.double.cluster.pipelines:
            self.api.effect("remove_pipeline", pipeline=pipeline)

    # --- the scaler, the nodes ---

    @precondition(lambda self: self.deployments)
    @rule(data=st.data(), number=st.integers(0, 12))
    def scale(self, data: st.DataObject, number: int) -> None:
        name = data.draw(st.sampled_from(self.deployments))
        self.api.effect("set_number", deployment_id=name, number_of_allocations=number)

    @precondition(lambda self: self.deployments)
    @rule(data=st.data(), count=st.integers(1, 50))
    def infer(self, data: st.DataObject, count: int) -> None:
        name = data.draw(st.sampled_from(self.deployments))
        self.api.effect("infer", deployment_id=name, count=count, time_ms=5)

    @rule(node=st.sampled_from(("n1", "n2", "n3")), cores=st.integers(1, 8), zone=st.sampled_from(ZONES))
    def join(self, node: str, cores: int, zone: str | None) -> None:
        if node not in self.api.double.cluster.nodes:
            self.api.effect("add_node", node_id=node, processors=cores, memory=8000 * MB, zone=zone)

    @precondition(lambda self: len(self.api.double.cluster.nodes) > 1)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(sorted(self.api.double.cluster.nodes)))
        self.api.effect("remove_node", node_id=node)

    @rule(lazy=st.booleans())
    def allow_growth(self, lazy: bool) -> None:
        self.api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=99 if lazy else None)

    @precondition(lambda self: not any(each.times for each in self.api.double.cluster.load_failures))
    @rule()
    def fail_next(self) -> None:
        self.api.effect("fail_next_load", reason="boom")

    @precondition(lambda self: any(each.routes for each in self.api.double.cluster.assignments.values()))
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        found = [key for key, each in self.api.double.cluster.assignments.items() if each.routes]
        self.api.effect("fail_route", deployment_id=data.draw(st.sampled_from(found)), reason="boom")

    @rule(operation=st.sampled_from(("update", "start", "stop")), when=st.sampled_from(("before", "after")))
    def lose_the_next_answer(self, operation: str, when: str) -> None:
        self.api.double.control("DELETE", "/faults")
        self.api.fault(operation, {"type": "drop"}, when=when)

    @rule(steps=st.integers(1, 3))
    def tick(self, steps: int) -> None:
        self.api.tick(steps)

    @rule()
    def settle(self) -> None:
        self.api.settle()

    # --- what always holds ---

    @invariant()
    def no_node_is_over_its_processors(self) -> None:
        cluster = self.api.double.cluster
        for node in cluster.nodes.values():
            used = sum(
                each.routes[node.id].target * each.params.threads_per_allocation
                for each in cluster.assignments.values()
                if node.id in each.routes and each.params.priority == "normal"
            )
            assert used <= node.cores(), node

    @invariant()
    def no_node_is_over_its_memory(self) -> None:
        cluster = self.api.double.cluster
        for node in cluster.nodes.values():
            used = sum(
                each.params.memory(each.routes[node.id].target, cluster.version)
                for each in cluster.assignments.values()
                if node.id in each.routes
            )
            assert used <= node.available(), node

    @invariant()
    def no_deployment_is_above_its_number(self) -> None:
        for each in self.api.double.cluster.assignments.values():
            assert each.total_target <= max(0, each.params.number_of_allocations)
            assert set(each.routes) <= set(self.api.double.cluster.nodes)
            assert each.max_assigned >= each.total_current

    @invariant()
    def statistics_are_what_the_oracle_says(self) -> None:
        cluster = self.api.double.cluster
        body = self.api.stats("*")
        assert list(body) == ["count", "trained_model_stats"]
        rows = body["trained_model_stats"]
        assert body["count"] == len({row["model_id"] for row in rows}) == len(MODELS)
        deployed = [row for row in rows if "deployment_stats" in row]
        assert len(deployed) == len(cluster.assignments)
        assert {row["model_id"] for row in rows if "deployment_stats" not in row}.isdisjoint(
            each.params.model_id for each in cluster.assignments.values()
        )
        for row in deployed:
            COUNTED["answers compared"] += 1
            stats = row["deployment_stats"]
            facts = facts_of(cluster, stats.get("deployment_id", stats["model_id"]))
            assert json.dumps(nameless(stats)) == json.dumps(oracle.deployment_stats(facts))
            sums = {key: value for key, value in row["inference_stats"].items() if key != "timestamp"}
            assert json.dumps(sums) == json.dumps(oracle.inference_stats(facts))

    @invariant()
    def cluster_state_is_what_the_oracle_says(self) -> None:
        cluster = self.api.double.cluster
        key = "trained_model_assignment" if self.version.assignment_names else "trained_model_allocation"
        answer = self.api.send("GET", "/_cluster/state/metadata", None, filter_path=f"metadata.{key}")
        expected = {name: oracle.assignment(facts_of(cluster, name)) for name in cluster.assignments}
        wanted = {"metadata": {key: expected}} if cluster.ever_assigned else {}
        assert json.dumps(answer.body) == json.dumps(wanted)
        COUNTED["answers compared"] += 1
        COUNTED["steps"] += 1

    def teardown(self) -> None:
        """In the end every node has what it should."""
        if not hasattr(self, "api"):
            return
        COUNTED["schedules"] += 1
        self.api.settle()
        for each in self.api.double.cluster.assignments.values():
            assert all(route.current == route.target for route in each.routes.values() if route.state == "started")


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=SCHEDULES, stateful_step_count=30, deadline=None)


# --- the planner alone ---

plan_nodes = st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 16), st.integers(0, 8000)), max_size=6)
plan_wishes = st.lists(st.tuples(st.integers(0, 20), threads, st.integers(1, 4000)), min_size=1, max_size=4)


@given(nodes=plan_nodes, wishes=plan_wishes, zoned=st.booleans())
@settings(max_examples=300, deadline=None)
def test_plans_fit(nodes: dict[str, tuple[int, int]], wishes: list[tuple[int, int, int]], zoned: bool) -> None:
    """Section 5.4."""
    listed = [PlanNode(name, memory * MB, cores) for name, (cores, memory) in nodes.items()]
    zones: dict[str, list[PlanNode]] = {}
    for node in listed:
        zones.setdefault(f"z{ord(node.id) % 2}" if zoned else "", []).append(node)
    deployments = [
        PlanDeployment(f"d{index}", memory * MB, number, each) for index, (number, each, memory) in enumerate(wishes)
    ]
    planned = plan_all(zones, deployments, [])
    for node in listed:
        mine = [(each, planned.placement[each.id].get(node.id, 0)) for each in deployments]
        assert sum(number * each.threads for each, number in mine) + planned.cores[node.id] == node.cores
        assert sum(each.memory for each, number in mine if number) + planned.memory[node.id] == node.memory
        assert planned.cores[node.id] >= 0
        assert planned.memory[node.id] >= 0
    for each in deployments:
        assert sum(planned.placement[each.id].values()) <= each.allocations


@given(cores=st.integers(1, 16), number=st.integers(1, 40), each=threads)
def test_one_deployment_gets_what_there_is(cores: int, number: int, each: int) -> None:
    """Equal nodes, ample memory: everything is used before anything is missing."""
    nodes = [PlanNode(name, Node("n").available(), cores) for name in "abc"]
    planned = plan_all({"": nodes}, [PlanDeployment("d", MB, number, each)], [])
    assert sum(planned.placement["d"].values()) == min(number, 3 * (cores // each))
