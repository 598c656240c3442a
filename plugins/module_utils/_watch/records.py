# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of a watch: what a task asks for, and what was read of each deployment."""

from __future__ import annotations

import dataclasses
import operator
import typing as t

COUNTERS = {"rejected": "rejected_execution_count", "timed_out": "timeout_count", "failed": "error_count"}
"""What an inference that has no answer counts as, to its name in the statistics of a node."""


class Desired(t.NamedTuple):
    """``allow``: by how much each of :data:`COUNTERS` may rise, over all deployments. Times in seconds."""

    ids: tuple[str, ...]
    seconds: float
    every: float
    allow: t.Mapping[str, int]


class Counts(t.NamedTuple):
    """Numbers of inferences, and of those without an answer."""

    inferences: int = 0
    rejected: int = 0
    timed_out: int = 0
    failed: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(*map(operator.add, self, other))

    def minus(self, other: Counts) -> Counts:
        return Counts(*map(operator.sub, self, other))


class Process(t.NamedTuple):
    """The process of a deployment on one node, with what it has counted since its start."""

    start_time: int | None
    counts: Counts


@dataclasses.dataclass(frozen=True)
class Seen:
    """One read of a deployment. ``processes``: by node id."""

    deployment_id: str
    model_id: str
    state: str | None = None
    reason: str | None = None
    processes: t.Mapping[str, Process] = dataclasses.field(default_factory=dict)

    @property
    def counts(self) -> Counts:
        return total(process.counts for process in self.processes.values())


class Existing(t.NamedTuple):
    """All deployments by id, and the ids of all models."""

    deployments: t.Mapping[str, Seen]
    model_ids: tuple[str, ...]


def total(parts: t.Iterable[Counts]) -> Counts:
    """Return the sum of *parts*."""
    found = Counts()
    for part in parts:
        found = found.plus(part)
    return found
