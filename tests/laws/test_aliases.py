# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws on all pairs of situations and desired states of a model alias.

Each pair runs three times: in check mode on an emulator that refuses every write, for real, and for real once more. A
refusal is compared with what Elasticsearch answers to the write that the task did not send.
"""

from __future__ import annotations

import contextlib
import itertools
import typing as t

import pytest

from emulator.inprocess import ConnectionDropped
from support.emulated_cluster import Answer, Emulator
from support.interleaving import SharedEmulator
from support.random_search import has_turn

Json = dict[str, t.Any]
AnyEmulator = t.TypeVar("AnyEmulator", bound=Emulator)
VERSIONS = {
    "8.0.1": "default",
    "8.3.3": "default",
    "8.9.2": "default",
    "8.16.0": "default",
    "8.19.21": "default",
    "9.5.3": "default",
    "9.5.2": "serverless",
}
ACCESS = {"full": ("manage_ml", "monitor", "read_pipeline"), "least": ("manage_ml",)}
PREDICTED = (
    *("changed", "operation", "skipped_because", "diff", "before", "after", "api_calls", "server", "failure"),
    *("alias", "previous_model_id", "used_by"),
)
MODELS = (("m", 1 << 20), ("new", 2 << 20))
PATH = "/_ml/trained_models/{}/model_aliases/{}"
NER: Json = {"model_type": "pytorch", "inference_config": {"ner": {}}, "input": {"field_names": ["text_field"]}}
OTHER_INPUTS: Json = {
    "model_type": "pytorch",
    "inference_config": {"text_embedding": {}},
    "input": {"field_names": ["a", "b", "c"]},
}
TREE: Json = {
    "input": {"field_names": ["field1"]},
    "inference_config": {"regression": {}},
    "definition": {"trained_model": {"tree": {"feature_names": ["field1"], "tree_structure": [{"node_index": 0}]}}},
}


def put(emulator: Emulator, path: str, body: Json | None = None) -> None:
    assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200, path


def refers_to(emulator: Emulator, model_id: str, alias: str = "a") -> None:
    put(emulator, PATH.format(model_id, alias))


def deploy(emulator: Emulator, model_id: str, deployment_id: str = "", settle: bool = True) -> None:
    emulator.effect("start_deployment", model_id=model_id, deployment_id=deployment_id or model_id)
    if settle:
        emulator.settle()


def _deployed(emulator: Emulator, new: bool = False, settle: bool = True) -> None:
    refers_to(emulator, "m")
    deploy(emulator, "m")
    if new:
        deploy(emulator, "new", settle=settle)


def _both_but_one_starts(emulator: Emulator) -> None:
    _deployed(emulator, new=True)
    deploy(emulator, "new", "second", settle=False)


def _stopping(emulator: Emulator) -> None:
    _deployed(emulator, new=True)
    emulator.effect("stop_deployment", deployment_id="new")


def _used(emulator: Emulator) -> None:
    refers_to(emulator, "m")
    put(emulator, "/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": "a"}}]})
    put(emulator, "/_ingest/pipeline/q", {"processors": [{"pipeline": {"name": "p"}}]})


INFERENCE: Json = {"inference": {"model_id": "a"}}
SET: Json = {"set": {"field": "f", "value": 1}}


def _used_within(kind: str, own: Json) -> t.Callable[[Emulator], None]:
    """Return what makes a pipeline that has the alias within a processor, or in the handlers of the pipeline."""

    def make(emulator: Emulator) -> None:
        refers_to(emulator, "m")
        put(emulator, "/_ingest/pipeline/p", {"processors": [{kind: own}]})

    return make


def _used_by_handlers(emulator: Emulator) -> None:
    refers_to(emulator, "m")
    put(emulator, "/_ingest/pipeline/p", {"processors": [], "on_failure": [INFERENCE]})


def _setting(name: str, value: t.Any) -> t.Callable[[Emulator], None]:
    def make(emulator: Emulator) -> None:
        refers_to(emulator, "m")
        emulator.effect("set_setting", name=name, value=value)

    return make


class Situation(t.NamedTuple):
    """``make``: what makes it. ``since``: the version that first has it; none of it is serverless."""

    make: t.Callable[[Emulator], object]
    since: tuple[int, int] = (8, 0)
    serverless: bool = True


SITUATIONS = {
    "no alias": Situation(lambda emulator: None),
    "old": Situation(lambda emulator: refers_to(emulator, "m")),
    "new": Situation(lambda emulator: refers_to(emulator, "new")),
    "old is deployed": Situation(_deployed),
    "both are deployed": Situation(lambda emulator: _deployed(emulator, new=True)),
    "new is starting": Situation(lambda emulator: _deployed(emulator, new=True, settle=False)),
    "one of new is starting": Situation(_both_but_one_starts, (8, 8)),
    "new is stopping": Situation(_stopping),
    "used by pipelines": Situation(_used),
    "used in a loop": Situation(_used_within("foreach", {"field": "f", "processor": INFERENCE})),
    "used by handlers": Situation(_used_within("set", {**SET["set"], "on_failure": [INFERENCE]})),
    "used by handlers of a loop": Situation(
        _used_within("foreach", {"field": "f", "processor": SET, "on_failure": [INFERENCE]})
    ),
    "used by handlers of inference": Situation(_used_within("inference", {"model_id": "m", "on_failure": [INFERENCE]})),
    "used by handlers of a pipeline": Situation(_used_by_handlers),
    "old is a tree": Situation(lambda emulator: refers_to(emulator, "tree")),
    "old has another task": Situation(lambda emulator: refers_to(emulator, "ner")),
    "old has other inputs": Situation(lambda emulator: refers_to(emulator, "inputs")),
    "upgrade mode": Situation(_setting("upgrade_mode", True), serverless=False),
    "basic licence": Situation(_setting("license", "basic"), serverless=False),
}
DESIRED: dict[str, Json] = {
    "old": {"model_id": "m"},
    "new": {"model_id": "new"},
    "old, reassigned": {"model_id": "m", "reassign": True},
    "new, reassigned": {"model_id": "new", "reassign": True},
    "another task, reassigned": {"model_id": "inputs", "reassign": True},
    "a tree, reassigned": {"model_id": "tree", "reassign": True},
    "a missing model": {"model_id": "missing", "reassign": True},
    "another alias": {"model_id": "other-alias", "reassign": True},
    "the id of a model": {"model_alias": "ner", "model_id": "m"},
    "none": {"state": "absent"},
    "none of old": {"state": "absent", "model_id": "m"},
    "none of new": {"state": "absent", "model_id": "new"},
}


def prepared(version: str, situation: str, access: str = "full") -> Emulator:
    """Return a new cluster in a *situation*, with an empty journal."""
    return filled(Emulator(version, models=MODELS, flavor=VERSIONS[version]), situation, access)


def filled(emulator: AnyEmulator, situation: str, access: str = "full") -> AnyEmulator:
    put(emulator, "/_ml/trained_models/ner", NER)
    put(emulator, "/_ml/trained_models/inputs", OTHER_INPUTS)
    put(emulator, "/_ml/trained_models/tree", TREE)
    refers_to(emulator, "ner", "other-alias")
    SITUATIONS[situation].make(emulator)
    emulator.forget()
    emulator.allow(*ACCESS[access])
    return emulator


def there(emulator: Emulator, alias: str = "a") -> str | None:
    """Return what an alias refers to, by none of the collection's code."""
    found: str | None = emulator.control("GET", "/state")["aliases"].get(alias)
    return found


