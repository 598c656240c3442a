# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the options of the role upgrade_guard."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.filter.upgrade_guard_options import FilterModule

Json = dict[str, t.Any]
options = FilterModule().filters()["upgrade_guard_options"]
GIVEN: Json = {"action": "record", "file": "f"}


def test_defaults() -> None:
    assert options(GIVEN) == {
        "action": ["record"],
        "file": "f",
        "except": [],
        "on_referenced": "fail",
        "on_refused": "fail",
        "on_bounded": "fail",
        "aliases": "restore",
        "replace": "never",
        "overwrite": None,
        "stop_unrecorded": None,
        "finish_pending_work": None,
        "fail_on_drift": None,
        "dry_run": None,
        "quiesce": {"mode": "", "nodes": [], "upgrade_mode": False},
        "looks": {"retries": 30, "delay": 10.0},
        **dict.fromkeys(["guard", "guard_of_list", "preflight", "wait_for"]),
        **dict.fromkeys(["wait_timeout", "wait_sleep", "server_timeout"]),
        "refused": [],
    }


@pytest.mark.parametrize("nothing", [None, "", " ", "left out"])
def test_what_surveys_and_templates_send_for_nothing(nothing: t.Any) -> None:
    empty = {"except": nothing, "quiesce": nothing, "overwrite": nothing, "aliases": nothing, "wait_timeout": nothing}
    handed_on = dict.fromkeys(
        ["guard", "guard_of_list", "preflight", "wait_for", "wait_sleep", "server_timeout"], nothing
    )
    inner = {"quiesce": {"mode": nothing, "nodes": nothing, "upgrade_mode": nothing}}
    for each in (empty, handed_on, inner):
        assert options({**GIVEN, **each}, "left out") == options(GIVEN)


def test_a_mark_of_omission_that_is_no_text() -> None:
    omit = object()
    assert options({**GIVEN, "wait_sleep": omit, "quiesce": {"nodes": omit}}, omit) == options(GIVEN)
    assert options("", omit)["refused"]


def test_values_in_other_forms() -> None:
    given = {
        "action": "quiesce, record",
        "file": "f",
        "except": "a\nb, c",
        "quiesce": {"mode": "stop_nodes", "nodes": ["ml-1"], "upgrade_mode": "yes"},
        "overwrite": "off",
        "wait_timeout": "1m",
        "wait_sleep": 7,
    }
    found = options(given)
    assert found["refused"] == []
    assert (found["action"], found["except"]) == (["record", "quiesce"], ["a", "b", "c"])
    assert found["quiesce"] == {"mode": "stop_nodes", "nodes": ["ml-1"], "upgrade_mode": True}
    assert (found["overwrite"], found["looks"]) == (False, {"retries": 9, "delay": 7.0})
    assert (found["wait_timeout"], found["wait_sleep"]) == (60.0, 7.0)
    assert options({**GIVEN, "wait_timeout": 0})["looks"]["retries"] == 0
    assert options({**given, "quiesce": {"mode": "upgrade_mode"}})["quiesce"]["upgrade_mode"]


REFUSED: list[tuple[t.Any, str]] = [
    (7, "upgrade_guard takes a dictionary with action, file, "),
    ({"file": "f"}, "upgrade_guard.action has no value."),
    ({**GIVEN, "action": []}, "upgrade_guard.action is one of record, quiesce and restore, or the list [record, "),
    ({"action": ["record", "restore"], "file": "f"}, "upgrade_guard.action is one of"),
    ({"action": 7, "file": "f"}, "upgrade_guard.action takes a list, not 7."),
    ({"action": "stop", "file": "f"}, "upgrade_guard.action takes record, quiesce, restore, not stop."),
    ({"action": "record"}, "upgrade_guard.file has no value."),
    ({"action": "record", "file": 7}, "upgrade_guard.file takes a path as text, not 7."),
    ({"action": "record", "file": " "}, "upgrade_guard.file has no value."),
    ({**GIVEN, "node": 1}, "upgrade_guard has no key node. Its keys are action, file,"),
    ({**GIVEN, "except": [""]}, "upgrade_guard.except[0] has no value. Give it one, or leave it out."),
    ({**GIVEN, "aliases": "drop"}, "upgrade_guard.aliases takes restore, leave, not drop."),
    ({**GIVEN, "overwrite": "perhaps"}, "upgrade_guard.overwrite takes true or false, not 'perhaps'."),
    ({**GIVEN, "wait_timeout": "soon"}, "upgrade_guard.wait_timeout is 'soon', not a time"),
    ({**GIVEN, "action": "quiesce"}, "upgrade_guard.quiesce.mode has no value. It is one of stop_all,"),
    (
        {**GIVEN, "action": "quiesce", "quiesce": {"mode": "stop"}},
        "upgrade_guard.quiesce.mode takes stop_all, stop_nodes, ",
    ),
    ({**GIVEN, "action": "quiesce", "quiesce": {"mode": "stop_nodes"}}, "upgrade_guard.quiesce.nodes has no value."),
    (
        {**GIVEN, "action": "quiesce", "quiesce": {"mode": "stop_all", "nodes": "ml-1"}},
        "upgrade_guard.quiesce.nodes has no meaning with the mode stop_all.",
    ),
]


@pytest.mark.parametrize(("given", "sentence"), REFUSED)
def test_what_makes_no_sense(given: t.Any, sentence: str) -> None:
    assert any(each.startswith(sentence) for each in options(given)["refused"]), options(given)["refused"]
