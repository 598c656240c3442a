# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happens: no node carries more than it has, and numbers that belong together agree."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from emulator.state.assignment import FAILED, STARTED, STARTING, STOPPING
from emulator.state.nodes import Node
from emulator.state.planner import PlanDeployment, PlanNode
from emulator.state.zones import plan_all
from emulator_tests.api import Api

MB = 1 << 20
MODELS = {"small": 100 * MB, "large": 2000 * MB}
IDS = ("a", "b", "c")
ZONES = (None, "z1", "z2")

numbers = st.integers(1, 12)
threads = st.sampled_from((1, 2, 4))


class Cluster(RuleBasedStateMachine):
    """Section 5.4. Clients, scaler and nodes act in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.api = Api(nodes={"n1": 4, "n2": 8}, models=tuple(MODELS.items()))

    @rule(name=st.sampled_from(IDS), model=st.sampled_from(sorted(MODELS)), number=numbers, each=threads)
    def start(self, name: str, model: str, number: int, each: int) -> None:
        self.api.start(model, deployment_id=name, number_of_allocations=number, threads_per_allocation=each)

    @rule(name=st.sampled_from(IDS), model=st.sampled_from(sorted(MODELS)))
    def start_low(self, name: str, model: str) -> None:
        self.api.start(model, deployment_id=name, priority="low")

    @rule(name=st.sampled_from(IDS), number=numbers)
    def update(self, name: str, number: int) -> None:
        self.api.update(name, number_of_allocations=number)

    @rule(name=st.sampled_from(IDS), enabled=st.booleans(), least=st.integers(0, 3))
    def adapt(self, name: str, enabled: bool, least: int) -> None:
        self.api.update(name, adaptive_allocations={"enabled": enabled, "min_number_of_allocations": least})

    @precondition(lambda self: self.api.double.cluster.assignments)
    @rule(data=st.data(), number=st.integers(0, 12))
    def scale(self, data: st.DataObject, number: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.api.double.cluster.assignments)))
        self.api.effect("set_number", deployment_id=name, number_of_allocations=number)

    @precondition(lambda self: self.api.double.cluster.assignments)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.api.double.cluster.assignments)))
        self.api.effect("stop_deployment", deployment_id=name)

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

    @rule()
    def fail(self) -> None:
        self.api.effect("fail_next_load", reason="boom")

    @rule(steps=st.integers(1, 3))
    def tick(self, steps: int) -> None:
        self.api.tick(steps)

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

    @invariant()
    def routes_are_on_nodes_that_are_there(self) -> None:
        cluster = self.api.double.cluster
        for each in cluster.assignments.values():
            assert set(each.routes) <= set(cluster.nodes)

    @invariant()
    def states_follow_from_routes(self) -> None:
        for each in self.api.double.cluster.assignments.values():
            states = {route.state for route in each.routes.values()}
            assert each.state == each.calculated_state()
            assert states <= {STARTING, STARTED, FAILED} or each.state == STOPPING
            assert each.max_assigned >= each.total_current

    @invariant()
    def counts_agree_everywhere(self) -> None:
        for name, each in self.api.double.cluster.assignments.items():
            stats = self.api.deployment_stats(name)
            shown = self.api.assignment(name)
            assert stats["number_of_allocations"] == shown["task_parameters"]["number_of_allocations"]
            assert stats["state"] in (shown["assignment_state"], FAILED)
            running = sum(node.get("number_of_allocations", 0) for node in stats["nodes"])
            if each.state != STOPPING:
                assert stats["allocation_status"]["allocation_count"] == running

    @invariant()
    def settled_nodes_have_what_they_should(self) -> None:
        if self.api.double.cluster.held or any(
            route.state == STARTING or each.state == STOPPING
            for each in self.api.double.cluster.assignments.values()
            for route in each.routes.values()
        ):
            return
        self.api.settle()
        for each in self.api.double.cluster.assignments.values():
            assert all(route.current == route.target for route in each.routes.values() if route.state == STARTED)


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


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