def pairs() -> t.Iterator[tuple[str, str]]:
    for version, flavor in VERSIONS.items():
        release = tuple(int(part) for part in version.split("."))
        for name, situation in SITUATIONS.items():
            if release >= situation.since and (situation.serverless or flavor == "default"):
                yield version, name


def desired_states(version: str, situation: str, access: str) -> list[str]:
    """Return the desired states that have their turn: half of them on the newest version, and a quarter on others."""
    turn = list(VERSIONS).index(version) + list(SITUATIONS).index(situation) + list(ACCESS).index(access)
    share = 2 if version == "9.5.3" else 4
    return [name for number, name in enumerate(DESIRED) if has_turn(turn + number, share)]


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize(("version", "situation"), list(pairs()))
def test_every_law_holds(version: str, situation: str, access: str) -> None:
    for name in desired_states(version, situation, access):
        options = {"model_alias": "a", **DESIRED[name]}
        where = f"{version}, {situation}, {access}, {name}"
        with prepared(version, situation, access) as checked, prepared(version, situation, access) as real:
            checked.read_only()
            predicted = checked.run_alias(True, **options)
            assert checked.journal() == [], where
            happened = real.run_alias(**options)
            _is_true(real, options, happened, where)
            if predicted.get("failed"):
                assert (predicted["msg"], predicted["failure"]) == (happened["msg"], happened["failure"]), where
                assert real.journal() == [], f"{where}: refused after a write"
                assert _server_refuses(real, options), f"{where}: Elasticsearch takes that"
            elif happened.get("failed"):
                assert access == "least", f"{where}: {happened['msg']}"
                assert any("is left to Elasticsearch" in text for text in predicted["warnings"]), where
            else:
                assert {key: predicted[key] for key in PREDICTED} == {key: happened[key] for key in PREDICTED}, where
                assert predicted["warnings"] == happened["warnings"], where
                _is_reached(real, options, happened, where)
                _second_run(real, options, where)


