# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the law of warnings: they name ids, nodes, numbers and choices, and nothing that a log must not have.

Each reason in each answer ends with a canary, an answer without a reason gets one, and options with free text are
canaries, too.
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from laws.pairs import STATES, deployment_id, states
from support.canaries import canary, hits
from support.emulated_cluster import Answer, Emulator
from support.random_search import has_turn

Json = dict[str, t.Any]

VERSIONS = ("8.9.2", "9.5.3")
ACCESS = {"full": ("manage_ml", "monitor", "read_pipeline"), "blind": ("manage_ml",)}
SERVER = canary("a reason of the server")
HEADER, SECRET = canary("a value of headers"), canary("a value of secret_headers")
FOLDER = canary("the path of a recovery file")
CANARIES = (SERVER, HEADER, SECRET, FOLDER)
HEADERS: Json = {"headers": {"X-Team": HEADER.value}, "secret_headers": {"X-Gateway": SECRET.value}}
KEEP: Json = {"on_unsatisfied": "keep", "wait_timeout": 4}
FORCE: Json = {"on_referenced": "force", "on_adaptive": "skip", "number_of_allocations": 3, "wait_timeout": 4}
TASKS: dict[str, Json] = {
    "kept": KEEP,
    "more than fit, kept": {**KEEP, "number_of_allocations": 9},
    "updated": {"number_of_allocations": 3, "on_adaptive": "override"},
    "restarted": {"state": "restarted", "on_referenced": "force", "wait_timeout": 4},
    "restarted with three": {**FORCE, "state": "restarted"},
    "replaced": {**FORCE, "threads_per_allocation": 2, "replace": "stop_start"},
    "another model": {**FORCE, "model_id": "other", "replace": "stop_start"},
    "recovered": {"on_failed": "recover", "wait_timeout": 4},
    "too many, with a way back": {"number_of_allocations": 99, "on_unsatisfied": "rollback", "wait_timeout": 4},
    "guarded": {"number_of_allocations": 3, "on_adaptive": "skip", "guard": {"max": 2, "on_violation": "skip"}},
    "stopped": {"state": "stopped", "on_referenced": "force", **KEEP},
}
REFUSED: Json = {"error": {"type": "t", "reason": "planted"}, "status": 400}
KINDS = (
    "because on_unsatisfied is keep",
    "is stopped by force",
    "cannot use deployment",
    "with force, because on_referenced is force",
    "without force",
    "has 0 allocations",
    "If an inference endpoint made deployment",
    "ended before it started it again",
    "does not set the number of allocations",
    "because on_failed is recover",
    "are in its recovery file",
    "was skipped",
)
_REASON = re.compile(rb'("reason"\s*:\s*"(?:[^"\\]|\\.)*)"')
_WITHOUT = re.compile(rb'("deployment_stats"\s*:\s*\{|"routing_state"\s*:\s*\{|\{(?=\s*"task_parameters"))')


def chatty(emulator: Emulator) -> None:
    """Let each answer give reasons with a canary."""
    ask = emulator.request

    def request(method: str, target: str, headers: t.Mapping[str, str], body: bytes | None) -> Answer:
        status, answered, content = ask(method, target, headers, body)
        said = SERVER.value.encode()
        content = _REASON.sub(rb"\1 " + said + rb'"', content)
        return status, answered, _WITHOUT.sub(rb'\1"reason": "' + said + rb'", ', content)

    emulator.request = request  # type: ignore[method-assign]


def prepared(version: str, state: str, access: str) -> Emulator:
    emulator = Emulator(version)
    STATES[state].make(emulator)
    emulator.effect("put_pipeline_reference", pipeline="p", model_id=deployment_id(emulator))
    if state == "starting":
        emulator.effect("hold", deployment_id=deployment_id(emulator))
    emulator.allow(*ACCESS[access])
    chatty(emulator)
    return emulator


def outcomes(emulator: Emulator, path: Path, task: Json) -> t.Iterator[Json]:
    """Yield results of both modules in check mode, and of the runs after one that is killed right after its start."""
    options = {"deployment_id": deployment_id(emulator), "model_id": "m", "recovery_file": str(path), **task}
    yield emulator.run(check_mode=True, **HEADERS, **options)
    yield emulator.run_many([options], check_mode=True, **HEADERS)
    with emulator.kill(what="_start"):
        emulator.run(**HEADERS, **options)
    for times in (1, 1):  # the first start is refused, so that the recovery file stays
        emulator.fault("start", {"type": "answer", "status": 400, "body": REFUSED}, times=times)
        yield emulator.run(**HEADERS, **options)


def tasks(version: str, state: str, access: str) -> list[str]:
    """Return the tasks that have their turn: more in the newest version, which alone has some of the states."""
    turn = VERSIONS.index(version) + list(STATES).index(state) + list(ACCESS).index(access)
    share = 2 if version == VERSIONS[-1] else 5
    return [name for number, name in enumerate(TASKS) if has_turn(turn + number, share)]


def warned(
    version: str, state: str, access: str, folder: Path, names: t.Iterable[str]
) -> t.Iterator[tuple[Json, list[str]]]:
    for name in names:
        task = TASKS[name]
        with prepared(version, state, access) as emulator:
            for result in outcomes(emulator, folder / f"{name}.json", task):
                yield result, [f"{name}: {text}" for text in result["warnings"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / FOLDER.value
    made.mkdir()
    return made


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize(("version", "state"), [(version, state) for version in VERSIONS for state in states(version)])
def test_no_warning_has_a_value_or_a_text_of_the_server(version: str, state: str, access: str, folder: Path) -> None:
    for _result, warnings in warned(version, state, access, folder, tasks(version, state, access)):
        assert hits(CANARIES, [(f"{version}, {state}, {access}", text) for text in warnings]) == []
        assert not any("double:9200" in text for text in warnings)


def test_the_law_sees_every_kind_of_warning_and_results_have_what_they_leave_out(folder: Path) -> None:
    texts, details = [], []
    for state, access in (("half failed", "full"), ("starting", "blind"), ("asleep", "full"), ("frozen", "full")):
        for result, warnings in warned("9.5.3", state, access, folder, TASKS):
            texts += warnings
            details += [text for item in result.get("deployments") or [result] for text in item["details"]]
    missing = [kind for kind in KINDS if not any(kind in text for text in texts)]
    assert missing == []
    assert {name for name, *_place in hits(CANARIES, [("details", text) for text in details])} == {
        SERVER.name,
        FOLDER.name,
    }
