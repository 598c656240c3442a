# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws for deployments that an endpoint owns: each change in each version, whatever is unknown of the server.

Each advice of a message is followed: it must work on the server that the message is about.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

import pytest

from support.emulated_cluster import Answer, Emulator
from support.random_search import has_turn
from support.scenario_helpers import Forward, between, item

Json = dict[str, t.Any]
BOUNDS = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
WIDER = {**BOUNDS, "max_number_of_allocations": 6}
OFF = {**WIDER, "enabled": False}
FIXED: Json = {"num_allocations": 2}
ADAPTIVE: Json = {"adaptive_allocations": BOUNDS}


class Change(t.NamedTuple):
    """The settings of the endpoint before, the options of the task, and the deployment afterwards."""

    before: Json
    options: Json
    number: int | None
    adaptive: Json | None


CHANGES = {
    "number": Change(FIXED, {"number_of_allocations": 3}, 3, None),
    "to adaptive": Change(FIXED, {"adaptive_allocations": BOUNDS}, None, BOUNDS),
    "bounds": Change(ADAPTIVE, {"adaptive_allocations": {"max_number_of_allocations": 6}}, None, WIDER),
    "to fixed": Change(ADAPTIVE, {"number_of_allocations": 3, "on_adaptive": "override"}, 3, None),
    "to the same number": Change(ADAPTIVE, {"number_of_allocations": 1, "on_adaptive": "override"}, 1, None),
    "off": Change(ADAPTIVE, {"adaptive_allocations": {"enabled": False}}, 1, None),
    "both off": Change(
        ADAPTIVE, {"number_of_allocations": 2, "adaptive_allocations": {**WIDER, "enabled": False}}, 2, None
    ),
}
ASKED = ("fail", "update_endpoint", "update_deployment")
VERSIONS = {
    "8.13.4": (8, 13),
    "8.16.0": (8, 16),
    "8.17.0": (8, 17),
    "8.18.8": (8, 18),
    "8.19.8": (8, 19),
    "8.19.21": (8, 19),
    "9.0.1": (9, 0),
    "9.1.10": (9, 1),
    "9.2.1": (9, 2),
    "9.3.1": (9, 3),
    "9.4.0": (9, 4),
    "9.5.3": (9, 5),
}
REFUSED_EARLY = {"endpoint_update_check": "refuse"}
SWITCHES: tuple[tuple[tuple[int, int], tuple[int, int], Json], ...] = (
    ((8, 0), (10, 0), {}),
    ((8, 17), (9, 4), {"endpoint_update_chunking": "reset"}),
    ((8, 17), (10, 0), {"endpoint_update_chunking": "kept"}),
    ((8, 16), (9, 2), REFUSED_EARLY),
    ((9, 2), (10, 0), {"endpoint_update_check": "accept"}),
    ((9, 2), (10, 0), {"endpoint_update_settings": "both"}),
    ((9, 2), (10, 0), {"endpoint_update_settings": "exactly_one"}),
    ((9, 2), (10, 0), {"endpoint_update_settings": "strict"}),
    ((9, 2), (10, 0), {"endpoint_update_settings": "strict", "endpoint_update_number_alone": "ends_adaptive"}),
)
"""From which version on, before which one, and what is unknown there."""
CASES = [
    (version, switches)
    for version, number in VERSIONS.items()
    for since, before, switches in SWITCHES
    if since <= number < before
]


def changes(version: str, switches: Json) -> dict[str, Change]:
    """Return the changes that have their turn: the first version has no adaptive allocations."""
    turn = list(VERSIONS).index(version) + [each for *_versions, each in SWITCHES].index(switches)
    return {
        name: change
        for number, (name, change) in enumerate(CHANGES.items())
        if (version != "8.13.4" or name == "number") and has_turn(turn + number, share=2)
    }


def _owner(version: str, switches: Json, change: Change) -> Emulator:
    emulator = Emulator(version)
    emulator.control("POST", "/unknowns", switches)
    settings = {"model_id": "m", "num_threads": 1, **change.before}
    body = {"service": "elasticsearch", "service_settings": settings}
    call = {"method": "PUT", "path": "/_inference/sparse_embedding/d", "query": {}, "body": body}
    assert emulator.send(call) == 200
    emulator.settle()
    emulator.forget()
    return emulator


def _chunking(emulator: Emulator) -> t.Any:
    return emulator.control("GET", "/state")["endpoints"]["d"].get("chunking_settings")