def _server_refuses(emulator: Emulator, options: Json) -> bool:
    """Return whether Elasticsearch refuses the write that the task did not send."""
    alias, target = options["model_alias"], options.get("model_id") or there(emulator, options["model_alias"])
    method = "DELETE" if options.get("state") == "absent" else "PUT"
    query = {"reassign": "true"} if options.get("reassign") else {}
    request = {"method": method, "path": PATH.format(target, alias), "query": query, "body": None}
    status = emulator.send(request)
    assert status not in (401, 403) or emulator.control("GET", "/state")["settings"].get("license") == "basic"
    return status >= 400


def _is_reached(emulator: Emulator, options: Json, result: Json, where: str) -> None:
    desired = None if options.get("state") == "absent" else options["model_id"]
    assert there(emulator, options["model_alias"]) == desired, where


def _is_true(emulator: Emulator, options: Json, result: Json, where: str) -> None:
    """Require that the result shows the alias as it is, and the writes that took effect."""
    alias = options["model_alias"]
    target = there(emulator, alias)
    assert result["alias"] == (target and {"model_alias": alias, "model_id": target}), where
    committed = [entry for entry in emulator.journal() if entry["status"] == 200]
    reported = [(call["method"], call["path"], call["query"], call["body"]) for call in result["api_calls"]]
    assert reported == [(entry["method"], entry["path"], entry["query"], entry["body"]) for entry in committed], where
    assert result["changed"] == bool(committed), where


def _second_run(emulator: Emulator, options: Json, where: str) -> None:
    emulator.forget()
    again = emulator.run_alias(**options)
    assert not again.get("failed"), f"{where}: {again.get('msg')}"
    assert (again["changed"], again["operation"], emulator.journal()) == (False, "none", []), where


# --- faults, another client, and kills ---

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
    "408 before": (LATE, "before", 2),
    "409 before": (CONFLICT, "before", 1),
    "409 after the commit": (CONFLICT, "after", 1),
    "truncated": ({"type": "truncate"}, "after", 1),
}
LATE_ARRIVAL = "dropped, and arrives right before the next attempt"
WRITES: dict[str, tuple[str, Json]] = {
    "set": ("no alias", {"model_id": "m"}),
    "reassign": ("both are deployed", {"model_id": "new", "reassign": True}),
    "delete": ("old", {"state": "absent"}),
}


def _plan_fault(emulator: Emulator, fault: str) -> None:
    if fault == LATE_ARRIVAL:
        _deliver_late(emulator)
    else:
        do, when, times = FAULTS[fault]
        emulator.fault("any_write", do, when, times, path="/_ml/**")


def _deliver_late(emulator: Emulator) -> None:
    """Lose the first write, and let it arrive right before the second."""
    send = emulator.request
    lost: list[tuple[t.Any, ...]] = []

    def request(method: str, target: str, headers: t.Mapping[str, str], body: bytes | None) -> Answer:
        if method in ("PUT", "DELETE"):
            if not lost:
                lost.append((method, target, headers, body))
                raise ConnectionDropped
            if len(lost) == 1:
                send(*lost[0])
                lost.append(lost[0])
        return send(method, target, headers, body)

    emulator.request = request  # type: ignore[method-assign]


