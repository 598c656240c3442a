# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws on pairs of situations and desired states of an inference endpoint.

Each pair runs three times: in check mode on an emulator that refuses every write, for real, and for real once more.
"""

from __future__ import annotations

import contextlib
import json
import typing as t
from pathlib import Path

import pytest

from laws.truth import adaptive
from support.emulated_cluster import Answer, Emulator
from support.endpoints import BOUNDS, KEY, NEW_KEY, ONE, OPENAI, OWN, attached, openai, put, there
from support.random_search import has_turn
from support.scenario_helpers import Forward, between

Json = dict[str, t.Any]
VERSIONS = {
    "8.13.4": "default",
    "8.16.0": "default",
    "8.17.0": "default",
    "8.19.21": "default",
    "9.1.10": "default",
    "9.2.1": "default",
    "9.5.3": "default",
    "9.5.2": "serverless",
}
ACCESS: dict[str, tuple[str, ...]] = {
    "full": ("manage_ml", "manage_inference", "monitor", "read_pipeline"),
    "endpoints": ("manage_inference", "monitor_ml"),
    "reader": ("monitor_inference", "monitor_ml"),
    "hidden": ("manage_inference",),
}
PREDICTED = (
    *("changed", "operation", "skipped_because", "diff", "before", "after", "api_calls", "server", "failure"),
    *("differences", "used_by"),
)

# --- situations ---


def _adaptive(emulator: Emulator) -> None:
    put(emulator, num_allocations=None, adaptive_allocations=BOUNDS)


def _lost(emulator: Emulator) -> None:
    put(emulator, num_allocations=2)
    emulator.effect("remove_deployment", deployment_id="e")


def _attached_to_nothing(emulator: Emulator) -> None:
    attached(emulator)
    emulator.effect("remove_deployment", deployment_id="d")


def _used(emulator: Emulator) -> None:
    put(emulator)
    pipeline = {"processors": [{"inference": {"model_id": "e"}}]}
    emulator.send({"method": "PUT", "path": "/_ingest/pipeline/p", "query": {}, "body": pipeline})
    emulator.effect("put_semantic_text_reference", index="i", inference_id="e")


def _shared(emulator: Emulator) -> None:
    put(emulator)
    attached(emulator, "other", "e")


def _taken(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="e", number_of_allocations=1)
    emulator.settle()


def _setting(name: str, value: t.Any) -> t.Callable[[Emulator], None]:
    def make(emulator: Emulator) -> None:
        put(emulator)
        emulator.effect("set_setting", name=name, value=value)

    return make


class Situation(t.NamedTuple):
    make: t.Callable[[Emulator], object]
    since: tuple[int, int] = (8, 13)
    serverless: bool = True


SITUATIONS: dict[str, Situation] = {
    "nothing": Situation(lambda emulator: None),
    "fixed": Situation(put),
    "two": Situation(lambda emulator: put(emulator, num_allocations=2)),
    "adaptive": Situation(_adaptive, (8, 16)),
    "off": Situation(lambda emulator: put(emulator, adaptive_allocations={**BOUNDS, "enabled": False}), (8, 16)),
    "lost": Situation(_lost),
    "attached": Situation(attached, (8, 16)),
    "attached to nothing": Situation(_attached_to_nothing, (8, 16)),
    "used": Situation(_used, (8, 15)),
    "shared": Situation(_shared, (8, 16)),
    "the id is taken": Situation(_taken, serverless=False),
    "openai": Situation(openai, (8, 15)),
    "upgrade mode": Situation(_setting("upgrade_mode", True), serverless=False),
}
DESIRED: dict[str, Json] = {
    "nothing more": {"inference_id": "e"},
    "one": {**OWN, "service_settings": {**ONE, "num_allocations": "1"}},
    "two": {**OWN, "service_settings": {**ONE, "num_allocations": 2}},
    "two, overriding": {**OWN, "service_settings": {**ONE, "num_allocations": 2}, "on_adaptive": "override"},
    "two, skipping": {**OWN, "service_settings": {**ONE, "num_allocations": 2}, "on_adaptive": "skip"},
    "adaptive": {**OWN, "service_settings": {"model_id": "m", "num_threads": 1, "adaptive_allocations": BOUNDS}},
    "a bound": {"inference_id": "e", "service_settings": {"adaptive_allocations": {"max_number_of_allocations": 6}}},
    "off": {**OWN, "service_settings": {**ONE, "num_allocations": 2, "adaptive_allocations": {"enabled": False}}},
    "threads": {**OWN, "service_settings": {**ONE, "num_threads": 2}},
    "threads, replacing": {**OWN, "service_settings": {**ONE, "num_threads": 2}, "replace": "recreate"},
    "threads, by force": {
        **OWN,
        "service_settings": {**ONE, "num_threads": 2},
        "replace": "recreate",
        "on_referenced": "force",
    },
    "attached": {**OWN, "service_settings": {"deployment_id": "d"}},
    "a missing model": {**OWN, "service_settings": {**ONE, "model_id": "missing"}, "replace": "recreate"},
    "openai": {**OPENAI, "service_settings": {"model_id": "gpt", "unknown": {"deep": 1}}, "secrets": {"api_key": KEY}},
    "another openai": {**OPENAI, "service_settings": {"rate_limit": {"requests_per_minute": "600"}}},
    "openai, replacing": {
        **OPENAI,
        "service_settings": {"model_id": "gpt-5"},
        "secrets": {"api_key": NEW_KEY},
        "replace": "recreate",
    },
    "openai without its key": {**OPENAI, "service_settings": {"model_id": "gpt-5"}, "replace": "recreate"},
    "a new key": {
        **OPENAI,
        "service_settings": {"model_id": "gpt"},
        "secrets": {"api_key": NEW_KEY},
        "secrets_version": "2",
        "secrets_state_file": "{folder}/versions.json",
    },
    "none": {"inference_id": "e", "state": "absent"},
    "none, by force": {"inference_id": "e", "state": "absent", "force": True},
}


def prepared(version: str, situation: str, access: str = "full") -> Emulator:
    """Return a new cluster in a *situation*, with an empty journal."""
    emulator = Emulator(version, flavor=VERSIONS.get(version, "default"))
    SITUATIONS[situation].make(emulator)
    emulator.forget()
    indices = {"*": "view_index_metadata"} if access == "full" else None
    emulator.allow(*_known(emulator, ACCESS[access]), indices=indices)
    return emulator


def _known(emulator: Emulator, privileges: t.Iterable[str]) -> list[str]:
    """Return the privileges that this version has; before 8.14 others allow what they do."""
    if emulator.has(8, 14):
        return list(privileges)
    older = {"manage_inference": "manage", "monitor_inference": "monitor"}
    return sorted({older.get(name, name) for name in privileges})


def options(desired: str, folder: Path) -> Json:
    given = json.dumps(DESIRED[desired]).replace("{folder}", str(folder))
    return t.cast(Json, json.loads(given))


# --- truth ---


def is_true(emulator: Emulator, result: Json, where: str) -> None:
    """Require that the result shows the endpoint as it is, and the writes that took effect."""
    stored, shown = there(emulator), result["endpoint"]
    assert (stored is None) == (shown is None), where
    if stored is not None and shown is not None:
        assert (stored["task_type"], stored["service"]) == (shown["task_type"], shown["service"]), where
        _same_deployment(emulator, stored, shown, where)
    committed = [entry for entry in emulator.journal() if entry["status"] == 200]
    sent = [(entry["method"], entry["path"], entry["query"]) for entry in committed]
    assert [(call["method"], call["path"], call["query"]) for call in result["api_calls"]] == sent, where
    assert result["changed"] == bool(committed), where


def _same_deployment(emulator: Emulator, stored: Json, shown: Json, where: str) -> None:
    name = stored["service_settings"].get("deployment_id", "e")
    assignment, reported = emulator.deployments().get(name), shown["deployment"]
    if stored["service"] != "elasticsearch" or assignment is None:
        assert reported is None, where
        return
    assert reported is not None, where
    task = assignment["task_parameters"]
    assert reported["number_of_allocations"] == task["number_of_allocations"], where
    assert reported["threads_per_allocation"] == task["threads_per_allocation"], where
    assert (reported["adaptive_allocations"] or {"enabled": False})["enabled"] == adaptive(assignment)["enabled"], where


def is_reached(emulator: Emulator, desired: Json, result: Json, where: str) -> None:
    """Require that what the task names is there."""
    stored = there(emulator)
    if desired.get("state") == "absent":
        assert stored is None, where
        assert "e" not in emulator.deployments() or not result["changed"], where
        return
    assert stored is not None, where
    given = desired.get("service_settings", {})
    if stored["service"] != "elasticsearch":
        assert given.get("model_id") in (None, stored["service_settings"].get("model_id")), where
        if "rate_limit" in given:
            assert stored["service_settings"]["rate_limit"]["requests_per_minute"] in (600, "600"), where
        return
    assignment = emulator.deployments()[stored["service_settings"].get("deployment_id", "e")]
    task = assignment["task_parameters"]
    assert task["threads_per_allocation"] == given.get("num_threads", task["threads_per_allocation"]), where
    for name, value in given.get("adaptive_allocations", {}).items():
        assert adaptive(assignment)[name] == value, where
    if "num_allocations" in given and not result["skipped_because"]:
        assert adaptive(assignment)["enabled"] is False, where
        assert task["number_of_allocations"] == int(given["num_allocations"]), where


def second_run(emulator: Emulator, desired: Json, where: str) -> None:
    emulator.settle()
    emulator.forget()
    again = emulator.run_endpoint(**desired)
    assert not again.get("failed"), f"{where}: {again.get('msg')}"
    assert (again["changed"], again["operation"], emulator.journal()) == (False, "none", []), where


def cases() -> t.Iterator[tuple[str, str, str]]:
    for number, (version, flavor) in enumerate(VERSIONS.items()):
        release = tuple(int(part) for part in version.split("."))
        for place, (name, situation) in enumerate(SITUATIONS.items()):
            if release < situation.since or (flavor == "serverless" and not situation.serverless):
                continue
            for turn, access in enumerate(ACCESS):
                hides_flavor = flavor == "serverless" and access != "full"
                if not hides_flavor and (access == "full" or has_turn(number + place + turn, share=4)):
                    yield version, name, access


AFTER_WRITES = ("not_ready", "not_ready_in_time", "chunking_reset", "conflict")


@pytest.mark.parametrize(("version", "situation", "access"), list(cases()))
def test_every_law_holds(version: str, situation: str, access: str, tmp_path: Path) -> None:
    since = tuple(int(part) for part in version.split("."))
    turn = list(VERSIONS).index(version) + list(SITUATIONS).index(situation) + list(ACCESS).index(access)
    for number, name in enumerate(DESIRED):
        if not has_turn(turn + number, share=4) or ("completion" in str(DESIRED[name]) and since < (8, 15)):
            continue
        desired, where = options(name, tmp_path), f"{version}, {situation}, {access}, {name}"
        (tmp_path / "versions.json").unlink(missing_ok=True)
        with prepared(version, situation, access) as checked, prepared(version, situation, access) as real:
            checked.read_only()
            predicted = checked.run_endpoint(True, **desired)
            assert checked.journal() == [], where
            before = there(real)
            happened = real.run_endpoint(**desired)
            hides_nothing(predicted, happened, where)
            if predicted.get("failed"):
                assert (predicted["msg"], predicted["failure"]) == (happened["msg"], happened["failure"]), where
                assert (real.journal(), there(real)) == ([], before), f"{where}: refused after a write"
            elif happened.get("failed"):
                _is_foreseeable(real, access, happened, before, where)
            else:
                is_true(real, happened, where)
                assert {key: predicted[key] for key in PREDICTED} == {key: happened[key] for key in PREDICTED}, where
                is_reached(real, desired, happened, where)
                second_run(real, desired, where)


def _is_foreseeable(emulator: Emulator, access: str, result: Json, before: Json | None, where: str) -> None:
    """Require that the failure is one that no read shows before."""
    code = result["failure"]["code"]
    if code == "missing_privilege":
        assert access != "full", where
        assert (emulator.journal(), there(emulator)) == ([], before), where
    else:
        assert code in AFTER_WRITES, f"{where}: {result['msg']}"


def hides_nothing(*results: t.Any) -> None:
    """Require that no secret is in any result."""
    for each in results:
        assert KEY not in json.dumps(each, default=str)
        assert NEW_KEY not in json.dumps(each, default=str)


# --- faults, kills, others ---

HTML = {"type": "answer", "status": 502, "headers": {"content-type": "text/html"}, "body": "<html>Bad Gateway</html>"}


def _answer(status: int, reason: str) -> Json:
    error = {"error": {"type": "exception", "reason": reason}, "status": status}
    return {"type": "answer", "status": status, "body": error}


BROKEN, LATE, CONFLICT = _answer(500, "it broke"), _answer(408, "late"), _answer(409, "busy")
FAULTS: dict[str, tuple[Json, str, int]] = {
    "dropped before": ({"type": "drop"}, "before", 1),
    "dropped after the commit": ({"type": "drop"}, "after", 1),
    "always dropped": ({"type": "drop"}, "before", -1),
    "gateway before": (HTML, "before", 1),
    "gateway after the commit": (HTML, "after", 1),
    "500 before": (BROKEN, "before", 1),
    "500 after the commit": (BROKEN, "after", 1),
    "408 after the commit": (LATE, "after", 1),
    "409 before": (CONFLICT, "before", 1),
    "truncated": ({"type": "truncate"}, "after", 1),
}
WRITES: dict[str, tuple[str, str]] = {
    "create": ("nothing", "two"),
    "create openai": ("nothing", "a new key"),
    "update": ("fixed", "two"),
    "two updates": ("adaptive", "two, overriding"),
    "secrets": ("openai", "a new key"),
    "start": ("lost", "two"),
    "recreate": ("fixed", "threads, replacing"),
    "delete": ("fixed", "none"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", WRITES)
def test_a_fault_conceals_nothing_and_the_next_run_reaches_all(write: str, fault: str, tmp_path: Path) -> None:
    situation, name = WRITES[write]
    desired = options(name, tmp_path)
    do, when, times = FAULTS[fault]
    with prepared("9.5.3", situation) as emulator:
        before = _state(emulator)
        for path in ("/_inference/**", "/_ml/**"):
            emulator.fault("any_write", do, when, times, path=path)
        result = emulator.run_endpoint(**desired)
        hides_nothing(result)
        committed = [entry for entry in emulator.journal() if entry["committed"]]
        assert result["changed"] or not committed, "a change is concealed"
        assert result["changed"] == bool(committed) or (write == "secrets" and result.get("failed"))
        assert (_state(emulator) != before) <= bool(committed)
        assert (result["endpoint"] is None) == (there(emulator) is None)
        emulator.control("DELETE", "/faults")
        emulator.settle()
        again = emulator.run_endpoint(**desired)
        assert not again.get("failed"), again["msg"]
        is_reached(emulator, desired, {**again, "changed": True}, f"{write}, {fault}")
        second_run(emulator, desired, f"{write}, {fault}")
        if desired.get("secrets"):
            assert emulator.control("GET", "/secrets")["e"] == desired["secrets"]


def _state(emulator: Emulator) -> t.Any:
    state = emulator.control("GET", "/state")
    return state["endpoints"].get("e"), state["deployments"].get("e"), emulator.control("GET", "/secrets")


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("write", WRITES)
def test_a_killed_task_is_completed_by_the_next_one(write: str, sent: bool, tmp_path: Path) -> None:
    situation, name = WRITES[write]
    desired = options(name, tmp_path)
    for survived in range(MOMENTS):
        (tmp_path / "versions.json").unlink(missing_ok=True)
        with prepared("9.5.3", situation) as emulator:
            results: list[Json] = []
            with emulator.kill(survived, sent):
                results.append(emulator.run_endpoint(**desired))
            if results:
                return
            emulator.settle()
            again = emulator.run_endpoint(**desired)
            where = f"{write}, killed at request {survived}"
            assert not again.get("failed"), f"{where}: {again['msg']}"
            is_reached(emulator, desired, {**again, "changed": True}, where)
            second_run(emulator, desired, where)
    raise AssertionError("a run has more requests than are tried")


MOMENTS = 40
"""No run of these tests has more requests."""
THREE: Json = {
    "method": "PUT",
    "path": "/_inference/sparse_embedding/e/_update",
    "query": {},
    "body": {"service_settings": {"num_allocations": 3}},
}
ACTS: dict[str, t.Callable[[Emulator], object]] = {
    "its deployment is removed": lambda emulator: emulator.effect("remove_deployment", deployment_id="e"),
    "it is removed": lambda emulator: emulator.effect("remove_endpoint", inference_id="e"),
    "its number is set": lambda emulator: emulator.send(THREE),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("write", ["create", "update", "two updates", "start", "recreate", "delete"])
def test_what_others_do_is_noticed_and_the_next_run_goes_on(write: str, act: str, tmp_path: Path) -> None:
    situation, name = WRITES[write]
    desired = options(name, tmp_path)
    for when in range(MOMENTS):
        with prepared("9.5.3", situation) as emulator:
            requests = _acting(emulator, ACTS[act], when)
            result = emulator.run_endpoint(**desired)
            if len(requests) <= when:
                return
            emulator.settle()
            where = f"{write}, {act} at moment {when}"
            if act == "it is removed" and "e" in emulator.deployments() and there(emulator) is None:
                assert emulator.run_endpoint(**desired)["changed"] is False, (
                    where
                )  # its id is taken, or nothing is left
                continue
            again = emulator.run_endpoint(**desired)
            assert not again.get("failed"), f"{where}: {result.get('msg')}, then {again['msg']}"
            is_reached(emulator, desired, {**again, "changed": True}, where)
    raise AssertionError("a run has more requests than are tried")


def _acting(emulator: Emulator, act: t.Callable[[Emulator], object], when: int) -> list[str]:
    """Let another client act before request number *when*, and return the paths of all requests that come."""
    requests: list[str] = []

    def answer(path: str, forward: Forward) -> Answer:
        requests.append(path)
        if len(requests) == when + 1:
            with contextlib.suppress(ValueError, KeyError):  # there may be nothing to act on
                act(emulator)
        return forward()

    between(emulator, answer)
    return requests
