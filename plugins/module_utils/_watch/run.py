# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task that watches deployments for a while, and never changes any."""

from __future__ import annotations

import contextlib
import typing as t

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.error_table import TRANSIENT
from .._core.options.connection import connection
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect
from .._core.run.frame import note_server, noting_failures
from .._core.run.progress import ItemStatus, Progress, ProgressCallback, no_progress
from .._core.run.result import Json, Outcome
from .._core.run.wait import SHORTEST_PLANNING, TaskTime, WaitBudget
from .._core.words import first_of
from .api import WatchCluster
from .judge import Watched, ended, left_to_watch, missing, progress, skipped_because, sums, too_many, without_stopped
from .options import desired
from .records import Desired, Existing

Params = t.Mapping[str, t.Any]


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect[WatchCluster] = WatchCluster.connected,
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
) -> Outcome:
    """Watch the deployments that validated *params* name. Check mode reads them once.

    *show_progress* gets a line now and then while the task watches.
    """
    result, task_time = empty_result(), TaskTime(clock or SystemClock())
    with noting_failures(result):
        asked = desired(params)
        with contextlib.closing(connect(connection(params), task_time.clock.sleep)) as cluster:
            with cluster.planning(task_time, asked.seconds):
                note_server(cluster, result)
                cluster.server.require(Feature.FAILURE_COUNTERS)
                if check_mode:
                    cluster.follow(params)
                existing = without_stopped(cluster.read_existing(), cluster.predicted)
            watch = _Watch(asked, task_time.clock, result)
            watch.begin(existing, left_to_watch(asked.ids, cluster.predicted))
            if check_mode:
                result["skipped_because"] = skipped_because(asked)
            else:
                watch.go_on(cluster, Progress(show_progress, task_time.clock))
    return Outcome(result)


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return {
        "changed": False,
        "skipped_because": None,
        "failure": None,
        "deployments": [],
        "first": None,
        "last": None,
        "risen": None,
        "seconds": 0.0,
        "reads": 0,
        "server": None,
    }


class _Watch:
    """The watch of all deployments of a task, which notes in *result* what it has seen."""

    def __init__(self, asked: Desired, clock: Clock, result: Json) -> None:
        self._asked = asked
        self._clock = clock
        self._result = result
        self._budget = WaitBudget(asked.seconds, asked.every, clock)
        self._watched: dict[str, Watched] = {}

    def begin(self, existing: Existing, ids: t.Sequence[str]) -> None:
        """Take the first read of *ids*.

        :raises Failure: one is missing, or is not to be watched.
        """
        self._budget.start()
        if refusal := missing(ids, existing):
            raise refusal
        self._watched = {name: Watched.begun(existing.deployments[name]) for name in ids}
        self._judge(existing)

    def go_on(self, cluster: WatchCluster, shown: Progress) -> None:
        """Read again and again, until the time is over.

        :raises Failure: more has gone wrong than the task allows, or the end could not be read.
        """
        while self._budget.left:
            self._clock.sleep(min(self._asked.every, self._budget.left))
            with cluster.within(lambda: self._budget.left, SHORTEST_PLANNING):
                try:
                    existing = cluster.read_existing()
                except ApiError as error:
                    if error.kind not in TRANSIENT or not self._budget.left:
                        raise
                    continue
            for name, each in self._watched.items():
                if seen := existing.deployments.get(name):
                    self._watched[name] = each.then(seen)
            self._judge(existing)
            self._show(shown)

    def _judge(self, existing: Existing) -> None:
        watched = self._watched
        self._result |= {
            "deployments": [watched[name].as_result() for name in sorted(watched)],
            **sums(watched.values()),
            "seconds": self._budget.seconds,
            "reads": self._result["reads"] + 1,
        }
        # What has no answer says more than that the deployment has failed since.
        wrong = too_many(watched, self._asked, self._budget.seconds) or ended(watched, existing)
        if wrong:
            raise wrong

    def _show(self, shown: Progress) -> None:
        line = progress(self._watched.values())
        shown.show([ItemStatus(first_of(self._asked.ids), line, over=False, failed=False)])
