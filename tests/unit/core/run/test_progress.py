# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the lines that a user sees while a task waits."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.progress import EVERY, ItemStatus, Progress
from support.emulated_cluster import Emulator, TurnedClock

LAZY = {"name": "xpack.ml.max_lazy_ml_nodes", "value": 5}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


def standing(name: str, why: str = "", failed: bool = False) -> ItemStatus:
    return ItemStatus(name, why, over=not why, failed=failed)


class Watched:
    """A wait that polls each second, and its lines, each with the second at which it came."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str]] = []
        self.clock = TurnedClock(lambda: None)
        self.progress = Progress(lambda line: self.lines.append((self.clock.monotonic(), line)), self.clock)

    def looks(self, number: int, *standings: ItemStatus) -> None:
        for _each in range(number):
            self.progress.show(standings)
            self.clock.sleep(1)


def test_nothing_is_reported_twice() -> None:
    watched = Watched()
    watched.looks(30, standing("d", "0 of 2 run"))
    assert watched.lines == [(0, "d: 0 of 2 run")]


def test_lines_keep_their_distance_and_tell_how_it_is_then() -> None:
    watched = Watched()
    for running in range(12):
        watched.looks(1, standing("d", f"{running} of 12 run"))
    reported = [second for second, _line in watched.lines]
    assert reported == [0, EVERY, 2 * EVERY]
    assert watched.lines[1][1] == "d: 5 of 12 run"


def test_what_was_seen_in_between_is_not_lost() -> None:
    watched = Watched()
    watched.looks(1, standing("d", "0 of 2 run"))
    watched.looks(9, standing("d", "1 of 2 run"))
    assert watched.lines == [(0, "d: 0 of 2 run"), (EVERY, "d: 1 of 2 run")]


def test_parts_are_separated_by_one_period_each() -> None:
    watched = Watched()
    watched.looks(1, standing("a", "no answer."), standing("b", "0 of 2 run"))
    assert watched.lines == [(0, "0 of 2 done. a: no answer. b: 0 of 2 run")]


def test_the_end_is_reported_by_the_result() -> None:
    watched = Watched()
    watched.looks(9, standing("d"))
    watched.looks(9, standing("d"), standing("e", failed=True))
    assert watched.lines == []


def test_a_fleet_has_one_line_for_all_that_changed() -> None:
    watched = Watched()
    watched.looks(6, standing("a", "0 of 1 run"), standing("b", "0 of 2 run"), standing("c"))
    watched.looks(6, standing("a"), standing("b", "0 of 2 run"), standing("c"))
    watched.looks(6, standing("a"), standing("b", "1 of 2 run"), standing("c", failed=True))
    assert [line for _second, line in watched.lines] == [
        "1 of 3 done. a: 0 of 1 run. b: 0 of 2 run",
        "2 of 3 done",
        "1 of 3 done, 1 failed. b: 1 of 2 run",
    ]


def test_a_long_line_is_cut() -> None:
    watched = Watched()
    watched.looks(1, *(standing(f"d{number}", "waits") for number in range(12)))
    [(_second, line)] = watched.lines
    assert line.startswith("0 of 12 done. d0: waits. d1: waits.")
    assert line.endswith("d9: waits. and 2 more")


def test_a_wait_says_what_is_missing_and_on_which_node(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=3)
    emulator.effect("hold", deployment_id="m")
    emulator.run(model_id="m", wait_timeout=60)
    assert emulator.reported == ["m: 0 of 3 allocations run, and it is starting; on node n1 it is starting"]


def test_a_cluster_that_may_grow_is_seen_to_be_waited_for(emulator: Emulator) -> None:
    emulator.effect("set_setting", **LAZY)
    emulator.run(model_id="m", number_of_allocations=10, wait_timeout=20)
    assert emulator.reported[0].startswith("m: 0 of 10 allocations run, and it is starting (Could not assign")
    assert emulator.reported[0].endswith("); on node n1 it is starting; on node n2 it is starting")
    assert emulator.reported[-1].startswith("m: 8 of 10 allocations run, and it is started (Could not assign")
    assert len(emulator.reported) == 2


def test_a_poll_that_fails_is_seen(emulator: Emulator) -> None:
    emulator.fault("stats", {"type": "drop"}, after=1, times=-1)
    emulator.run(model_id="m", request_retries=0, wait_timeout=20)
    [line] = emulator.reported
    assert line.startswith("m: Cannot read")


def test_all_waits_of_a_fleet_are_in_one_line(emulator: Emulator) -> None:
    items = [{"deployment_id": name, "model_id": "m"} for name in "abc"]
    for name in "ab":
        emulator.effect("start_deployment", model_id="m", deployment_id=name, number_of_allocations=1)
        emulator.effect("hold", deployment_id=name)
    emulator.run_many(items, wait_timeout=20)
    assert emulator.reported[0].startswith("0 of 3 done. a: 0 of 1 allocations run")
    assert emulator.reported[1:] == ["1 of 3 done"]


def test_a_wait_that_the_cluster_state_does_not_confirm_says_what_is_missing(emulator: Emulator) -> None:
    """Test statistics that show three for two desired, before the cluster state shows a target of six."""
    emulator.run(model_id="m", number_of_allocations=3)
    emulator.reported.clear()
    effect = {"do": "set_number", "deployment_id": "m", "number_of_allocations": 6}
    emulator.fault("cluster_state", {"type": "effect", "effect": effect}, after=1)
    emulator.run(model_id="m", number_of_allocations=2, wait_sleep=10, wait_timeout=20)
    start = "m: 3 of 6 allocations run, and it is started"
    assert emulator.reported[0] == f"{start}; node n1 runs 3 and is to run 4; on node id-n2 it is starting"


def test_check_mode_has_nothing_to_tell(emulator: Emulator) -> None:
    emulator.run(check_mode=True, model_id="m")
    assert emulator.reported == []
