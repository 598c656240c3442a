# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read recorded cases, and say which answers a version may give."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import Rules, Version

Allocations = dict[str, dict[str, int]]
MIB = 1 << 20
LATER = ("memory", "one-figure", "zero")
"""Groups about what 8.8 to 8.11 do not have: nothing was recorded for those versions."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer of a planner to a case. ``state``: that of the deployment that is being stopped, if there is one.

    ``failure``: why there is no plan.
    """

    allocations: Allocations
    lost: frozenset[str] = frozenset()
    state: str | None = None
    failure: str | None = None

    def __str__(self) -> str:
        parts = [self.failure or json.dumps(self.allocations)]
        parts += [f"lost: {', '.join(sorted(self.lost))}"] if self.lost else []
        parts += [f"the stopped one is {self.state}"] if self.state else []
        return "; ".join(parts)


@dataclasses.dataclass(frozen=True)
class Case:
    """One recorded line. recorded-answers.md 3.1 has the fields of ``row``."""

    row: dict[str, t.Any]

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def group(self) -> str:
        return str(self.row["group"])

    @property
    def fails(self) -> bool:
        """Return whether Elasticsearch's own classes throw."""
        return "error" in self.row or "refused" in self.row

    @property
    def is_reduction(self) -> bool:
        """Return whether it is a scale-down, for which nothing is planned."""
        return bool(self.row["kind"] == "reduce")

    @property
    def new(self) -> str | None:
        """Return the deployment that is started; where all are, the last one."""
        last: str = self.row["deployments"][-1]["id"]
        return self.row.get("new") if self.row["kind"] == "rebalance" else last

    @property
    def stopping(self) -> str | None:
        """Return the deployment that is being stopped."""
        return next((each["id"] for each in self.row["deployments"] if each.get("stopping")), None)

    def answers(self, version: Version) -> list[Answer]:
        """Return what Elasticsearch may have answered in a version; nothing if that was not recorded."""
        rules = Rules.of(version)
        plans: list[Allocations] = self.row.get("answers", [])
        older: list[Allocations] = [] if self.group in LATER else self.row.get("older", plans)
        if rules.one_figure:
            plans = older
        elif any(other.one_figure for other in rules.others):
            plans = plans + [plan for plan in older if plan not in plans]
        lost, state = frozenset(self.row.get("lost", ())), self.row.get("state_after")
        return [Answer(cleaned(plan), lost, state) for plan in plans]

    def is_settled(self, version: Version) -> bool:
        """Return whether there is one answer in a version, without doubt."""
        rules = Rules.of(version)
        follows_newer = any(not each.counts_current for each in (rules, *rules.others))
        return len(self.answers(version)) == 1 and not (follows_newer and self.row.get("unsettled"))


class BadFile(Exception):
    """A file that has no cases of this form; the message says where and why."""


_FIELDS = {
    **dict.fromkeys(("rebalance", "planner", "zones"), ("id", "group", "nodes", "deployments")),
    "reduce": ("id", "group", "nodes", "deployments", "to"),
    "service": ("call", "state", "nodes", "deployments", "outcome"),
}
"""The fields that a case of each kind needs."""


def read(paths: Iterable[Path]) -> Iterator[Case]:
    """Yield the cases of files, without those in which Elasticsearch's own classes fail."""
    return (case for case in read_all(paths) if not case.fails)


def read_all(paths: Iterable[Path]) -> Iterator[Case]:
    """Yield all cases of files.

    :raises BadFile: a file cannot be read, or a line of it is no case.
    """
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeError) as error:
            raise BadFile(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from error
        yield from [_case(f"{path}:{number}", line) for number, line in enumerate(lines, 1) if line.strip()]


def _case(where: str, line: str) -> Case:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BadFile(f"{where}: no JSON: {error}") from error
    wrong = _mistake(row)
    if wrong:
        raise BadFile(f"{where}: {wrong}")
    return Case(row)


def _mistake(row: t.Any) -> str | None:
    """Return what is wrong with a row, ``None`` if nothing is."""
    if not isinstance(row, dict):
        return "a case is a JSON object"
    kind = row.get("kind")
    if kind not in _FIELDS:
        return f"the kind {json.dumps(kind)} is unknown; known are {', '.join(_FIELDS)}"
    lacking = [name for name in _FIELDS[kind] if name not in row]
    if lacking:
        return f"a case of kind {kind} needs {', '.join(lacking)}"
    return None if kind == "service" else _mistake_in_situation(row)


def _mistake_in_situation(row: dict[str, t.Any]) -> str | None:
    nodes, deployments, answers = row["nodes"], row["deployments"], row.get("answers", [])
    if not isinstance(nodes, list) or not all(map(_is_node, nodes)):
        return "nodes are lists of an id, MiB of memory and processors, and perhaps the values of a zone"
    if not isinstance(deployments, list) or not deployments or not all(map(_is_deployment, deployments)):
        return "deployments are one or more objects with a text id, and whole numbers mb, n and t"
    if not isinstance(answers, list) or not all(isinstance(each, dict) for each in answers):
        return "answers are a list of objects: deployment id to node id to number"
    return None


def _is_node(given: t.Any) -> bool:
    if not isinstance(given, list) or len(given) < 3:
        return False
    name, memory, cores, *zone = given
    return all(isinstance(each, str) for each in (name, *zone)) and _is_number(memory) and _is_number(cores)


def _is_deployment(given: t.Any) -> bool:
    return (
        isinstance(given, dict)
        and isinstance(given.get("id"), str)
        and all(_is_number(given.get(name)) for name in ("mb", "n"))
        and _is_number(given.get("t"))
        and given["t"] > 0
    )


def _is_number(given: t.Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 0


def cleaned(allocations: Mapping[str, Mapping[str, int]]) -> Allocations:
    """Return allocations without what is zero, in order."""
    found = {
        deployment: {node: number for node, number in sorted(of_nodes.items()) if number}
        for deployment, of_nodes in sorted(allocations.items())
    }
    return {deployment: of_nodes for deployment, of_nodes in found.items() if of_nodes}
