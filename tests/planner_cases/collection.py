# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let the collection predict recorded cases, and judge its ``exact`` and its ``bounds``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.events import Update, task_of
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.predict import (
    Prediction,
    predict,
    predict_all,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rebalance import rebalance
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import (
    Deployment,
    Node,
    RequestFails,
    Route,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.routes import routes_after
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import Rules, Version

from .cases import MIB, Allocations, Answer, Case, cleaned
from .report import Difference, Report, table


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The judgement of one prediction. ``kind``: ``exact``, ``bounds``, or ``fails``: the request is sure to fail."""

    kind: str
    is_right: bool
    planned: Answer | Bounds


@dataclasses.dataclass(frozen=True)
class Bounds:
    """A prediction that is not exact."""

    prediction: Prediction

    def __str__(self) -> str:
        said = self.prediction
        return f"{cleaned(said.least)} to {cleaned(said.most)}, because of {', '.join(said.reasons)}"


def compare(read: Iterable[Case], version: Version) -> Report:
    """Return how the predictions for a version compare with what Elasticsearch planned.

    Calls that fail were not recorded for 8.8 to 8.11 (planner.md 10): those cases are left out there.
    """
    cases = [case for case in read if not case.fails and case.answers(version)]
    verdicts = [(case, judge(case, version)) for case in cases]
    if Rules.of(version).one_figure:
        verdicts = [(case, verdict) for case, verdict in verdicts if verdict.kind != "fails"]
    differing = [
        Difference(case, _problem(verdict), verdict.planned, case.answers(version))
        for case, verdict in verdicts
        if not verdict.is_right
    ]
    return Report(differing, len(verdicts), _by_group(verdicts), _last_line([verdict for _case, verdict in verdicts]))


def judge(case: Case, version: Version) -> Verdict:
    """Return whether a prediction is right: an exact one only where Elasticsearch can answer nothing else."""
    answers = case.answers(version)
    try:
        prediction = predicted(case, Rules.of(version))
    except RequestFails as failure:
        return Verdict("fails", False, Answer({}, failure=str(failure)))
    if prediction.kind == "bounds":
        return Verdict("bounds", all(holds(prediction, answer.allocations) for answer in answers), Bounds(prediction))
    planned = Answer(cleaned(prediction.allocations), prediction.lost, _state(case, prediction.allocations))
    return Verdict("exact", case.is_settled(version) and planned in answers, planned)


def planned(case: Case, rules: Rules) -> Answer:
    """Return the plan by certain rules; raise ``RequestFails`` where there is none."""
    nodes, deployments = nodes_of(case), deployments_of(case)
    if case.is_reduction:
        event = Update(deployments[0].id, case.row["to"])
        return Answer(cleaned({each.id: each.targets for each in task_of(nodes, tuple(deployments), event).situation}))
    plan = rebalance(nodes, deployments, rules, case.new)
    return Answer(cleaned(plan.allocations), plan.lost, _state(case, plan.allocations))


def predicted(case: Case, rules: Rules) -> Prediction:
    """Return the prediction for everything in a case."""
    if case.is_reduction:
        event = Update(case.row["deployments"][0]["id"], case.row["to"])
        return predict_all(nodes_of(case), deployments_of(case), rules, [event])[0]
    return predict(nodes_of(case), deployments_of(case), rules, case.new)


def holds(prediction: Prediction, allocations: Allocations) -> bool:
    """Return whether a plan is within the bounds of a prediction, node by node and in sum."""
    return all(
        prediction.least.get(name, {}).get(node, 0) <= number <= prediction.most.get(name, {}).get(node, 0)
        for name in prediction.allocations
        for node in {*prediction.least.get(name, {}), *prediction.most.get(name, {}), *allocations.get(name, {})}
        for number in [allocations.get(name, {}).get(node, 0)]
    ) and all(
        least <= sum(allocations.get(name, {}).values()) <= most for name, (least, most) in prediction.totals.items()
    )


def _state(case: Case, allocations: Mapping[str, Mapping[str, int]]) -> str | None:
    """Return the state of the deployment that was being stopped, after the plan."""
    for each in deployments_of(case):
        if each.id == case.stopping:
            routes = routes_after(each, allocations[each.id]).values()
            return "started" if any(route.state == "started" for route in routes) else "starting"
    return None


def _problem(verdict: Verdict) -> str:
    return {"exact": "wrongly exact", "bounds": "the bounds do not hold", "fails": "predicted to fail"}[verdict.kind]


def _by_group(verdicts: Iterable[tuple[Case, Verdict]]) -> list[str]:
    groups: dict[str, list[Verdict]] = {}
    for case, verdict in verdicts:
        groups.setdefault(case.group, []).append(verdict)
    rows = [(name, *_counts(found)) for name, found in groups.items()]
    total = ("all", *_counts([verdict for _case, verdict in verdicts]))
    return table(("group", "cases", "exact", "share", "wrongly exact", "bounds", "broken"), [*rows, total])


def _counts(verdicts: Sequence[Verdict]) -> tuple[object, ...]:
    exact = [verdict for verdict in verdicts if verdict.kind == "exact"]
    bounds = [verdict for verdict in verdicts if verdict.kind == "bounds"]
    share = f"{100 * len(exact) / len(verdicts):.1f} %" if verdicts else "-"
    return len(verdicts), len(exact), share, _wrong(exact), len(bounds), _wrong(bounds)


def _wrong(verdicts: Iterable[Verdict]) -> int:
    return sum(not verdict.is_right for verdict in verdicts)


def _last_line(verdicts: Sequence[Verdict]) -> str:
    exact = [verdict for verdict in verdicts if verdict.kind != "bounds"]
    bounds = [verdict for verdict in verdicts if verdict.kind == "bounds"]
    right = f"{len(exact) - _wrong(exact)} of {len(exact)} exact cases as Elasticsearch plans"
    return f"{right}, {len(bounds) - _wrong(bounds)} bounds hold of {len(bounds)}"


def nodes_of(case: Case) -> list[Node]:
    """Return the nodes of a case."""
    return [Node(name, mib * MIB, cores, tuple(zone)) for name, mib, cores, *zone in case.row["nodes"]]


def deployments_of(case: Case) -> list[Deployment]:
    """Return the deployments of a case, whose models have the same ids."""
    return [
        Deployment(
            each["id"],
            each["id"],
            each["mb"] * MIB,
            each["n"],
            each["t"],
            each.get("priority", "normal"),
            each.get("per_deployment", 0) * MIB,
            each.get("per_allocation", 0) * MIB,
            each.get("cache", 0) * MIB,
            each.get("max", 0),
            {node: Route(*route) for node, route in each.get("routes", {}).items()},
        )
        for each in case.row["deployments"]
    ]
