# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that no node ever carries more than it has, that numbers agree, and that every answer is the oracle's.

``make compare`` plays 2000 schedules instead of a few.
"""

from __future__ import annotations

import json

from hypothesis import settings
from hypothesis.stateful import invariant

from emulator.state import planning
from emulator_tests import oracle
from emulator_tests.oracle_facts import facts_of, nameless
from emulator_tests.random_actions import MODELS, Actions
from emulator_tests.schedule_counts import COUNTED
from support.random_search import search


class Cluster(Actions):
    """Test server-behaviour.md 4, planner.md 1.1: clients, scaler, faults and nodes act in any order."""

    # --- what always holds ---

    @invariant()
    def no_node_is_over_its_processors(self) -> None:
        cluster = self.api.emulator.cluster
        for node in cluster.nodes.values():
            used = sum(
                each.routes[node.id].target * each.params.threads_per_allocation
                for each in cluster.assignments.values()
                if node.id in each.routes and each.params.priority == "normal"
            )
            assert used <= node.cores(), node

    @invariant()
    def no_node_is_over_its_memory(self) -> None:
        cluster = self.api.emulator.cluster
        for node in cluster.nodes.values():
            used = sum(
                planning.needed(cluster, each, each.routes[node.id].target)
                for each in cluster.assignments.values()
                if node.id in each.routes
            )
            assert used <= node.available(), node

    @invariant()
    def no_deployment_is_above_its_number(self) -> None:
        for each in self.api.emulator.cluster.assignments.values():
            # What drains on a node that shuts down comes on top, and what failed until the next plan:
            # server-behaviour.md 4.7.
            leaving = self.api.emulator.cluster.shutdowns
            staying = [route for node, route in each.routes.items() if node not in leaving]
            placed = sum(route.target for route in staying if route.state not in ("stopping", "failed"))
            assert placed <= max(0, each.params.number_of_allocations)
            assert set(each.routes) <= set(self.api.emulator.cluster.nodes)
            assert each.max_assigned >= each.total_current

    @invariant()
    def statistics_are_what_the_oracle_says(self) -> None:
        cluster = self.api.emulator.cluster
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
        cluster = self.api.emulator.cluster
        key = "trained_model_assignment" if self.version.assignment_names else "trained_model_allocation"
        answer = self.api.send("GET", "/_cluster/state/metadata", None, filter_path=f"metadata.{key}")
        expected = {name: oracle.assignment(facts_of(cluster, name)) for name in cluster.assignments}
        desired = {"metadata": {key: expected}} if cluster.ever_assigned else {}
        assert json.dumps(answer.body) == json.dumps(desired)
        COUNTED["answers compared"] += 1
        COUNTED["steps"] += 1

    def teardown(self) -> None:
        """Check that in the end every node has what it should."""
        if not hasattr(self, "api"):
            return
        COUNTED["schedules"] += 1
        self.api.settle()
        for each in self.api.emulator.cluster.assignments.values():
            assert all(route.current == route.target for route in each.routes.values() if route.state == "started")


TestCluster = Cluster.TestCase
TestCluster.settings = settings(search(fixed=40, full=2000), stateful_step_count=30)
