# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test law 6: after any fault the result is true, and a second run reaches the desired state.

No run starts a deployment twice, or stops a running one that its plan does not stop.
"""

from __future__ import annotations

import typing as t

import pytest

from laws.pairs import deployment_id, named, prepared
from laws.truth import reached, same_as_there, there
from support.emulated_cluster import Emulator
from support.random_search import has_turn

Json = dict[str, t.Any]
VERSIONS = ("8.9.2", "8.16.0", "9.5.3")

NOT_STARTED = {
    "error": {
        "root_cause": [],
        "type": "status_exception",
        "reason": "cannot update deployment that is not in [started] state",
    },
    "status": 409,
}
NO_ROOM = {
    "error": {
        "root_cause": [],
        "type": "status_exception",
        "reason": "Could not update deployment because there are not enough resources to provide all requested "
        "allocations",
    },
    "status": 429,
}
TIMED_OUT = {
    "error": {"type": "process_cluster_event_timeout_exception", "reason": "failed to process", "timed_out": True},
    "status": 429,
}
NO_MASTER = {"error": {"root_cause": [], "type": "master_not_discovered_exception", "reason": None}, "status": 503}
BROKEN = {"error": {"root_cause": [], "type": "exception", "reason": "it broke"}, "status": 500}
HTML = {"type": "answer", "status": 502, "headers": {"content-type": "text/html"}, "body": "<html>Bad Gateway</html>"}


def _answer(status: int, body: Json) -> Json:
    return {"type": "answer", "status": status, "body": body}


class Fault(t.NamedTuple):
    """A fault of one request. ``operation`` None: the write of the pair."""

    do: Json
    when: str = "before"
    operation: str | None = None
    times: int = 1


FAULTS = {
    "dropped before": Fault({"type": "drop"}),
    "dropped after the commit": Fault({"type": "drop"}, "after"),
    "dropped after each commit": Fault({"type": "drop"}, "after", times=2),
    "gateway before": Fault(HTML),
    "gateway after the commit": Fault(HTML, "after"),
    "no master": Fault(_answer(503, NO_MASTER)),
    "timed out in the queue": Fault(_answer(429, TIMED_OUT)),
    "empty answer after the commit": Fault({"type": "answer", "status": 200, "body": ""}, "after"),
    "truncated answer": Fault({"type": "truncate"}, "after"),
    "408 kept": Fault({"type": "timeout"}, "after", "start"),
    "409 not started": Fault(_answer(409, NOT_STARTED), operation="update"),
    "429": Fault(_answer(429, NO_ROOM)),
    "500": Fault(_answer(500, BROKEN)),
    "500 after the commit": Fault(_answer(500, BROKEN), "after"),
    "always 500": Fault(_answer(500, BROKEN), times=-1),
    "always dropped": Fault({"type": "drop"}, times=-1),
    "one read fails": Fault({"type": "drop"}, operation="stats"),
    "reads fail after the write": Fault(HTML, operation="stats", times=1),
    "one read of the cluster state fails": Fault(_answer(503, NO_MASTER), operation="cluster_state"),
    "route fails": Fault({"type": "effect", "effect": {"do": "fail_next_load", "reason": "planted"}}, "after"),
    "number moved": Fault(
        {"type": "effect", "effect": {"do": "set_number", "number_of_allocations": 4}}, operation="update"
    ),
    "gone before": Fault({"type": "effect", "effect": {"do": "remove_deployment"}}, operation="update"),
    "stopping before": Fault({"type": "effect", "effect": {"do": "stop_deployment"}}, operation="update"),
    "gone before the stop": Fault({"type": "effect", "effect": {"do": "remove_deployment"}}, operation="stop"),
    "started by another client": Fault(
        {"type": "effect", "effect": {"do": "start_deployment", "model_id": "m", "number_of_allocations": 2}},
        operation="start",
    ),
    "started by another client with other settings": Fault(
        {
            "type": "effect",
            "effect": {
                "do": "start_deployment",
                "model_id": "m",
                "number_of_allocations": 2,
                "threads_per_allocation": 4,
            },
        },
        operation="start",
    ),
}

# state, desired state, and the write that the fault hits unless it names one itself
PAIRS = [
    ("nothing", "two", "start"),
    ("nothing", "two threads", "start"),
    ("one", "two", "update"),
    ("five on two nodes", "two", "update"),
    ("two", "stopped", "stop"),
    ("two threads", "restarted", "start"),
    ("cache and queue", "restarted", "start"),
    ("two", "restarted with three", "start"),
    ("two", "restarted with three", "stop"),
    ("two", "two threads, replacing", "stop"),
    ("two", "two threads, replacing", "start"),
    ("two", "queue, replacing", "start"),
    ("starting", "five", "update"),
    ("stopping", "two", "start"),
    ("adaptive", "two, overriding", "update"),
    ("adaptive", "adaptive to six", "update"),
    ("two", "adaptive", "update"),
]
CASES = [
    (version, state, desired, write, name)
    for version in VERSIONS
    for turn, (state, desired, write) in enumerate(PAIRS, VERSIONS.index(version))
    for number, (name, fault) in enumerate(FAULTS.items())
    if version == VERSIONS[-1] or has_turn(turn + number, share=2)
    if version != "8.9.2" or "adaptive" not in f"{state} {desired}"
    if fault.operation in (None, write, "stats", "cluster_state")
]
"""The newest version meets all of them; the older ones take turns."""


def _plant(emulator: Emulator, fault: Fault, write: str) -> None:
    do = dict(fault.do)
    if do["type"] == "effect":
        do["effect"] = {"deployment_id": deployment_id(emulator), **do["effect"]}
    emulator.fault(fault.operation or write, do, fault.when, fault.times)


def _committed(emulator: Emulator, verb: str) -> int:
    return sum(entry["committed"] and entry["path"].endswith(verb) for entry in emulator.journal())


@pytest.mark.parametrize(("version", "state", "desired", "write", "name"), CASES)
def test_a_result_after_a_fault_is_true_and_a_second_run_repairs(
    version: str, state: str, desired: str, write: str, name: str
) -> None:
    with prepared(version, state, "full", desired) as emulator:
        options = named(emulator, desired)
        _plant(emulator, FAULTS[name], write)
        first = emulator.run(**options)
        assert emulator.control("GET", "/faults")[0]["fired"] or FAULTS[name].times == -1, (
            "the fault did not take effect"
        )
        _require_true(emulator, first, options)
        starts, stops = _committed(emulator, "_start"), _committed(emulator, "_stop")
        assert starts <= 1, "started twice"
        assert stops <= (1 if options.get("state") in ("stopped", "restarted") or "replace" in options else 0)
        emulator.control("DELETE", "/faults")
        emulator.settle()
        again = emulator.run(**options)
        if again.get("failed"):
            assert name.startswith("started by another client") or name == "route fails", again["msg"]
            return
        assert reached(emulator, options, again)
        # After a restart that failed between stop and start, the second run only starts.
        assert _committed(emulator, "_start") - starts <= 1


def _require_true(emulator: Emulator, result: Json, options: Json) -> None:
    """Require that a success is one, and that a failure shows the deployment and has a message, not a traceback."""
    ours = [call["path"] for call in result["api_calls"]]
    assert result["changed"] == bool(ours)
    took = [entry["path"] for entry in emulator.journal() if entry["committed"]]
    if "took effect is not known" not in result.get("msg", ""):
        assert ours == took, result.get("msg")
    if result.get("failed"):
        assert result["msg"].startswith(("Cannot ", "Deployment ", "The stop of deployment ")), result["msg"]
        assert "Traceback" not in result["msg"]
        if result["changed"] or result["deployment"] is None:
            assert (there(emulator) is None) == (result["deployment"] is None), result["msg"]
    else:
        assert reached(emulator, options, result), result
        assert same_as_there(emulator, result) == []


def test_a_write_that_took_effect_is_not_sent_again() -> None:
    with prepared("9.5.3", "one", "full") as emulator:
        emulator.fault("update", {"type": "drop"}, "after")
        result = emulator.run(**named(emulator, "two"))
        writes = [entry["path"] for entry in emulator.journal()]
    assert result["changed"]
    assert len(writes) == len(result["api_calls"]) == 1


def test_a_write_that_never_arrives_fails_after_its_retries() -> None:
    with prepared("9.5.3", "one", "full") as emulator:
        emulator.fault("update", {"type": "drop"}, times=-1)
        result = emulator.run(**named(emulator, "two"))
        assert result["failed"]
        assert result["changed"] is False
        assert len(emulator.journal()) == 4
        assert result["error"]["kind"] == "connection"
        assert result["deployment"]["number_of_allocations"] == 1