def _is_reached(emulator: Emulator, change: Change) -> bool:
    deployment = emulator.deployments()["d"]
    adaptive = deployment.get("adaptive_allocations") or {"enabled": False}
    number = deployment["task_parameters"]["number_of_allocations"]
    if change.adaptive is not None:
        return bool(adaptive == change.adaptive)
    return adaptive["enabled"] is False and number == change.number


def _check_success(emulator: Emulator, asked: str, change: Change, result: Json, chunking: t.Any) -> None:
    assert _is_reached(emulator, change)
    sent = [entry["path"] for entry in emulator.journal()]
    assert sent == [call["path"] for call in result["api_calls"]]
    expected = {"update_endpoint": "/_inference/sparse_embedding/d/_update"}
    assert set(sent) == {expected.get(asked, "/_ml/trained_models/d/deployment/_update")}
    reported = [text for text in result["warnings"] if "inference endpoint 'd'" in text.lower()]
    assert len(reported) == (asked == "update_deployment") + (chunking != _chunking(emulator)), result["warnings"]
    assert "sentence" not in str(reported)
    emulator.forget()
    again = emulator.run(deployment_id="d", on_endpoint_owned=asked, **change.options)
    assert (again["changed"], emulator.journal()) == (False, [])


@pytest.mark.parametrize(("version", "switches"), CASES)
def test_each_change_goes_the_way_that_the_task_asks_for_or_is_refused(version: str, switches: Json) -> None:
    for name, change in changes(version, switches).items():
        advice = {asked: _works(version, switches, change, asked) for asked in ASKED}
        assert advice["fail"]
        if switches == REFUSED_EARLY:  # no reading shows that, but the refusal then advises no more than what works
            assert advice["update_deployment"] == (["update_endpoint"] if advice["update_endpoint"] is None else [])
            continue
        assert None in advice.values()
        for asked, advised in advice.items():
            assert advised is None or all(advice[value] is None for value in advised), f"{name}, {asked}: {advice}"


def _works(version: str, switches: Json, change: Change, asked: str) -> list[str] | None:
    """Run the task, and return the values that its message advises; ``None`` if it succeeds."""
    options = {"deployment_id": "d", "on_endpoint_owned": asked, **change.options}
    with _owner(version, switches, change) as checked, _owner(version, switches, change) as real:
        before, chunking = real.deployments()["d"], _chunking(real)
        checked.read_only()
        predicted, happened = checked.run(check_mode=True, **options), real.run(**options)
        assert checked.journal() == []
        if not happened.get("failed"):
            keys = ("api_calls", "diff", "operation", "changed", "after")
            assert {key: predicted[key] for key in keys} == {key: happened[key] for key in keys}
            _check_success(real, asked, change, happened, chunking)
            return None
        assert real.deployments()["d"] == before
        if happened["failure"] == {"code": "request_rejected"}:
            assert switches == REFUSED_EARLY
        else:
            assert (predicted["msg"], real.journal()) == (happened["msg"], [])
        return re.findall(r"(?:Set on_endpoint_owned|or) to (update_\w+)", happened["msg"])


# --- the same change, asked of the endpoint ---


class Asked(t.NamedTuple):
    """A change as the module of the endpoint takes it."""

    service_settings: Json
    more: Json = {}


OF_ENDPOINT = {
    "number": Asked({"num_allocations": 3}),
    "to adaptive": Asked({"adaptive_allocations": BOUNDS}),
    "bounds": Asked({"adaptive_allocations": {"max_number_of_allocations": 6}}),
    "to fixed": Asked({"num_allocations": 3}, {"on_adaptive": "override"}),
    "to the same number": Asked({"num_allocations": 1}, {"on_adaptive": "override"}),
    "off": Asked({"adaptive_allocations": {"enabled": False}}),
    "both off": Asked({"num_allocations": 2, "adaptive_allocations": {**WIDER, "enabled": False}}),
}
SIDES: list[tuple[str, Json]] = [
    ("8.13.4", {}),
    ("8.16.0", {}),
    ("8.17.0", {}),
    ("8.19.21", {}),
    ("9.1.10", {}),
    ("9.2.1", {}),
    ("9.5.3", {}),
    ("9.5.3", {"endpoint_update_settings": "strict"}),
]


def _sent(emulator: Emulator) -> list[Json]:
    return [{name: entry[name] for name in ("method", "path", "query", "body")} for entry in emulator.journal()]


