# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let the emulator play recorded cases: plans, and decisions of the service (recorded-answers.md 3 and 4)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import Rules, Version
from emulator_tests.recordings import Row
from emulator_tests.replay import plans

from .cases import Answer, Case, cleaned
from .report import Difference, Report, table

DECIDED = "8.19.21"
"""The version in which all decisions of the service were recorded."""
RIGHT, UNRECORDED = "right", "unrecorded"


def compare(read: Iterable[Case], version: Version) -> Report:
    """Return how the emulator of a version compares with Elasticsearch.

    Left out are plans that were not recorded for the version, and requests that do not reach the service.
    """
    judged = [(case, judge(case, version)) for case in read if not case.fails and _is_comparable(case, version)]
    known = [(case, verdict) for case, verdict in judged if verdict is not UNRECORDED]
    differing = [verdict for _case, verdict in known if isinstance(verdict, Difference)]
    line = f"{len(known) - len(differing)} of {len(known)} cases as Elasticsearch plans"
    return Report(differing, len(known), _by_group(known), line)


def judge(case: Case, version: Version) -> Difference | str:
    """Return what is wrong with a case as the emulator plays it, or whether it is right or unrecorded."""
    return _decision(case) if _is_decision(case) else _plan(case, version)


def _plan(case: Case, version: Version) -> Difference | str:
    played = plans.planned(case.row, ".".join(map(str, (*version, 0, 0)[:3])))
    failure = "refused" if "refused" in played else None
    if failure and Rules.of(version).one_figure:
        # The calls that fail were not recorded for these versions (planner.md 10).
        return UNRECORDED
    answer = Answer(
        cleaned(played.get("targets", {})), frozenset(played.get("lost", ())), played.get("state after"), failure
    )
    answers = case.answers(version)
    return RIGHT if answer in answers else Difference(case, "another plan", answer, answers)


def _decision(case: Case) -> Difference | str:
    recorded, played = plans.assignment_service(Row("assignment_service", 0, case.row), DECIDED)
    if played == recorded:
        return RIGHT
    return Difference(case, "another decision", json.dumps(played), [Answer({}, failure=json.dumps(recorded))])


def _is_decision(case: Case) -> bool:
    return bool(case.row["kind"] == "service")


def _is_comparable(case: Case, version: Version) -> bool:
    """Return whether a client can cause it, and it was recorded for the version without doubt."""
    if _is_decision(case):
        error = case.row["outcome"].get("error") or {}
        return case.row["call"] != "remove" and error.get("type") != "resource_already_exists_exception"
    return bool(case.answers(version)) and (Rules.of(version).counts_current or not case.row.get("unsettled"))


def _by_group(judged: Iterable[tuple[Case, Difference | str]]) -> list[str]:
    groups: dict[str, list[bool]] = {}
    for case, verdict in judged:
        groups.setdefault(case.group, []).append(verdict is RIGHT)
    return table(("group", "cases", "as Elasticsearch"), list(_rows(groups)))


def _rows(groups: dict[str, list[bool]]) -> Iterator[tuple[object, ...]]:
    for name, right in groups.items():
        yield name, len(right), sum(right)
