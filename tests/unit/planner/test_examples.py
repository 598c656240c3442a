# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the worked examples of planner.md 11: what stands there was recorded, and the planner finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import RequestFails
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import NEWER, OLDER, SETTLED
from planner_cases.cases import Allocations, Case, read_all
from planner_cases.collection import judge, planned

ROOT = Path(__file__).resolve().parent.parent.parent.parent
CASES = {case.id: case for case in read_all(sorted((ROOT / "tests/recorded/planner").glob("*.jsonl")))}
SECTION = (ROOT / "docs/development/planner.md").read_text(encoding="utf-8").split("\n## 11 ")[1].split("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line.count("|") == 6]
EXAMPLES = {case: (plan, why) for case, _nodes, _deployments, plan, why in ROWS if case in CASES}

MORE = {
    "low-5532": "a node joins, and nothing changes",
    "low-5535": "deployments of low priority keep their places",
    "low-5576": "the newer rules fail",
    "low-5843": "not all that had allocations can have one",
    "small-469": "what the greedy fill leaves of the weights decides",
    "memory-6297": "what runs on a node does not fit there twice",
}


def as_plan(text: str, case: Case) -> Allocations:
    """Read a plan such as ``d1 n1:1 n2:2; d2 n1:1``; a node's name may be cut short."""
    names = [node[0] for node in case.row["nodes"]]
    plan: Allocations = {}
    for part in [] if text == "nothing" else text.split("; "):
        deployment, *places = part.split()
        plan[deployment] = {}
        for short, number in (place.split(":") for place in places):
            [name] = [name for name in names if name == short or (".." in short and name.startswith(short[:-2]))]
            plan[deployment][name] = int(number)
    return plan


def test_all_rows_were_read() -> None:
    assert len(EXAMPLES) == len(ROWS) - 2 > 30, "all but the titles and the line below them"


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_example(name: str) -> None:
    case, (text, _why) = CASES[name], EXAMPLES[name]
    if text == "error":
        with pytest.raises(RequestFails):
            planned(case, SETTLED)
        return
    answer = planned(case, SETTLED)
    recorded = [answer.allocations for answer in case.answers((8, 18, 0))]
    plans = [as_plan(each, case) for each in text.split(" **or** ")]
    assert answer.allocations in plans
    assert all(plan in recorded for plan in plans)
    verdict = judge(case, (8, 18, 0))
    assert verdict.is_right
    assert verdict.kind == ("exact" if len(recorded) == 1 else "bounds")


@pytest.mark.parametrize("name", MORE)
def test_recorded_plans_that_few_others_are_like(name: str) -> None:
    case = CASES[name]
    if case.fails:
        with pytest.raises(RequestFails):
            planned(case, SETTLED)
    else:
        assert planned(case, SETTLED) in case.answers((8, 18, 0))
        assert judge(case, (9, 5, 0)).is_right


@pytest.mark.parametrize("name", [name for name, (_text, why) in EXAMPLES.items() if "; older " in why])
def test_worked_example_of_older_versions(name: str) -> None:
    answer = planned(CASES[name], OLDER)
    assert answer in CASES[name].answers((8, 10, 0))
    assert answer not in CASES[name].answers((8, 18, 0))


def test_worked_example_of_a_call_that_fails_in_older_versions() -> None:
    with pytest.raises(RequestFails):
        planned(CASES["cache-7060"], OLDER)


@pytest.mark.parametrize("name", EXAMPLES)
def test_newer_versions_differ_where_that_is_unsettled(name: str) -> None:
    case = CASES[name]
    if not case.fails:
        assert (planned(case, NEWER) in case.answers((8, 18, 0))) != bool(case.row.get("unsettled"))
