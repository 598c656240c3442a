# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Define what clients, scaler, faults and nodes may do to the emulator, in any order: rules of a state machine."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from emulator.inprocess import ConnectionDropped
from emulator_tests import oracle
from emulator_tests.api import Answer, Api
from emulator_tests.oracle_facts import facts_of
from emulator_tests.schedule_counts import COUNTED

MB: Final = 1 << 20
ML: Final = "/_ml/trained_models"
MODELS: Final = {"small": 100 * MB, "large": 2000 * MB, "spare": 10 * MB}
IDS: Final = ("a", "b", "c")
ZONES: Final = (None, "z1", "z2")
VERSIONS: Final = (
    *("8.0.1", "8.2.3", "8.3.3", "8.4.3", "8.6.2", "8.8.2", "8.10.4", "8.13.4", "8.15.5"),
    *("8.16.1", "8.17.0", "8.19.14", "9.0.8", "9.1.10", "9.5.3"),
)

numbers = st.integers(1, 12)
threads = st.sampled_from((1, 2, 4))
names = st.sampled_from(IDS)
rounds = st.sampled_from((0, 1, 3))
model_ids = st.sampled_from(sorted(MODELS))


class Actions(RuleBasedStateMachine):
    """An emulator of any version; each rule is one thing that happens to it."""

    api: Api

    @initialize(version=st.sampled_from(VERSIONS), eager=st.booleans())
    def begin(self, version: str, eager: bool) -> None:
        nodes = {"n1": 4, "n2": 8}
        self.api = Api(version, nodes, "eager" if eager else "manual", models=tuple(MODELS.items()))
        self.version = self.api.emulator.cluster.version

    # --- helpers ---

    @property
    def deployments(self) -> list[str]:
        return sorted(self.api.emulator.cluster.assignments)

    def desired(self) -> dict[str, int]:
        """Return the number that each deployment should have."""
        found = self.api.emulator.cluster.assignments.items()
        return {name: each.params.number_of_allocations for name, each in found}

    def check_answer(self, answer: Answer | None, deployment_id: str) -> None:
        """Check that an answer with an assignment is what the oracle renders, or an error in its envelope."""
        if answer is None:
            return
        event(f"answered {answer.status}")
        COUNTED["answers compared"] += 1
        if answer.status == 200:
            key = "assignment" if self.version.assignment_names else "allocation"
            expected = {key: oracle.assignment(facts_of(self.api.emulator.cluster, deployment_id))}
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
            assert name not in self.api.emulator.cluster.assignments

    @rule(model=model_ids, force=st.booleans())
    def delete(self, model: str, force: bool) -> None:
        answer = self.send("DELETE", f"{ML}/{model}", None, force=str(force).lower())
        if answer is not None and answer.status == 200:
            assert answer.body == {"acknowledged": True}
            self.api.emulator.control("POST", "/models", {"model_id": model, "bytes": MODELS[model]})

    @rule(model=model_ids, reassign=st.booleans())
    def alias(self, model: str, reassign: bool) -> None:
        self.send("PUT", f"{ML}/{model}/model_aliases/nick", None, reassign=str(reassign).lower())

    @rule(pipeline=st.sampled_from(("p", "q")), name=st.sampled_from((*IDS, "nick", "small")), there=st.booleans())
    def refer(self, pipeline: str, name: str, there: bool) -> None:
        if there:
            self.api.effect("put_pipeline_reference", pipeline=pipeline, model_id=name)
        elif pipeline in self.api.emulator.cluster.pipelines:
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
        if node not in self.api.emulator.cluster.nodes:
            self.api.effect("add_node", node_id=node, processors=cores, memory=8000 * MB, zone=zone)

    @precondition(lambda self: len(self.api.emulator.cluster.nodes) > 1)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(sorted(self.api.emulator.cluster.nodes)))
        self.api.effect("remove_node", node_id=node)

    @rule(lazy=st.booleans())
    def allow_growth(self, lazy: bool) -> None:
        self.api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=99 if lazy else None)

    @precondition(lambda self: not any(each.times for each in self.api.emulator.cluster.load_failures))
    @rule()
    def fail_next(self) -> None:
        self.api.effect("fail_next_load", reason="boom")

    @precondition(lambda self: any(each.routes for each in self.api.emulator.cluster.assignments.values()))
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        found = [key for key, each in self.api.emulator.cluster.assignments.items() if each.routes]
        self.api.effect("fail_route", deployment_id=data.draw(st.sampled_from(found)), reason="boom")

    @rule(operation=st.sampled_from(("update", "start", "stop")), when=st.sampled_from(("before", "after")))
    def lose_the_next_answer(self, operation: str, when: str) -> None:
        self.api.emulator.control("DELETE", "/faults")
        self.api.fault(operation, {"type": "drop"}, when=when)

    @rule(steps=st.integers(1, 3))
    def tick(self, steps: int) -> None:
        self.api.tick(steps)

    @rule()
    def settle(self) -> None:
        self.api.settle()

    @precondition(lambda self: self.version.adaptive)
    @rule(name=names, model=model_ids, there=st.booleans())
    def endpoint(self, name: str, model: str, there: bool) -> None:
        path = f"/_inference/text_embedding/{name}"
        if there:
            settings = {"num_allocations": 1, "num_threads": 1, "model_id": model}
            self.send("PUT", path, {"service": "elasticsearch", "service_settings": settings})
        else:
            self.send("DELETE", path, None, force="true")

    @precondition(lambda self: self.api.emulator.cluster.endpoints and self.version.endpoint_update)
    @rule(data=st.data(), number=numbers)
    def update_endpoint(self, data: st.DataObject, number: int) -> None:
        self.api.settle()
        name = data.draw(st.sampled_from(sorted(self.api.emulator.cluster.endpoints)))
        body = {"service_settings": {"num_allocations": number}}
        answer = self.send("PUT", f"/_inference/text_embedding/{name}/_update", body)
        self.check_other("an endpoint's update", answer)
        if answer is not None and answer.status == 200 and name in self.deployments:
            assert answer.body["service_settings"]["num_allocations"] == self.desired()[name]

    # --- inference ---

    @precondition(lambda self: self.deployments and self.version.assignment_names)
    @rule(data=st.data(), count=st.integers(1, 4))
    def ask(self, data: st.DataObject, count: int) -> None:
        """Check that each answered document was counted once."""
        name = data.draw(st.sampled_from(self.deployments))
        before = self.answered(name)
        docs = [{"input": f"text {number}"} for number in range(count)]
        answer = self.send("POST", f"{ML}/{name}/_infer", {"docs": docs}, timeout="1s")
        self.check_other("inference", answer)
        if answer is not None and answer.status == 200:
            assert len(answer.body["inference_results"]) == count
            assert self.answered(name) == before + count

    def answered(self, name: str) -> int:
        """Return the inferences of a deployment, over its nodes."""
        return sum(each.inferences for key, each in self.api.emulator.cluster.usage.items() if key[0] == name)

    def check_other(self, what: str, answer: Answer | None) -> None:
        """Check that an answer is a success, or an error in its envelope."""
        if answer is None:
            return
        event(f"{what}: {answer.status}")
        if answer.status != 200:
            assert answer.body["status"] == answer.status
            assert list(answer.body["error"])[:3] == ["root_cause", "type", "reason"]

    # --- load, shutdown, zones, master ---

    @precondition(lambda self: self.deployments and self.version.adaptive)
    @rule(data=st.data(), rate=st.sampled_from((0, 1, 90, 900)), ticks=st.integers(1, 4))
    def load(self, data: st.DataObject, rate: int, ticks: int) -> None:
        name = data.draw(st.sampled_from(self.deployments))
        self.api.effect("set_load", deployment_id=name, requests_per_second=rate, inference_time_ms=20)
        self.api.effect("scaler_tick", ticks=ticks)

    @rule(data=st.data(), kind=st.sampled_from(("restart", "remove")))
    def shut_down(self, data: st.DataObject, kind: str) -> None:
        node = data.draw(st.sampled_from(sorted(self.api.emulator.cluster.nodes)))
        if node in self.api.emulator.cluster.shutdowns:
            self.api.effect("keep_node", node_id=node)
        else:
            self.api.effect("shut_down_node", node_id=node, type=kind)

    @rule(attribute=st.sampled_from(("zone", "", "nothing,zone")))
    def aware(self, attribute: str) -> None:
        self.api.effect("set_setting", name="cluster.routing.allocation.awareness.attributes", value=attribute)

    @precondition(lambda self: self.version.update)
    @rule(name=names, recovered=st.booleans())
    def write_without_master(self, name: str, recovered: bool) -> None:
        """Check that a write without a master is refused and changes no number; a new master plans routes again.

        Such a plan may drop what has no allocations (server-behaviour.md 4.7).
        """
        before = self.desired()
        self.api.effect("lose_master" if recovered else "lose_state")
        answer = self.send("POST", f"{ML}/{name}/deployment/_update?master_timeout=1ms", {"number_of_allocations": 2})
        assert answer is None or answer.status == 503
        self.api.effect("elect_master" if recovered else "recover_state")
        after = self.desired()
        assert after == {name: number for name, number in before.items() if number > 0 or name in after}
