# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the table of deployments before and after a task."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.mlops.elasticsearch.plugins.filter.changes_table import FilterModule
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
changes_table = FilterModule().filters()["changes_table"]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator("9.5.3") as cluster:
        for name in ("grows", "stops", "stays", "adapts"):
            cluster.effect("start_deployment", model_id="m", deployment_id=name)
            cluster.settle()
        yield cluster


ITEMS: list[Json] = [
    {"deployment_id": "grows", "number_of_allocations": 2},
    {"deployment_id": "stops", "state": "stopped"},
    {"deployment_id": "stays"},
    {
        "deployment_id": "adapts",
        "adaptive_allocations": {
            "enabled": True,
            "min_number_of_allocations": 1,
            "max_number_of_allocations": 2,
        },
    },
    {"deployment_id": "new", "model_id": "m", "number_of_allocations": 2, "threads_per_allocation": 2},
    {"deployment_id": "absent", "on_missing": "fail"},
    {"deployment_id": "ignored", "on_missing": "skip"},
]
ROWS = [
    "deployment  change  allocations  threads     adaptive  state and nodes",
    "----------  ------  -----------  -------  -----------  ---------------------",
    "grows       update       1 -> 2        1          off  started, n1 1 -> 2",
    "stops       stop         1 -> 0        1          off  started -> stopped,",
    "                                                       n1 1 -> 0",
    "adapts      update            1        1  off -> 1..2  started, n1 1",
    "new         start        0 -> 2        2          off  stopped -> started,",
    "                                                       n2 0 -> 2",
]
SENTENCES = [
    "ignored skipped: deployment 'ignored' does not exist and on_missing is skip.",
    "absent failed: Deployment 'absent' does not exist.",
]


def test_check_mode_shows_what_the_run_then_shows_and_the_next_run_has_no_table(emulator: Emulator) -> None:
    for check_mode in (True, False):
        lines = changes_table(emulator.run_many(ITEMS, check_mode=check_mode)["deployments"])
        assert lines[: len(ROWS)] == ROWS
        assert lines[len(ROWS)] == "1 unchanged: stays."
        assert all(any(line.startswith(sentence) for line in lines) for sentence in SENTENCES), lines
        assert max(map(len, lines)) <= 76
    again = changes_table(emulator.run_many(ITEMS)["deployments"])
    assert again[0] == "5 unchanged: grows, stops, stays, adapts, new."
    assert again[1].startswith("absent failed: ")
    short = changes_table(emulator.run_many(ITEMS, detail="changed")["deployments"])
    assert short == again
    assert changes_table([]) == []


def test_where_elasticsearch_sets_the_number_it_is_that_of_the_nodes(emulator: Emulator) -> None:
    emulator.run(**ITEMS[3])
    stopped = emulator.run(check_mode=True, deployment_id="adapts", state="stopped")
    assert changes_table([stopped])[2].split()[:8] == ["adapts", "stop", "1", "->", "0", "1", "1..2", "started"]
    wide: Json = {"enabled": True, "min_number_of_allocations": 0}
    opened = emulator.run(check_mode=True, deployment_id="stays", adaptive_allocations=wide)
    assert changes_table([opened])[2].split()[2:7] == ["1", "1", "off", "->", "0.."]
    unread = {**stopped, "routing_table_before": {"n": {"target_allocations": None, "current_allocations": None}}}
    unread["routing_table_before"]["n"]["node_name"] = None
    assert changes_table([unread])[2].split()[2:5] == ["?", "->", "0"]


def test_a_restart_shows_its_nodes_and_a_start_without_a_wait_its_state(emulator: Emulator) -> None:
    row = changes_table([emulator.run(deployment_id="grows", state="restarted")])[2]
    assert row.split()[:6] == ["grows", "restart", "1", "1", "off", "started,"]
    started = changes_table([emulator.run(deployment_id="quick", model_id="m", wait=False)])
    assert "stopped -> starting," in started[2]


def test_what_is_not_certain_is_a_question_mark_with_its_reasons(emulator: Emulator) -> None:
    emulator.allow("manage_ml")
    grown = emulator.run(check_mode=True, deployment_id="grows", number_of_allocations=4)
    lines = changes_table([grown], 120)
    assert "1 -> 4" in lines[2]
    assert lines[2].endswith("started, n1 1 -> ?, n2 0 -> ?")
    assert "grows, not certain: Node n1: 0 to 4 allocations." in lines
    started = emulator.run(check_mode=True, deployment_id="new", model_id="m")
    unsaid = {**started, "routing_table": {}, "prediction": {"kind": None, "reasons": []}}
    assert changes_table([unsaid], 120)[2:] == [
        "new         start        0 -> 1        1       off  stopped -> started, ?"
    ]
    assert "n1 1 -> 0" in changes_table([emulator.run(check_mode=True, deployment_id="stops", state="stopped")], 120)[2]


def test_a_failure_that_read_nothing_afterwards_has_question_marks() -> None:
    item = {
        "deployment_id": "lost",
        "changed": True,
        "operation": "update",
        "failed": True,
        "msg": "No answer\nat all.",
    }
    item |= dict.fromkeys(("before", "after", "deployment", "routing_table", "routing_table_before", "prediction"))
    assert changes_table([item]) == [
        "deployment  change  allocations  threads  adaptive  state and nodes",
        "----------  ------  -----------  -------  --------  ---------------",
        "lost        update            ?        ?         ?  ?, ?",
        "lost failed: No answer at all.",
    ]


def test_an_item_without_an_id_is_in_the_sentences() -> None:
    """Test it with an item of a loop that ``when`` left out, and with one that failed before it had an id."""
    items = [{"changed": False, "skipped": True}, {"failed": True, "msg": "model_id is 7, not a text."}]
    assert changes_table(items) == ["1 unchanged: ?.", "? failed: model_id is 7, not a text."]
