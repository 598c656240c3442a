# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test answers of another shape than Elasticsearch's: a message each, whatever they hold, and no secret in it."""

from __future__ import annotations

import copy
import json
import re
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from support.emulated_cluster import Answer, Emulator

Json = dict[str, t.Any]
Place = tuple[t.Any, ...]
SECRET = "ApiKey bXktY2FuYXJ5OnNlY3JldA=="
OTHERS: tuple[t.Any, ...] = (SECRET, [SECRET], {SECRET: SECRET}, [[[]]], {}, -1.5, 10**400, True, None)


class Meddler(Emulator):
    """A cluster one of whose answers says *other* at *place*."""

    def __init__(self, version: str, number: int = -1, place: Place = (), other: t.Any = None) -> None:
        super().__init__(version)
        self.answers: list[t.Any] = []
        self.wrote: list[bool] = []
        self._number, self._place, self._other = number, place, other

    def request(self, method: str, target: str, headers: t.Mapping[str, str], body: bytes | None) -> Answer:
        status, answered, content = super().request(method, target, headers, body)
        said = json.loads(content) if content else None
        if len(self.answers) == self._number:
            content = json.dumps(changed(said, self._place, self._other)).encode()
        self.answers.append(said)
        self.wrote.append(status == 200 and method != "GET")
        return status, answered, content


def places(value: t.Any, above: Place = ()) -> Iterator[Place]:
    """Yield each place in an answer; of a list its first item."""
    if above:
        yield above
    inside = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for name, item in inside:
        yield from places(item, (*above, name))


def changed(value: t.Any, place: Place, other: t.Any) -> t.Any:
    made = copy.deepcopy(value)
    inside = made
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] = other
    return made


def started(emulator: Emulator) -> Json:
    return emulator.run(model_id="m", number_of_allocations=2)


def scaled(emulator: Emulator) -> Json:
    emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=1)
    emulator.settle()
    return emulator.run(model_id="m", number_of_allocations=3, adaptive_allocations={"enabled": False})


def stopped(emulator: Emulator) -> Json:
    emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=1)
    emulator.settle()
    return emulator.run(deployment_id="m", state="stopped")


def listed(emulator: Emulator) -> Json:
    return emulator.run_many([{"model_id": "m"}, {"model_id": "other"}])


def read(emulator: Emulator) -> Json:
    emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=1)
    emulator.settle()
    return emulator.info()


TASKS = [(task, version) for version in ("8.0.1", "9.5.3") for task in (started, stopped, listed, read)]


@pytest.mark.no_cover  # hundreds of runs through what other tests cover
@pytest.mark.parametrize(
    ("task", "version"), [*TASKS, (scaled, "9.5.3")], ids=lambda each: getattr(each, "__name__", each)
)
def test_any_value_at_any_place_is_handled(task: t.Callable[[Emulator], Json], version: str) -> None:
    with Meddler(version) as plain:
        good = task(plain)
    assert not good.get("failed"), good
    turn = 0
    for number, answer in enumerate(plain.answers):
        for place in places(answer):
            turn += 1
            other = OTHERS[turn % len(OTHERS)]
            with Meddler(version, number, place, other) as meddler:
                result = task(meddler)
            where = (number, place, other, result.get("msg"))
            missing = {"ansible_facts"} if result.get("failed") else set()
            assert result.keys() - {"failed", "msg", "error"} == good.keys() - missing, where
            assert result["failure"] != {"code": "internal_error"}, where
            # A write that took effect is reported, whatever is made of its answer.
            assert result["changed"] or not any(meddler.wrote), where


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


def answering(body: t.Any, status: int = 200) -> Json:
    return {"type": "answer", "status": status, "body": body}


@pytest.mark.parametrize(
    ("operation", "body", "said"),
    [
        ("info", {"version": SECRET}, "read the version of the cluster: the answer of .*: version is not an object"),
        ("info", {"version": {"number": [SECRET]}}, "version.number is not text"),
        ("stats", {"count": SECRET}, "count is not a whole number"),
        ("stats", {"count": 10**30}, "count is not a whole number"),
        ("stats", {"trained_model_stats": [SECRET]}, r"trained_model_stats\[\] is not an object"),
        ("stats", {"trained_model_stats": {SECRET: 1}}, "trained_model_stats is not a list"),
        ("stats", {"trained_model_stats": [None]}, r"trained_model_stats\[\] is missing"),
        ("stats", {"trained_model_stats": [{"deployment_stats": {}}]}, r"trained_model_stats\[\].model_id is missing"),
        ("cluster_state", {"metadata": {"trained_model_assignment": {SECRET: 1}}}, r"assignment.\* is not an object"),
        ("model", {"trained_model_configs": [{"model_id": 1}]}, r"trained_model_configs\[\].model_id is not text"),
    ],
)
def test_the_sentence_of_an_answer_of_another_shape(emulator: Emulator, operation: str, body: Json, said: str) -> None:
    emulator.fault(operation, answering(body), times=-1)
    result = emulator.run(model_id="m")
    assert result["error"]["kind"] == "answer"
    assert re.search(f"is not in the format of Elasticsearch: .*{said}|{said}", result["msg"]), result["msg"]
    assert "please report it" in result["msg"]
    assert SECRET not in str(result)
    assert (result["changed"], emulator.journal()) == (False, [])


