# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judgement of a watch: what was counted since its first read, and whether that is more than the task allows. Pure."""

from __future__ import annotations

import typing as t

from .._core.errors import Failure, Refusal, Unsatisfied
from .._core.words import first_of, quoted_ids
from .._ml.existing import deployments_that_exist
from .records import COUNTERS, Counts, Desired, Existing, Process, Seen, total

Json = dict[str, t.Any]
Predicted = t.Mapping[str, "str | None"]
"""Deployments that earlier tasks of a dry run would have changed: to their models, ``None`` if stopped."""

_WHY = {
    "rejected": "Rejected means that the queue of a node was full.",
    "timed_out": "Timed out means that they had no answer within the time that their clients gave them.",
    "failed": "Failed means that the model could not infer, or that its process ended; the log of the node says why.",
}


class Watched(t.NamedTuple):
    """One deployment since the first read. ``known``: each process as it was seen last, also of nodes that left."""

    first: Seen
    last: Seen
    known: t.Mapping[str, Process]
    risen: Counts = Counts()

    @classmethod
    def begun(cls, first: Seen) -> Watched:
        return cls(first, first, first.processes)

    def then(self, seen: Seen) -> Watched:
        """Return the same watch after another read."""
        new = total(_since(self.known.get(node_id), process) for node_id, process in seen.processes.items())
        return Watched(self.first, seen, {**self.known, **seen.processes}, self.risen.plus(new))

    def as_result(self) -> Json:
        """Return an item of the result key ``deployments``."""
        return {"deployment_id": self.first.deployment_id, "model_id": self.last.model_id, **sums([self])}


def _since(before: Process | None, now: Process) -> Counts:
    """Return what *now* has counted since it was seen *before*: all of it, if it is another process."""
    if before is None or before.start_time != now.start_time:
        return now.counts
    risen = now.counts.minus(before.counts)
    return now.counts if min(risen) < 0 else risen


def sums(watched: t.Iterable[Watched]) -> Json:
    """Return the result keys ``first``, ``last`` and ``risen``."""
    every = list(watched)
    return {
        "first": total(each.first.counts for each in every)._asdict(),
        "last": total(each.last.counts for each in every)._asdict(),
        "risen": total(each.risen for each in every)._asdict(),
    }


def missing(ids: t.Iterable[str], existing: Existing) -> Refusal | None:
    """Return the refusal to watch what does not exist, if one of *ids* does not."""
    absent = [name for name in ids if name not in existing.deployments]
    if not absent:
        return None
    there = deployments_that_exist(absent[0], sorted(existing.deployments), existing.model_ids)
    many = "deployments" if len(absent) > 1 else "deployment"
    return Refusal("deployment_missing", f"The cluster has no {many} {quoted_ids(absent)}", hint=there)


def ended(ids: t.Iterable[str], existing: Existing) -> Failure | None:
    """Return why watching one of *ids*, which were there at first, has no sense any more, if that is so."""
    for name in ids:
        seen = existing.deployments.get(name)
        if seen is None:
            return Unsatisfied("conflict", f"Deployment '{name}' is gone: it was stopped while it was watched.")
        because = f": {seen.reason.rstrip('.')}" if seen.reason else ""
        if seen.state == "stopping":
            return Unsatisfied("conflict", f"Deployment '{name}' is being stopped{because}.")
        if seen.state == "failed":
            return Unsatisfied("deployment_failed", f"Deployment '{name}' has failed on all its nodes{because}.")
    return None


def too_many(watched: t.Mapping[str, Watched], desired: Desired, seconds: float) -> Failure | None:
    """Return the failure if more inferences have no answer than the task allows."""
    exceeded = {}
    for counter in COUNTERS:
        by_id = {name: getattr(each.risen, counter) for name, each in watched.items()}
        if sum(by_id.values()) > desired.allow[counter]:
            exceeded[counter] = {name: number for name, number in by_id.items() if number}
    if not exceeded:
        return None
    parts = [_exceeded(counter, by_id, desired) for counter, by_id in exceeded.items()]
    why = " ".join(_WHY[counter] for counter in exceeded)
    text = f"Inferences have had no answer within {seconds:g} seconds: {'; '.join(parts)}. {why}"
    return Unsatisfied("inferences_failed", text)


def _exceeded(counter: str, by_id: t.Mapping[str, int], desired: Desired) -> str:
    named = first_of([f"{number} of '{name}'" for name, number in by_id.items()])
    return f"{counter.replace('_', ' ')} {named}, allowed {desired.allow[counter]}"


def progress(watched: t.Iterable[Watched]) -> str:
    """Return a line about what has come so far."""
    risen = total(each.risen for each in watched)
    without = [f"{getattr(risen, name)} {name.replace('_', ' ')}" for name in COUNTERS if getattr(risen, name)]
    return f"watched: {risen.inferences} inferences answered, {', '.join(without) or 'none without an answer'}"


def left_to_watch(ids: t.Iterable[str], predicted: Predicted) -> tuple[str, ...]:
    """Return those of *ids* whose present state counts in a dry run: no earlier task would have made or changed it."""
    return tuple(name for name in ids if predicted.get(name) is None)


def without_stopped(existing: Existing, predicted: Predicted) -> Existing:
    """Return what exists, without what earlier tasks of a dry run would have stopped."""
    stopped = {name for name, model_id in predicted.items() if model_id is None}
    left = {name: seen for name, seen in existing.deployments.items() if name not in stopped}
    return Existing(left, existing.model_ids)


def skipped_because(desired: Desired) -> str:
    """Return why check mode reads only once."""
    return f"check mode reads once; a real run watches {quoted_ids(desired.ids)} for {desired.seconds:g} seconds"
