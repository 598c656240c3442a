# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the consumers of a deployment: what answers say, what follows from it, and how it is read."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._consumers import records as references
from ansible_collections.mlops.elasticsearch.plugins.module_utils._consumers.records import Consumers, UsedBy
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.warning import WarningText
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan import consumers as rules
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.plan import Plan
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.desired import Desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.step import Step
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.endpoint import Endpoint
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
NEW = Server("9.5.3", "default", "c")
BEFORE = WarningText("before")
STOP = Step("stop", "d", {"finish_pending_work": True})


def deployment(name: str = "d", **settings: t.Any) -> Deployment:
    return Deployment(**{"deployment_id": name, "model_id": "m", "number_of_allocations": 2, **settings})


def inference(name: str) -> Json:
    return {"inference": {"model_id": name}}


# --- what answers say ---

PIPELINES: list[tuple[Json, dict[str, set[str]]]] = [
    ({}, {}),
    ({"p": {}}, {"p": set()}),
    ({"p": {"processors": [inference("a"), {"set": {"field": "f"}}, inference("b")]}}, {"p": {"a", "b"}}),
    ({"p": {"processors": [], "on_failure": [inference("a")]}}, {"p": {"a"}}),
    ({"p": {"processors": [{"set": {"on_failure": [inference("a")]}}]}}, {"p": {"a"}}),
    ({"p": {"processors": [{"foreach": {"processor": {"foreach": {"processor": inference("a")}}}}]}}, {"p": {"a"}}),
    # What only looks like a processor, and a processor of a plain text.
    ({"p": {"processors": [{"set": {"value": inference("a")}}, {"script": "inference"}, "no"]}}, {"p": set()}),
    # By way of others, in a circle, to one that is not there, and by a name that only a document tells.
    (
        {
            "p": {"processors": [{"pipeline": {"name": "q"}}, {"pipeline": {"name": "{{a}}"}}, {"pipeline": {}}]},
            "q": {"on_failure": [inference("a"), {"pipeline": {"name": "p"}}, {"pipeline": {"name": "gone"}}]},
            "r": {"processors": [inference("b")]},
        },
        {"p": {"a"}, "q": {"a"}, "r": {"b"}},
    ),
]


@pytest.mark.parametrize(("answer", "named"), PIPELINES)
def test_pipelines_name_models_wherever_they_do(answer: Json, named: dict[str, set[str]]) -> None:
    assert references.pipelines(answer) == {name: frozenset(each) for name, each in named.items()}


def test_aliases_are_those_of_models_that_have_some() -> None:
    models: list[Json] = [{"model_id": "m", "metadata": {"model_aliases": ["b", "a"]}}, {"model_id": "n"}]
    assert references.aliases(models) == {"m": ("a", "b")}


def test_what_may_not_be_read_is_null_in_a_result() -> None:
    assert UsedBy(("e",), None).as_result() == {
        "inference_endpoints": ["e"],
        "ingest_pipelines": None,
        "model_aliases": [],
        "semantic_text_indices": [],
    }


# --- what follows from it ---

FOUND = Consumers(
    (Endpoint("e", "rerank", service_settings={"deployment_id": "d"}), Endpoint("other", "rerank")),
    {
        "by-id": frozenset({"d"}),
        "by-model": frozenset({"m"}),
        "by-alias": frozenset({"a"}),
        "by-endpoint": frozenset({"e"}),
    },
    {"m": ("a",), "other": ("b",)},
    {"i": frozenset({"e"}), "j": frozenset({"d", "m", "other"})},
)


def test_consumers_of_a_deployment() -> None:
    everybody = ("by-alias", "by-endpoint", "by-id", "by-model")
    assert rules.used_by(deployment(), FOUND) == (("e",), everybody, ("a",), ("i",))
    assert rules.used_by(deployment(), FOUND, other_has_model_id=True) == (
        ("e",),
        ("by-endpoint", "by-id"),
        (),
        ("i",),
    )
    assert rules.used_by(deployment("m"), FOUND) == ((), ("by-alias", "by-model"), ("a",), ())
    assert rules.used_by(deployment(), Consumers(None, None, None, None)) == (None, None, None, None)


def test_when_a_namesake_matters() -> None:
    assert rules.names_the_model(deployment(), FOUND)
    assert rules.names_the_model(deployment(), Consumers((), {"p": frozenset({"m"})}, {}))
    assert not rules.names_the_model(deployment(), Consumers((), {"p": frozenset({"d"})}, None))
    assert not rules.names_the_model(deployment(), Consumers(None, None, None))
    assert not rules.names_the_model(deployment("m"), FOUND)


def protected(users: UsedBy, server: Server = NEW, *, after: str = "m", **desired: t.Any) -> Plan:
    start = Step("start", "d", {"model_id": after})
    plan = Plan(deployment(), deployment(model_id=after), "restart", (STOP, start), (BEFORE,))
    return rules.allow_stop(Desired("d", **desired), plan, users, server)


def test_a_deployment_without_consumers_is_stopped_as_planned() -> None:
    for on_referenced in ("fail", "force"):
        plan = protected(UsedBy(), on_referenced=on_referenced)
        assert (plan.steps[0], plan.warnings) == (STOP, (BEFORE,))


