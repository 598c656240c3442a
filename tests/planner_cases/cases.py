# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read recorded cases, and say which answers a version may give."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import Rules, Version

Allocations = dict[str, dict[str, int]]
MIB = 1 << 20
LATER = ("memory", "one-figure", "zero")
"""Groups about what 8.8 to 8.11 do not have: they were not recorded for those."""


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
    def is_reduction(self) -> bool:
        """Return whether it is a scale-down, for which nothing is planned."""
        return bool(self.row["kind"] == "reduce")

    @property
    def new(self) -> str | None:
        """Return the deployment that is started; where all are, the last one."""
        listed: str = self.row["deployments"][-1]["id"]
        return self.row.get("new") if self.row["kind"] == "rebalance" else listed

    @property
    def stopping(self) -> str | None:
        """Return the deployment that is being stopped."""
        return next((each["id"] for each in self.row["deployments"] if each.get("stopping")), None)

    @property
    def lost(self) -> set[str]:
        """Return the deployments that vanish from the cluster state."""
        return set(self.row.get("lost", ()))

    def answers(self, version: Version) -> list[Allocations]:
        """Return the plans that Elasticsearch may have made; none where that is not recorded for the version."""
        rules = Rules.of(version)
        if rules.one_figure:
            return [] if self.group in LATER else _cleaned(self.row.get("older", self.row["answers"]))
        if self.row.get("unsettled") and not rules.counts_current:
            return []
        may_be_older = any(other.one_figure for other in rules.others)
        return _cleaned(self.row["answers"] + (self.row.get("older", []) if may_be_older else []))


def read(paths: Iterable[Path]) -> Iterator[Case]:
    """Yield the cases of files, without those in which Elasticsearch's own classes fail."""
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines if line.strip()]
        yield from (Case(row) for row in rows if "error" not in row and "refused" not in row)


def cleaned(allocations: t.Mapping[str, t.Mapping[str, int]]) -> Allocations:
    """Return allocations without what is zero, in order."""
    found = {
        deployment: {node: number for node, number in sorted(of_nodes.items()) if number}
        for deployment, of_nodes in sorted(allocations.items())
    }
    return {deployment: of_nodes for deployment, of_nodes in found.items() if of_nodes}


def _cleaned(plans: Iterable[Allocations]) -> list[Allocations]:
    return [cleaned(plan) for plan in plans]
