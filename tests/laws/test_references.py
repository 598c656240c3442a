# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws for a deployment with consumers: a task stops it with force or not at all, as check mode predicts."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.random_search import has_turn

Json = dict[str, t.Any]
NO_ONE: Json = {"inference_endpoints": [], "ingest_pipelines": [], "model_aliases": [], "semantic_text_indices": []}
BLIND, SOME_INDICES = "blind", "some indices"
ACCESS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "full": (("manage_ml", "monitor", "read_pipeline"), {"*": "view_index_metadata"}),
    SOME_INDICES: (("manage_ml", "monitor", "read_pipeline"), {"i*": "view_index_metadata"}),
    BLIND: (("manage_ml",), {"*": "view_index_metadata"}),
}
"""Cluster privileges, and patterns of indices to the privilege on them."""
VERSIONS = ("8.3.3", "8.9.2", "8.16.0", "8.18.8", "8.19.21", "9.0.1", "9.5.3")
ALIAS = "/_ml/trained_models/m/model_aliases/alias"


def _put(emulator: Emulator, path: str, body: Json | None = None) -> None:
    assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200, path


def _pipeline(emulator: Emulator, name: str, *processors: Json, **more: t.Any) -> None:
    _put(emulator, f"/_ingest/pipeline/{name}", {"processors": list(processors), **more})


def _inference(model_id: str) -> Json:
    return {"inference": {"model_id": model_id}}


def _started(emulator: Emulator, name: str) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id=name, number_of_allocations=2)
    emulator.settle()


def _endpoint(emulator: Emulator, name: str, **settings: t.Any) -> None:
    body = {"service": "elasticsearch", "service_settings": settings}
    _put(emulator, f"/_inference/sparse_embedding/{name}", body)


def _by_alias(emulator: Emulator) -> None:
    _started(emulator, "d")
    _put(emulator, ALIAS)
    _pipeline(emulator, "p", _inference("alias"))


def _through_pipelines(emulator: Emulator) -> None:
    """Use it in a loop in a failure handler of the third pipeline; the second and third call each other."""
    _started(emulator, "d")
    deep = {"foreach": {"field": "f", "processor": _inference("d")}}
    _pipeline(emulator, "p3", {"set": {"field": "a", "value": 1, "on_failure": [deep]}}, {"pipeline": {"name": "p2"}})
    _pipeline(emulator, "p2", {"pipeline": {"name": "p3"}})
    _pipeline(
        emulator, "p1", {"drop": {}}, on_failure=[{"pipeline": {"name": "p2"}}, {"pipeline": {"name": "{{any}}"}}]
    )
    _pipeline(emulator, "q", _inference("other"), {"set": {"field": "inference", "value": {"model_id": "d"}}})


def _beside_the_models_own(emulator: Emulator) -> None:
    """Use the deployment with the model's id: a consumer that names the model means that one."""
    _started(emulator, "d")
    _started(emulator, "m")
    _put(emulator, ALIAS)
    _pipeline(emulator, "p", _inference("alias"), _inference("m"))


def _owned(emulator: Emulator) -> None:
    _endpoint(emulator, "d", model_id="m", num_allocations=2, num_threads=1)
    emulator.settle()


def _attached(emulator: Emulator) -> None:
    _started(emulator, "d")
    _endpoint(emulator, "e", deployment_id="d")
    _pipeline(emulator, "p", _inference("e"))


def _index(emulator: Emulator, name: str, **field: t.Any) -> None:
    """Make a hidden index with a field in an object, beside names that only look like those of endpoints."""
    fields = {"o": {"properties": {"f": {"type": "semantic_text", **field}}}, "inference_id": {"type": "keyword"}}
    mappings = {"_meta": {"inference_id": "d", "properties": {"x": {"inference_id": "d"}}}, "properties": fields}
    _put(emulator, f"/{name}", {"settings": {"index.hidden": True}, "mappings": mappings})


def _indices_of_the_owner(emulator: Emulator) -> None:
    _owned(emulator)
    _index(emulator, "i1", inference_id="d")
    _index(emulator, "i2", inference_id="far", search_inference_id="d")
    _index(emulator, "of-others", inference_id="far")


def _indices_of_an_attached(emulator: Emulator) -> None:
    _attached(emulator)
    _index(emulator, "i", inference_id="e")


class Use(t.NamedTuple):
    """The function that makes consumers, the consumers, the version that first has them, and their deployment.

    ``hidden``: neither Elasticsearch nor a user who may not read consumers knows of them.
    """

    make: t.Callable[[Emulator], object]
    users: Json
    since: tuple[int, int] = (8, 8)
    name: str = "d"
    hidden: bool = False

    @property
    def used_by(self) -> Json:
        return {**NO_ONE, **self.users}


