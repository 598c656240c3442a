# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the planner against every recorded plan, by the rules of each version (recorded-answers.md 3)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rebalance import rebalance
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import RequestFails
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.reduce import reduce_allocations
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import NEWER, OLDER, SETTLED, Rules
from planner_cases.__main__ import version as as_version
from planner_cases.cases import Answer, Case, cleaned, read
from planner_cases.collection import deployments_of, judge, nodes_of

RECORDED = Path(__file__).resolve().parent.parent.parent / "recorded/planner"
FILES = sorted(RECORDED.glob("*.jsonl"))
CASES = list(read(FILES))
V8_18 = (8, 18, 0)
# Calls that fail in 8.8 to 8.11, because a node ends below zero (planner.md 10): not recorded for those.
FAIL_IN_OLDER = {"low-6005", "low-6006", "low-6007"}
FAIL_IN_OLDER |= {f"cache-{number}" for number in (7050, 7060, 7080, 7086, 7092, 7126, 7182, 7188, 7204)}


def planned(case: Case, rules: Rules) -> Answer | None:
    """Return the plan by certain rules; ``None`` if the request fails."""
    deployments = deployments_of(case)
    try:
        if case.is_reduction:
            zones = {
                node.zone: [each.id for each in nodes_of(case) if each.zone == node.zone] for node in nodes_of(case)
            }
            reduced = reduce_allocations(deployments[0].targets, zones, case.row["to"])
            return Answer(cleaned({deployments[0].id: reduced}))
        plan = rebalance(nodes_of(case), deployments, rules, case.new)
    except RequestFails:
        return None
    return Answer(cleaned(plan.allocations), plan.lost, case.row.get("state_after"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_settled_rules(path: Path) -> None:
    cases = list(read([path]))
    assert len(cases) > 30
    assert [case.id for case in cases if planned(case, SETTLED) not in case.answers(V8_18)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_newer_rules_differ_where_the_answer_is_unsettled(path: Path) -> None:
    differing = {case.id for case in read([path]) if planned(case, NEWER) not in case.answers(V8_18)}
    assert differing == {case.id for case in read([path]) if case.row.get("unsettled")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_older_rules(path: Path) -> None:
    cases = [case for case in read([path]) if case.answers((8, 10, 0))]
    plans = {case.id: planned(case, OLDER) for case in cases}
    failing = {name for name, plan in plans.items() if plan is None}
    assert failing == {case.id for case in cases} & FAIL_IN_OLDER
    assert [case.id for case in cases if plans[case.id] not in (None, *case.answers((8, 10, 0)))] == []


def test_requests_that_fail() -> None:
    rows = [json.loads(line) for path in FILES for line in path.read_text(encoding="utf-8").splitlines()]
    failing = [Case(row) for row in rows if "error" in row]
    assert len(failing) == 36
    assert [case.id for case in failing if planned(case, SETTLED)] == []


@pytest.mark.parametrize(
    ("version", "share"), [("8.18", 0.997), ("8.10", 0.994), ("8.13", 0.91), ("9.0.4", 0.997), ("9.5.3", 0.975)]
)
def test_predictions(version: str, share: float) -> None:
    """Test that no prediction is wrongly exact, that all bounds hold, and that most predictions are exact."""
    verdicts = [judge(case, as_version(version)) for case in CASES if case.answers(as_version(version))]
    assert [verdict for verdict in verdicts if not verdict.is_right and verdict.kind != "fails"] == []
    exact = [verdict for verdict in verdicts if verdict.kind == "exact"]
    assert len(exact) >= share * len(verdicts)