@pytest.mark.parametrize("fault", [*FAULTS, LATE_ARRIVAL])
@pytest.mark.parametrize("write", WRITES)
def test_a_fault_conceals_nothing_and_repeats_nothing(write: str, fault: str) -> None:
    situation, options = WRITES[write]
    with prepared("9.5.3", situation) as emulator:
        before = there(emulator)
        _plan_fault(emulator, fault)
        result = emulator.run_alias(model_alias="a", **options)
        committed = [entry for entry in emulator.journal() if entry["committed"]]
        assert len(committed) <= 1 or fault == LATE_ARRIVAL, "sent again after it took effect"
        assert len(emulator.journal()) <= 3
        assert result["changed"] == bool(committed)
        changed = there(emulator) != before
        assert changed == bool(committed)
        assert result["alias"] == (there(emulator) and {"model_alias": "a", "model_id": there(emulator)})
        if result.get("failed"):
            assert not changed, result["msg"]
        else:
            assert changed == (fault != "always dropped")
        emulator.control("DELETE", "/faults")
        assert not emulator.run_alias(model_alias="a", **options).get("failed")
        _is_reached(emulator, {"model_alias": "a", **options}, result, fault)


@pytest.mark.parametrize("write", WRITES)
def test_a_read_that_fails_after_the_write_is_said(write: str) -> None:
    situation, options = WRITES[write]
    with prepared("9.5.3", situation) as emulator:
        emulator.fault("any_write", {"type": "drop"}, "after", path="/_ml/**")
        emulator.fault("any_read", HTML, times=-1, after=_reads(situation, options), path="/**")
        result = emulator.run_alias(model_alias="a", **options)
        assert (result["failure"]["code"], result["changed"]) == ("unknown_outcome", True)
        assert len(emulator.journal()) == 1


def _reads(situation: str, options: Json) -> int:
    """Return how many reads a task sends before its first write."""
    with prepared("9.5.3", situation) as emulator:
        emulator.run_alias(model_alias="a", **options)
        requests = emulator.control("GET", "/requests")
        return next(number for number, line in enumerate(requests) if line["method"] in ("PUT", "DELETE"))


ACTS: dict[str, t.Callable[[Emulator], object]] = {
    "deleted": lambda emulator: emulator.api("DELETE", PATH.format(there(emulator), "a")),
    "moved to new": lambda emulator: emulator.api("PUT", PATH.format("new", "a") + "?reassign=true"),
    "moved to ner": lambda emulator: emulator.api("PUT", PATH.format("inputs", "a") + "?reassign=true"),
    "new is removed": lambda emulator: emulator.control(
        "POST", "/effects", {"do": "remove_deployment", "deployment_id": "new"}
    ),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("write", WRITES)
def test_another_client_at_any_moment(write: str, act: str) -> None:
    """Test each moment: the task reaches what it asks for, or fails; it sends its write once."""
    situation, options = WRITES[write]
    for moment in range(30):
        with filled(SharedEmulator("9.5.3", models=MODELS), situation) as emulator:
            if not _interrupted(emulator, moment, act, options):
                return
    raise AssertionError("no run is that long")


def _interrupted(emulator: SharedEmulator, moment: int, act: str, options: Json) -> bool:
    """Run the task while another client acts; return whether the run had such a *moment*."""
    moments = itertools.count()

    def between(_moment: str) -> None:
        if next(moments) == moment:
            with contextlib.suppress(ValueError):  # there may be nothing to remove
                ACTS[act](emulator)

    emulator.between = between
    result = emulator.run_alias(model_alias="a", **options)
    assert not result.get("failed") or result["failure"]["code"] in _MEANWHILE, result["msg"]
    writes = [request for request in emulator.requests if request.method in ("PUT", "DELETE")]
    assert len([request for request in writes if request.status == 200]) <= 1
    return next(moments) > moment


_MEANWHILE = ("conflict", "alias_refers_elsewhere", "model_not_deployed", "request_rejected")


@pytest.mark.parametrize("write", WRITES)
def test_a_killed_run_is_finished_by_the_next(write: str) -> None:
    situation, options = WRITES[write]
    for survived in range(12):
        for sent in (False, True):
            with prepared("9.5.3", situation) as emulator:
                with emulator.kill(survived, sent):
                    emulator.run_alias(model_alias="a", **options)
                again = emulator.run_alias(model_alias="a", **options)
                assert not again.get("failed"), again["msg"]
                _is_reached(emulator, {"model_alias": "a", **options}, again, write)
                assert len([entry for entry in emulator.journal() if entry["committed"]]) == 1