def _named_like_the_model(emulator: Emulator) -> None:
    _started(emulator, "m")
    _pipeline(emulator, "p", _inference("m"))


def _by_the_models_name(emulator: Emulator) -> None:
    _started(emulator, "d")
    _pipeline(emulator, "p", _inference("m"))


USES = {
    "no consumer": Use(lambda emulator: _started(emulator, "d"), {}),
    "pipelines": Use(_through_pipelines, {"ingest_pipelines": ["p1", "p2", "p3"]}),
    "its id is the model id": Use(_named_like_the_model, {"ingest_pipelines": ["p"]}, (8, 0), "m"),
    "by the model's name": Use(_by_the_models_name, {"ingest_pipelines": ["p"]}, hidden=True),
    "pipeline by alias": Use(_by_alias, {"ingest_pipelines": ["p"], "model_aliases": ["alias"]}),
    "consumers of the models own": Use(_beside_the_models_own, {}),
    "owner": Use(_owned, {"inference_endpoints": ["d"]}, (8, 16)),
    "attached": Use(_attached, {"inference_endpoints": ["e"], "ingest_pipelines": ["p"]}, (8, 16)),
    "indices of the owner": Use(
        _indices_of_the_owner, {"inference_endpoints": ["d"], "semantic_text_indices": ["i1", "i2"]}, (8, 16)
    ),
    "indices of an attached": Use(
        _indices_of_an_attached,
        {"inference_endpoints": ["e"], "ingest_pipelines": ["p"], "semantic_text_indices": ["i"]},
        (8, 16),
    ),
}
DESIRED_STATES: dict[str, Json] = {
    "stopped": {"state": "stopped"},
    "restarted": {"state": "restarted"},
    "replaced": {"threads_per_allocation": 2, "replace": "stop_start"},
    "another model": {"model_id": "other", "replace": "stop_start"},
}


def desired_states(version: str, use: str, access: str) -> dict[str, Json]:
    """Return the desired states that have their turn. The id of a model is for that model only."""
    name = USES[use].name
    turn = VERSIONS.index(version) + list(USES).index(use) + list(ACCESS).index(access)
    return {
        desired: options
        for number, (desired, options) in enumerate(DESIRED_STATES.items())
        if (name == "d" or options.get("model_id") is None) and has_turn(turn + number, share=2)
    }


CASES = [
    (version, name, access)
    for version in VERSIONS
    for name, use in USES.items()
    for access in ACCESS
    if tuple(map(int, version.split("."))) >= use.since
]


def _prepared(version: str, use: str, access: str) -> Emulator:
    emulator = Emulator(version)
    USES[use].make(emulator)
    emulator.forget()
    privileges, indices = ACCESS[access]
    emulator.allow(*privileges, indices=indices)
    return emulator


def _committed(emulator: Emulator, verb: str) -> list[Json]:
    return [entry for entry in emulator.journal() if entry["committed"] and entry["path"].endswith(verb)]


@pytest.mark.parametrize(("version", "use", "access"), CASES)
def test_a_deployment_in_use_is_not_stopped_without_force(version: str, use: str, access: str) -> None:
    name = USES[use].name
    for desired, options in desired_states(version, use, access).items():
        with _prepared(version, use, access) as checked, _prepared(version, use, access) as real:
            where = f"{version}, {use}, {access}, {desired}"
            before = real.deployments()[name]
            checked.read_only()
            predicted = checked.run(check_mode=True, deployment_id=name, **options)
            happened = real.run(deployment_id=name, **options)
            assert checked.journal() == [], where
            assert predicted["used_by"] == happened["used_by"] == _readable(USES[use].used_by, version, access), where
            assert predicted["warnings"] == happened["warnings"], where
            assert not any((entry["query"] or {}).get("force") for entry in real.journal()), where
            used = USES[use].used_by != NO_ONE
            if used and not (USES[use].hidden and access == BLIND):
                assert happened["failed"], where
                assert real.deployments()[name] == before, where
            elif access != BLIND:
                assert not happened.get("failed"), f"{where}: {happened.get('msg')}"
            if predicted.get("failed"):
                assert (predicted["msg"], real.journal()) == (happened["msg"], []), where
            elif happened.get("failed"):
                assert access == BLIND, where
                assert "409" in happened["msg"], where
                assert happened["changed"] is False, where