def test_a_deployment_with_consumers_is_not_stopped_and_all_are_named() -> None:
    with pytest.raises(Refusal) as refused:
        protected(UsedBy(("e",), ("p", "q"), ("a",), ("i", "j")))
    assert str(refused.value) == (
        "Deployment 'd' is used by inference endpoint 'e', ingest pipelines 'p', 'q', model alias 'a' and "
        "semantic_text indices 'i', 'j', and the task would stop it. "
        "Take it out of use first, or set on_referenced to force."
    )


def test_a_refusal_names_what_could_not_be_read() -> None:
    with pytest.raises(Refusal) as refused:
        protected(UsedBy(("e",), None, (), None))
    assert refused.value.hint == (
        "Take it out of use first, or set on_referenced to force. "
        "The user may not read ingest pipelines (that needs the cluster privilege read_pipeline). "
        "The user may not read semantic_text indices "
        "(that needs the index privilege view_index_metadata on all indices)."
    )


def test_force_is_for_the_stop_alone_and_is_warned_of() -> None:
    plan = protected(UsedBy(("e",)), on_referenced="force")
    assert plan.steps[0].settings == {"finish_pending_work": True, "force": True}
    assert plan.steps[1].settings == {"model_id": "m"}
    assert plan.warnings == (BEFORE,)
    assert plan.consumer_warnings == (
        "Deployment 'd' is stopped by force although it is used by inference endpoint 'e'.",
    )


def test_another_model_is_warned_of() -> None:
    warnings = protected(UsedBy((), (), ("a",)), after="n", on_referenced="force").consumer_warnings
    assert warnings[-1] == "Consumers that name model 'm' cannot use deployment 'd' while it runs 'n'."
    assert protected(UsedBy(), after="n", on_referenced="force").consumer_warnings == ()


def test_force_where_it_may_be_needed() -> None:
    plan = protected(UsedBy(None, None, (), None), on_referenced="force")
    assert plan.steps[0].settings["force"] is True
    assert [warning.partition(" (")[0] for warning in plan.consumer_warnings] == [
        "The user may not read inference endpoints",
        "The user may not read ingest pipelines",
    ]


GUARDING = [
    (UsedBy(None), "8.18.8", False),
    (UsedBy(None), "8.19.0", True),
    (UsedBy(None, (), (), None), "9.5.3", True),
    (UsedBy(None), "9.0.4", False),
    (UsedBy(None), "9.1.0", True),
    (UsedBy((), None), "8.0.0", True),
    (UsedBy((), (), None), "9.5.3", False),
]


@pytest.mark.parametrize(("users", "version", "guarded"), GUARDING)
def test_what_no_one_may_read_is_left_to_servers_that_look(users: UsedBy, version: str, guarded: bool) -> None:
    server = Server(version, "default", "c")
    if guarded:
        plan = protected(users, server)
        assert plan.steps[0] == STOP
        assert "The task sends the stop without force" in plan.consumer_warnings[0]
        return
    with pytest.raises(Refusal) as refused:
        protected(users, server)
    assert refused.value.code == "consumers_unreadable"
    assert refused.value.reason.endswith(f"Elasticsearch {version} would stop it without checking them")
    assert "set on_referenced to force" in refused.value.hint


def test_serverless_looks_itself() -> None:
    assert protected(UsedBy(None), Server("8.11.0", "serverless", "c")).steps[0] == STOP


# --- how it is read ---


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        made.effect("start_deployment", model_id="m", deployment_id="d")
        made.settle()
        yield made


PATHS = {
    "inference_endpoints": "/_inference/_all",
    "ingest_pipelines": "/_ingest/pipeline",
    "model_aliases": "/_ml/trained_models",
}


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("status", [404, 405, 410])
def test_what_a_proxy_hides_may_not_be_read(emulator: Emulator, kind: str, status: int) -> None:
    hidden = {"type": "answer", "status": status, "headers": {}, "body": {"message": "no"}, "product": False}
    emulator.control("POST", "/faults", {"path": PATHS[kind], "times": -1, "when": "before", "do": hidden})
    users = emulator.run(deployment_id="d", state="stopped", on_referenced="force")["used_by"]
    unknown = [kind, "semantic_text_indices"] if kind == "inference_endpoints" else [kind]
    assert [each for each, found in users.items() if found is None] == unknown


@pytest.mark.parametrize("path", PATHS.values())
def test_what_cannot_be_read_now_stops_nothing(emulator: Emulator, path: str) -> None:
    broken = {"type": "bad_gateway", "by": "nginx"}
    emulator.control("POST", "/faults", {"path": path, "times": -1, "when": "before", "do": broken})
    result = emulator.run(deployment_id="d", state="stopped", on_referenced="force")
    assert result["msg"].startswith("Cannot read the ")
    assert result["error"]["status"] == 502
    assert (result["used_by"], emulator.journal()) == (None, [])


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "no handler found for uri [/_inference/_all] and method [GET]"),
        (405, "Incorrect HTTP method for uri [/_inference/_all] and method [GET], allowed: [POST]"),
    ],
)
def test_a_server_without_endpoints_has_none(status: int, said: str) -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d")
        text = {"error": said, "status": status}
        answer = {"type": "answer", "status": status, "headers": {"X-elastic-product": "Elasticsearch"}, "body": text}
        emulator.control("POST", "/faults", {"path": "/_inference/_all", "times": -1, "when": "before", "do": answer})
        result = emulator.run(deployment_id="d", state="stopped")
        assert (result["changed"], result["used_by"]["inference_endpoints"]) == (True, [])
        assert emulator.endpoints()["failure"] is None