class Deep(Emulator):
    """Its statistics are nested: too deeply for a parser, or too deeply to be walked through."""

    text = b""
    status = 200

    def request(self, method: str, target: str, headers: t.Mapping[str, str], body: bytes | None) -> Answer:
        status, answered, content = super().request(method, target, headers, body)
        return (self.status, answered, self.text) if "_stats" in target else (status, answered, content)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "text",
    [
        b"[" * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
        b"[" * 900 + b"]" * 900,
        b'{"count":"x","error":{"type":"t","reason":' + b"[" * 900 + b"]" * 900 + b"}}",
        b'{"count":' + b"9" * 5000 + b"}",
    ],
    ids=range(5),
)
def test_an_answer_that_breaks_a_parser(text: bytes, status: int) -> None:
    with Deep("9.5.3") as emulator:
        emulator.text, emulator.status = text, status
        result = emulator.run(model_id="m")
    assert result["error"]["kind"] in ("answer", "server"), result
    assert "Cannot read deployment 'm': " in result["msg"]
    assert len(result["msg"]) < 2000


def test_pipelines_are_not_followed_for_ever(emulator: Emulator) -> None:
    deep: Json = {}
    for _each in range(200):
        deep = {"foreach": {"processor": deep}}
    emulator.run(model_id="m")
    reader = emulator.connected().consumers
    emulator.fault("any_read", answering({"p": {"processors": [deep]}}), times=-1)
    with pytest.raises(ApiError, match="an ingest pipeline is nested too deeply") as caught:
        reader.read_pipelines()
    assert caught.value.kind == "answer"


def test_an_endpoint_without_an_id(emulator: Emulator) -> None:
    answer = {"endpoints": [{"task_type": "sparse_embedding", "service": "elser"}]}
    api = emulator.connected()
    emulator.fault("any_read", answering(answer), times=-1)
    with pytest.raises(ApiError, match=r"endpoints\[\].inference_id is missing"):
        api.consumers.read_endpoints()


@pytest.mark.parametrize("settings", [{"allocated_processors_scale": "0"}, {"max_lazy_ml_nodes": "many"}])
def test_settings_that_are_no_numbers_tell_no_room(emulator: Emulator, settings: Json) -> None:
    emulator.fault("settings", answering({"transient": {"xpack": {"ml": settings}}}), times=-1)
    result = emulator.run(check_mode=True, model_id="m")
    assert (result["operation"], result["start_checks"]["capacity"]) == ("start", "not_read")


def test_a_count_that_is_never_reached_ends_with_the_rows() -> None:
    with Meddler("9.5.3") as emulator:
        emulator.fault("stats", answering({"count": 10**15, "trained_model_stats": []}), times=-1)
        assert list(emulator.connected().read()) == []
        assert len(emulator.answers) == 2  # the version, and one page


def test_a_version_of_many_digits_is_older_than_everything() -> None:
    assert Server("9" * 5000, "default", "").version_tuple == (0, 0, 0)


@pytest.mark.parametrize(
    "body", [{"assignment": "yes"}, {"assignment": {"task_parameters": [SECRET]}}, [SECRET], "no JSON"], ids=str
)
def test_a_write_whose_answer_is_not_understood_is_read_again(emulator: Emulator, body: t.Any) -> None:
    emulator.fault("start", answering(body), "after")
    result = emulator.run(model_id="m")
    assert not result.get("failed"), result["msg"]
    assert (result["changed"], result["operation"], len(result["api_calls"])) == (True, "start", 1)
    assert [entry["committed"] for entry in emulator.journal()] == [True]
    emulator.fault("update", answering(body), "after")
    result = emulator.run(model_id="m", number_of_allocations=2)
    assert (result["changed"], result["allocations"]["running"], len(emulator.journal())) == (True, 2, 2)
    emulator.fault("stop", answering(body), "after")
    assert emulator.run(deployment_id="m", state="stopped")["changed"]
    assert emulator.deployments() == {}


def test_an_answer_not_understood_before_a_write_is_no_success(emulator: Emulator) -> None:
    emulator.fault("start", answering({"assignment": SECRET}), times=-1)
    result = emulator.run(model_id="m")
    assert (result["failed"], result["changed"], result["error"]["kind"]) == (True, False, "answer")
    assert SECRET not in str(result)


@pytest.mark.parametrize("status", [400, 404, 409])
@pytest.mark.parametrize("page", ["<html>Not here</html>", {"message": "no Route matched"}], ids=str)
def test_a_gateways_page_after_a_write_is_not_another_clients_doing(
    emulator: Emulator, status: int, page: t.Any
) -> None:
    stranger = {"type": "answer", "status": status, "body": page, "product": False}
    emulator.fault("start", stranger, "after")
    result = emulator.run(model_id="m")
    assert not result.get("failed"), result["msg"]
    assert (result["changed"], result["operation"], len(result["api_calls"])) == (True, "start", 1)
    emulator.fault("stop", stranger, "after")
    result = emulator.run(deployment_id="m", state="stopped")
    assert (result["changed"], result["operation"], len(result["api_calls"])) == (True, "stop", 1)