def _readable(used_by: Json, version: str, access: str) -> Json:
    since = tuple(map(int, version.split(".")))
    if access == SOME_INDICES and used_by["inference_endpoints"]:
        return {**used_by, "semantic_text_indices": None}
    if access != BLIND:
        return used_by
    endpoints: list[str] | None = None if since >= (8, 11) else []
    indices: list[str] | None = None if since >= (8, 15) else []
    return {**used_by, "inference_endpoints": endpoints, "ingest_pipelines": None, "semantic_text_indices": indices}


@pytest.mark.parametrize(("version", "use", "access"), CASES)
def test_force_stops_a_deployment_and_is_sent_only_if_it_is_in_use(version: str, use: str, access: str) -> None:
    name = USES[use].name
    for desired, options in desired_states(version, use, access).items():
        with _prepared(version, use, access) as checked, _prepared(version, use, access) as real:
            where = f"{version}, {use}, {access}, {desired}"
            forcing = {"deployment_id": name, "on_referenced": "force", **options}
            predicted, happened = checked.run(check_mode=True, **forcing), real.run(**forcing)
            assert not happened.get("failed"), f"{where}: {happened.get('msg')}"
            keys = ("api_calls", "used_by", "warnings", "operation", "diff")
            assert {key: predicted[key] for key in keys} == {key: happened[key] for key in keys}, where
            [stop] = _committed(real, "_stop")
            needed = USES[use].used_by != NO_ONE or access == BLIND
            may_not_read = [each for each in happened["warnings"] if each.startswith("The user may not read semantic")]
            assert len(may_not_read) == (access == SOME_INDICES and bool(happened["used_by"]["inference_endpoints"]))
            assert (stop["query"].get("force") == "true") == needed, where
            assert bool(happened["warnings"]) == needed, where


@pytest.mark.parametrize("access", ACCESS)
def test_consumers_are_not_read_without_a_stop(access: str) -> None:
    with _prepared("9.5.3", "attached", access) as emulator:
        for options in ({}, {"number_of_allocations": 3}, {"model_id": "m", "number_of_allocations": 2}):
            result = emulator.run(deployment_id="d" if "model_id" not in options else "fresh", **options)
            assert not result.get("failed"), result.get("msg")
            assert result["used_by"] is None
        paths = [each["path"] for each in emulator.control("GET", "/requests")]
        assert not any(path.startswith(("/_ingest", "/_mapping")) for path in paths)


@pytest.mark.parametrize(
    ("version", "use", "reads"),
    [
        ("9.5.3", "indices of the owner", 1),
        ("9.5.3", "pipeline by alias", 0),
        ("8.19.21", "indices of an attached", 1),
        ("8.16.0", "no consumer", 0),
        ("8.12.2", "no consumer", 0),
    ],
)
def test_mappings_are_read_only_if_an_endpoint_uses_the_deployment(version: str, use: str, reads: int) -> None:
    with _prepared(version, use, "full") as emulator:
        emulator.run(deployment_id="d", state="stopped")
        paths = [each["path"] for each in emulator.control("GET", "/requests")]
        assert paths.count("/_mapping") == reads


def test_before_there_are_such_fields_nothing_is_read_of_indices() -> None:
    with Emulator("8.14.3") as emulator:
        _endpoint(emulator, "d", model_id="m", num_allocations=1, num_threads=1)
        emulator.settle()
        _index(emulator, "i", inference_id="d")
        result = emulator.run(deployment_id="d", state="stopped")
        assert result["used_by"] == {**NO_ONE, "inference_endpoints": ["d"]}
        paths = [each["path"] for each in emulator.control("GET", "/requests")]
        assert "/_mapping" not in paths


def test_serverless_has_such_fields_whatever_its_version() -> None:
    with Emulator("9.5.3", flavor="serverless") as emulator:
        bounds = {"adaptive_allocations": {"enabled": True, "min_number_of_allocations": 1}}
        _endpoint(emulator, "d", model_id="m", num_threads=1, **bounds)
        emulator.settle()
        _index(emulator, "i", inference_id="d")
        result = emulator.run(deployment_id="d", state="stopped")
        assert result["used_by"]["semantic_text_indices"] == ["i"]


def test_a_refusal_names_the_privilege_that_was_missing() -> None:
    with _prepared("9.5.3", "indices of the owner", SOME_INDICES) as emulator:
        result = emulator.run(deployment_id="d", state="stopped")
        assert result["failure"] == {"code": "deployment_in_use"}
        said = "The user may not read semantic_text indices (that needs the index privilege view_index_metadata on all"
        assert said in result["msg"]


