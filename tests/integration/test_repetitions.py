# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is sent again after a fault, counted by the emulator on real sockets: helpful reads, and no write.

``pytest -s`` prints the figures.
"""

from __future__ import annotations

import collections
import typing as t
from collections.abc import Iterator

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run as deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import deployment as options
from support.emulated_cluster import TurnedClock
from support.emulator_process import Emulator, emulator

Json = dict[str, t.Any]

TRANSIENT: dict[str, Json] = {
    "dropped": {"type": "drop"},
    "reset": {"type": "reset"},
    "broken off": {"type": "truncate", "cut": True},
    "bad gateway": {"type": "bad_gateway"},
    "no server behind the gateway": {"type": "service_unavailable"},
    "time-out of the gateway": {"type": "gateway_timeout"},
    "too many requests": {"type": "too_many_requests", "retry_after": 3},
    "no master": {"type": "no_master"},
}
LASTING: dict[str, Json] = {
    "not HTTP": {"type": "garbage", "text": "SSH-2.0"},
    "TLS": {"type": "garbage", "text": "\x15\x03\x03\x00\x02\x02F"},
    "redirect": {"type": "redirect", "location": "http://elsewhere.invalid/"},
    "half of the JSON": {"type": "truncate"},
    "not gzip": {"type": "broken_gzip"},
    "nothing": {"type": "empty"},
    "401": {
        "type": "answer",
        "status": 401,
        "body": {"error": {"type": "security_exception", "reason": "unable to authenticate"}, "status": 401},
    },
    "403": {
        "type": "answer",
        "status": 403,
        "body": {"error": {"type": "security_exception", "reason": "action [a] is unauthorized for user [u]"}},
    },
    "no room": {
        "type": "answer",
        "status": 429,
        "body": {"error": {"type": "status_exception", "reason": "not enough resources"}, "status": 429},
    },
}
READS = ("info", "stats", "cluster_state")
# The write of each task, the task, and how many allocations are there before; 0: nothing is.
TASKS: dict[str, tuple[Json, int]] = {
    "start": ({"number_of_allocations": 2}, 0),
    "update": ({"number_of_allocations": 3}, 1),
    "stop": ({"state": "stopped"}, 1),
}


@pytest.fixture(scope="module")
def figures() -> Iterator[collections.Counter[str]]:
    counted: collections.Counter[str] = collections.Counter()
    yield counted
    print("\n" + "\n".join(f"{counted[name]:5}  {name}" for name in sorted(counted)))


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with emulator("--node", "n1=8,16gb", "--model", "m=1048576", "--clock", "eager") as found:
        yield found


class Run(t.NamedTuple):
    """The result of a task, and each request that it sent, as method, path and query, in order."""

    result: Json
    sent: list[tuple[str, str, str]]
    committed: list[str]

    @property
    def writes(self) -> list[int]:
        return [index for index, (method, _path, _query) in enumerate(self.sent) if method != "GET"]

    def tell(self, figures: collections.Counter[str]) -> None:
        """Add what is true of every run, and refuse what must not be."""
        figures["runs"] += 1
        figures["requests"] += len(self.sent)
        figures["writes"] += len(self.writes)
        again = [(this, last) for last, this in zip(self.writes, self.writes[1:], strict=False)]
        figures["writes sent again after a read"] += len(again)
        figures["writes sent again without a read"] += sum(this == last + 1 for this, last in again)
        figures["writes that took effect twice"] += len(self.committed) - len(set(self.committed))
        assert figures["writes sent again without a read"] == 0
        assert figures["writes that took effect twice"] == 0


def run(server: Emulator, write: str, operation: str, do: Json, when: str = "before", times: int = 1) -> Run:
    given, allocations = TASKS[write]
    server.control("POST", "/reset")
    if allocations:
        there = {"do": "start_deployment", "model_id": "m", "deployment_id": "d", "number_of_allocations": allocations}
        server.control("POST", "/effects", there)
        server.control("POST", "/settle")
    server.control("POST", "/faults", {"operation": operation, "when": when, "times": times, "do": do})
    params = {"hosts": [server.url], "model_id": "m", "deployment_id": "d", "request_retries": 2, **given}
    checked = ArgumentSpecValidator(**options.SPEC.to_kwargs()).validate(params)
    assert not checked.error_messages
    clock = TurnedClock(lambda: server.control("POST", "/tick"))
    result = deployment.run(checked.validated_parameters, False, clock=clock).result
    [fault] = server.control("GET", "/faults")
    assert fault["fired"], "the fault did not come up"
    sent = [(each["method"], each["path"], str(each["query"])) for each in server.control("GET", "/requests")]
    return Run(result, sent, [entry["path"] for entry in server.writes() if entry["committed"]])


def hit(sent: list[tuple[str, str, str]], operation: str) -> int:
    """Return the index of the first request of an operation that reads."""
    ends = {"info": "/", "stats": "/_stats", "cluster_state": "/_cluster/state/metadata,nodes"}[operation]
    return next(index for index, (method, path, _query) in enumerate(sent) if method == "GET" and path.endswith(ends))


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize("name", TRANSIENT)
def test_a_read_is_repeated(server: Emulator, figures: collections.Counter[str], name: str, operation: str) -> None:
    done = run(server, "update", operation, TRANSIENT[name])
    assert not done.result.get("failed"), done.result["msg"]
    assert done.result["operation"] == "update"
    index = hit(done.sent, operation)
    assert done.sent[index + 1] == done.sent[index]
    assert done.sent[index + 2] != done.sent[index]
    figures["reads repeated"] += 1
    done.tell(figures)


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize("name", LASTING)
def test_a_read_with_a_lasting_error_is_not_repeated(
    server: Emulator, figures: collections.Counter[str], name: str, operation: str
) -> None:
    done = run(server, "update", operation, LASTING[name], times=-1)
    index = hit(done.sent, operation)
    assert done.sent.count(done.sent[index]) == 1
    # Who may not read the cluster state, or its version, is served without.
    assert done.result.get("failed") or (name == "403" and operation != "stats"), done.result
    figures["reads never repeated"] += 1
    done.tell(figures)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", TASKS)
@pytest.mark.parametrize("name", [*TRANSIENT, *LASTING])
def test_no_write_is_repeated_blindly(
    server: Emulator, figures: collections.Counter[str], name: str, write: str, when: str
) -> None:
    done = run(server, write, write, {**TRANSIENT, **LASTING}[name], when)
    done.tell(figures)
    figures["writes hit by a fault"] += 1
    if name in TRANSIENT:
        assert not done.result.get("failed"), done.result["msg"]
        assert len(done.committed) == 1
    if name in ("401", "403", "no room", "redirect"):
        assert len(done.writes) == 1
        assert done.result["failed"]


@pytest.mark.parametrize("write", ["start", "update"])
def test_missing_capacity_is_reported_at_once(server: Emulator, figures: collections.Counter[str], write: str) -> None:
    done = run(server, write, write, {"type": "capacity"}, times=-1)
    done.tell(figures)
    assert done.result["error"]["kind"] == "capacity"
    assert len(done.writes) == 1
    figures["writes never repeated, for there is no capacity"] += 1
