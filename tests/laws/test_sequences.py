# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws over sequences of tasks, with a cluster that changes between them."""

from __future__ import annotations

import typing as t

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from laws.pairs import DESIRED_STATES, deployment_id, named
from laws.truth import reached, same_as_there, there, unforeseen
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]


class Sequences(RuleBasedStateMachine):
    """Tasks, adaptive allocations and failing nodes take turns; check mode predicts each run."""

    emulator: Emulator

    @initialize(version=st.sampled_from(["8.9.2", "8.16.0", "9.5.3"]))
    def begin(self, version: str) -> None:
        self.emulator = Emulator(version)

    @rule(desired=st.sampled_from(sorted(DESIRED_STATES)))
    def run_a_task(self, desired: str) -> None:
        options = named(self.emulator, desired)
        self.emulator.forget()
        predicted = self.emulator.run(check_mode=True, **options)
        assert self.emulator.journal() == []
        happened = self.emulator.run(**options)
        if predicted.get("failed"):
            assert predicted["msg"] == happened["msg"]
        elif happened.get("failed"):
            assert unforeseen(happened), happened["msg"]
        else:
            assert predicted["diff"] == happened["diff"]
            assert predicted["api_calls"] == happened["api_calls"]
            assert reached(self.emulator, options, happened)
            assert same_as_there(self.emulator, happened) == []

    @precondition(lambda self: there(self.emulator) is not None)
    @rule(number=st.integers(0, 6))
    def adaptive_allocations_change_the_number(self, number: int) -> None:
        stored = (there(self.emulator) or {}).get("adaptive_allocations") or {}
        if stored.get("enabled"):
            self.emulator.effect("set_number", deployment_id=deployment_id(self.emulator), number_of_allocations=number)

    @precondition(lambda self: there(self.emulator) is not None and (there(self.emulator) or {})["routing_table"])
    @rule()
    def a_route_fails(self) -> None:
        self.emulator.effect("fail_route", deployment_id=deployment_id(self.emulator), reason="planted")

    @rule(method=st.sampled_from(["PUT", "DELETE"]))
    def an_alias_comes_or_goes(self, method: str) -> None:
        """Add or remove a consumer: the alias uses the deployment."""
        self.emulator.api(method, "/_ml/trained_models/m/model_aliases/alias")

    @rule()
    def nodes_catch_up(self) -> None:
        self.emulator.settle()

    @invariant()
    def reading_agrees(self) -> None:
        """Require that the info module reports the numbers of the cluster."""
        if not hasattr(self, "emulator"):
            return
        items = {item["deployment_id"]: item for item in self.emulator.info()["deployments"]}
        numbers = {name: item["number_of_allocations"] for name, item in items.items()}
        assert numbers == {
            name: assignment["task_parameters"]["number_of_allocations"]
            for name, assignment in self.emulator.deployments().items()
        }


Sequences.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestSequences = Sequences.TestCase