@pytest.mark.parametrize("do", [{"type": "answer", "status": 405, "headers": {}, "body": {}, "product": False}])
def test_a_proxy_that_hides_the_question_about_privileges_hides_no_index(do: Json) -> None:
    with _prepared("9.5.3", "indices of the owner", "full") as emulator:
        emulator.fault("security", do, times=-1)
        assert emulator.run(deployment_id="d", state="stopped")["used_by"]["semantic_text_indices"] == ["i1", "i2"]


def test_a_list_reads_all_consumers_once() -> None:
    with _prepared("9.5.3", "attached", "full") as emulator:
        emulator.login = {}
        emulator.control("POST", "/privileges", {"privileges": None})
        for name in ("a", "b", "c"):
            _started(emulator, name)
        _pipeline(emulator, "of-b", _inference("b"))
        emulator.forget()
        items = [{"deployment_id": name, "state": "stopped"} for name in ("a", "b", "c", "d")]
        items[3]["on_referenced"] = "force"
        result = emulator.run_many(items)
        found = {item["deployment_id"]: item for item in result["deployments"]}
        assert [name for name, item in found.items() if item.get("failed")] == ["b"]
        assert found["b"]["failure"] == {"code": "deployment_in_use"}
        assert found["b"]["used_by"]["ingest_pipelines"] == ["of-b"]
        assert found["d"]["used_by"]["inference_endpoints"] == ["e"]
        assert sorted(emulator.deployments()) == ["b"]
        paths = [each["path"] for each in emulator.control("GET", "/requests") if each["method"] == "GET"]
        assert (paths.count("/_inference/_all"), paths.count("/_ingest/pipeline")) == (1, 1)
        assert (paths.count("/_ml/trained_models"), paths.count("/_mapping")) == (1, 1)


# --- deployments of endpoints ---

BOUNDS = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
CHANGES: dict[str, Json] = {
    "count": {"number_of_allocations": 3},
    "adaptive": {"adaptive_allocations": BOUNDS},
    "instead of adaptive allocations": {"number_of_allocations": 3, "on_adaptive": "override"},
}


def _owner(version: str, *, adaptive: bool = False) -> Emulator:
    emulator = Emulator(version)
    scaled: Json = {"adaptive_allocations": BOUNDS} if adaptive else {"num_allocations": 2}
    _endpoint(emulator, "d", model_id="m", num_threads=1, **scaled)
    emulator.settle()
    emulator.forget()
    return emulator


@pytest.mark.parametrize("version", ["8.16.0", "8.19.21", "9.5.3"])
def test_the_deployment_of_an_endpoint_is_changed_only_on_request(version: str) -> None:
    asked: list[Json] = [{"number_of_allocations": 3}, {"adaptive_allocations": BOUNDS}]
    for options in asked:
        with _owner(version) as emulator:
            predicted, happened = (emulator.run(mode, deployment_id="d", **options) for mode in (True, False))
            assert predicted["msg"] == happened["msg"]
            assert happened["failure"] == {"code": "owned_by_endpoint"}
            assert emulator.journal() == []
            assert not emulator.run(deployment_id="d", number_of_allocations=2).get("failed")


@pytest.mark.parametrize(("asked", "code"), [("fail", "request_rejected"), ("update_endpoint", "consumers_unreadable")])
def test_a_task_fails_if_it_may_not_read_the_owner(asked: str, code: str) -> None:
    with _owner("9.5.3") as emulator:
        emulator.allow("manage_ml")
        result = emulator.run(deployment_id="d", number_of_allocations=3, on_endpoint_owned=asked)
        assert result["failure"] == {"code": code}
        assert result["changed"] is False


def test_a_missing_privilege_to_update_endpoints_is_reported() -> None:
    with _owner("9.5.3") as emulator:
        emulator.allow("manage_ml", "monitor")
        result = emulator.run(deployment_id="d", number_of_allocations=3, on_endpoint_owned="update_endpoint")
        assert (
            "Cannot update an inference endpoint: user 'runner' lacks the cluster privilege manage_in" in result["msg"]
        )
        assert emulator.journal() == []


def test_an_update_of_an_endpoint_is_reported_without_a_wait() -> None:
    with _owner("9.5.3") as emulator:
        asked: Json = {"number_of_allocations": 3, "on_endpoint_owned": "update_endpoint", "wait": False}
        result = emulator.run(deployment_id="d", **asked)
        assert (result["changed"], result["deployment"]["number_of_allocations"]) == (True, 3)