@pytest.mark.parametrize(("version", "switches"), SIDES)
def test_both_modules_send_the_same_requests_for_the_same_change(version: str, switches: Json) -> None:
    assert OF_ENDPOINT.keys() == CHANGES.keys()
    for name, change in CHANGES.items():
        if version == "8.13.4" and name != "number":
            continue
        asked = OF_ENDPOINT[name]
        with _owner(version, switches, change) as one, _owner(version, switches, change) as other:
            changed = one.run_endpoint(inference_id="d", service_settings=asked.service_settings, **asked.more)
            sent = _sent(one)
            through = "update_endpoint" if sent[0]["path"].startswith("/_inference") else "update_deployment"
            happened = other.run(deployment_id="d", on_endpoint_owned=through, **change.options)
            assert (changed.get("msg"), happened.get("msg")) == (None, None), name
            assert sent == _sent(other), name
            assert changed["api_calls"] == happened["api_calls"], name
            assert all(_is_reached(each, change) for each in (one, other)), name
            one.forget()
            again = one.run_endpoint(inference_id="d", service_settings=asked.service_settings, **asked.more)
            assert (again["changed"], one.journal()) == (False, []), name


# --- others meanwhile ---


MOMENTS = 40
"""No run of these tests has more requests."""


def _other_bounds(emulator: Emulator) -> None:
    body = {"service_settings": {"adaptive_allocations": {**BOUNDS, "max_number_of_allocations": 5}}}
    path = "/_inference/sparse_embedding/d/_update"
    emulator.send({"method": "PUT", "path": path, "query": {}, "body": body})


def _scale(emulator: Emulator) -> None:
    """Set another number, as adaptive allocations do while they are enabled."""
    if emulator.deployments().get("d", {}).get("adaptive_allocations", {}).get("enabled"):
        emulator.effect("set_number", deployment_id="d", number_of_allocations=2)


ACTS: dict[str, t.Callable[[Emulator], object]] = {
    "adaptive allocations set the number": _scale,
    "it is removed": lambda emulator: emulator.effect("remove_deployment", deployment_id="d"),
    "it is stopped": lambda emulator: emulator.effect("stop_deployment", deployment_id="d", force=True),
    "other bounds": _other_bounds,
}


@pytest.mark.parametrize("settings", ["both", "exactly_one"])
@pytest.mark.parametrize("more", [{}, {"on_unsatisfied": "rollback"}])
@pytest.mark.parametrize("act", ACTS)
def test_what_others_do_at_any_moment_is_noticed_and_the_next_run_goes_on(act: str, more: Json, settings: str) -> None:
    change = CHANGES["to fixed"]
    asked = {"deployment_id": "d", "on_endpoint_owned": "update_endpoint", "wait_timeout": 8, **change.options, **more}
    for when in range(MOMENTS):
        with _owner("9.5.3", {"endpoint_update_settings": settings}, change) as emulator:
            requests = _acting(emulator, ACTS[act], when)
            result = emulator.run(**asked)
            if len(requests) <= when:
                assert _is_reached(emulator, change)
                return
            # The last two read the deployment: nothing is read after them.
            last = len(requests) - when <= 2
            assert result.get("failed") or last or _is_reached(emulator, change), f"moment {when}"
            emulator.settle()
            again = emulator.run(**asked)
            assert not again.get("failed"), f"moment {when}: {again['msg']}"
            assert _is_reached(emulator, change), f"moment {when}"
    raise AssertionError("a run had more requests than are tried")


def _acting(emulator: Emulator, act: t.Callable[[Emulator], object], when: int) -> list[str]:
    """Let another client act before request number *when*, and return the paths of all requests that come."""
    requests: list[str] = []

    def answer(path: str, forward: Forward) -> Answer:
        requests.append(path)
        if len(requests) == when + 1:
            with contextlib.suppress(ValueError):  # there may be no deployment
                act(emulator)
        return forward()

    between(emulator, answer)
    return requests


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("version", ["8.19.21", "9.1.10", "9.5.3"])
def test_a_list_is_treated_alike(version: str, asked: str) -> None:
    for change in CHANGES.values():
        options = {"deployment_id": "d", "on_endpoint_owned": asked, **change.options}
        with _owner(version, {}, change) as alone, _owner(version, {}, change) as listed:
            single, found = alone.run(**options), item(listed.run_many([options]), "d")
            keys = ("api_calls", "diff", "operation", "changed", "failure")
            assert {key: single[key] for key in keys} == {key: found[key] for key in keys}
            assert _is_reached(alone, change) is _is_reached(listed, change) is (single["failure"] is None)