def test_an_attached_endpoint_does_not_own() -> None:
    with _prepared("9.5.3", "attached", "full") as emulator:
        for asked in ("fail", "update_endpoint"):
            count = 3 if asked == "fail" else 4
            result = emulator.run(deployment_id="d", number_of_allocations=count, on_endpoint_owned=asked)
            assert result["api_calls"][0]["path"].endswith("/d/deployment/_update")


# --- endpoints whose deployment is missing ---


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("version", ["8.16.0", "9.5.3"])
def test_a_missing_deployment_is_started_with_the_settings_of_its_endpoint(version: str, adaptive: bool) -> None:
    with _owner(version, adaptive=adaptive) as checked, _owner(version, adaptive=adaptive) as real:
        for each in (checked, real):
            each.effect("remove_deployment", deployment_id="d")
        predicted, happened = checked.run(check_mode=True, deployment_id="d"), real.run(deployment_id="d")
        assert not happened.get("failed"), happened.get("msg")
        assert (predicted["api_calls"], predicted["diff"]) == (happened["api_calls"], happened["diff"])
        deployment = happened["deployment"]
        assert (deployment["deployment_id"], deployment["model_id"]) == ("d", "m")
        if adaptive:
            assert deployment["adaptive_allocations"] == BOUNDS
        else:
            assert deployment["number_of_allocations"] == 2
        assert real.run(deployment_id="d")["changed"] is False


def test_options_of_the_task_override_the_settings_of_the_endpoint() -> None:
    named: list[Json] = [
        {"number_of_allocations": 1},
        {"initial_number_of_allocations": 1},
        {"threads_per_allocation": 2},
    ]
    for options in named:
        with _owner("9.5.3", adaptive=True) as emulator:
            emulator.effect("remove_deployment", deployment_id="d")
            result = emulator.run(deployment_id="d", **options)
            assert not result.get("failed"), result.get("msg")
            assert result["deployment"]["number_of_allocations"] == 1
            assert (result["deployment"]["adaptive_allocations"] is None) == ("threads_per_allocation" not in options)
            assert result["deployment"]["threads_per_allocation"] == options.get("threads_per_allocation", 1)


def test_an_id_of_no_endpoint_is_reported_as_a_missing_model() -> None:
    for privileges in (("manage_ml",), ("manage_ml", "monitor")):
        with Emulator("9.5.3") as emulator:
            emulator.allow(*privileges)
            assert "has no trained model 'd'" in emulator.run(deployment_id="d")["msg"]


# --- rollback and recovery ---


@pytest.mark.parametrize(("change", "adaptive"), [("count", False), ("instead of adaptive allocations", True)])
def test_an_endpoint_is_rolled_back_with_its_deployment(change: str, adaptive: bool) -> None:
    with _owner("9.5.3", adaptive=adaptive) as emulator:
        before = emulator.control("GET", "/state")["endpoints"]["d"]["service_settings"]
        emulator.effect("hold", deployment_id="d")
        asked: Json = {"on_endpoint_owned": "update_endpoint", "on_unsatisfied": "rollback", "wait_timeout": 6}
        result = emulator.run(deployment_id="d", **CHANGES[change], **asked)
        assert "It was rolled back" in result["msg"], result["msg"]
        after = emulator.control("GET", "/state")["endpoints"]["d"]["service_settings"]
        assert after.get("adaptive_allocations") == before.get("adaptive_allocations")
        assert adaptive or after["num_allocations"] == before["num_allocations"] == 2
        assert {entry["path"] for entry in emulator.journal()} == {"/_inference/sparse_embedding/d/_update"}


@pytest.mark.parametrize("stuck", [False, True])
def test_a_deployment_in_use_is_recovered_only_with_force(stuck: bool) -> None:
    """Test it also with a version that would stop it without force."""
    with _owner("8.18.8") as emulator:
        if stuck:
            emulator.effect("remove_deployment", deployment_id="d")
            emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=2)
            emulator.effect("hold", deployment_id="d")
        else:
            emulator.effect("fail_route", deployment_id="d", reason="planted")
        asked: Json = {"deployment_id": "d", "on_failed": "recover", "wait_timeout": 6}
        refused = emulator.run(**asked)
        assert "Deployment 'd' is used by inference endpoint 'd'" in refused["msg"]
        assert (refused["changed"], emulator.journal()) == (False, [])
        emulator.fault("stop", {"type": "effect", "effect": {"do": "release", "deployment_id": "d"}})
        recovered = emulator.run(**asked, on_referenced="force")
        assert not recovered.get("failed"), recovered.get("msg")
        assert recovered["operation"] == "recover"
        assert recovered["used_by"]["inference_endpoints"] == ["d"]
