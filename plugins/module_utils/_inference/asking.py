# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inferences of one task, asked one after another until there are enough answers."""

from __future__ import annotations

from .._core.errors import ApiError, NotReached, Unsatisfied
from .._core.run.progress import ItemStatus, Progress, ProgressCallback
from .._core.run.result import Json
from .._core.run.wait import TaskTime, WaitBudget
from .._ml.documents import hide, values_in, without
from .._ml.inference import error_in, may_pass
from .api import InferenceCluster
from .plan import Input
from .records import Desired, Target

_LONGEST = 30.0
"""Seconds that Elasticsearch may keep one inference waiting: then there is something to show."""
_MARGIN = 1.0
"""Seconds by which Elasticsearch gives up before the client does."""
_SHORTEST = 1.0


class Asking:
    """Inferences and their answers. ``results``: of the last answer. ``milliseconds``: of each that counts."""

    def __init__(
        self,
        cluster: InferenceCluster,
        target: Target,
        given: Input,
        desired: Desired,
        task_time: TaskTime,
        show_progress: ProgressCallback,
    ) -> None:
        self.results: list[Json] | None = None
        self.milliseconds: list[float] = []
        self.attempts = 0
        self.waited: Json = {"seconds": 0.0, "polls": 0, "reached": False}
        self._cluster = cluster
        self._target = target
        self._given = given
        self._desired = desired
        self._clock = task_time.clock
        self._budget = WaitBudget(desired.wait_timeout, desired.wait_sleep, self._clock, task_time.passed)
        self._progress = Progress(show_progress, self._clock)
        self._hidden = values_in([desired.docs, desired.inference_config])

    def ask(self, repeat: int) -> None:
        """Ask until *repeat* answers count. One that had to be waited for does not: it warms the deployment up.

        :raises ApiError: Elasticsearch refuses an inference, and will go on to.
        :raises Unsatisfied: there are not as many answers in time.
        """
        self._budget.start()
        with self._cluster.within(lambda: self._budget.left):
            try:
                warming = self._target.sleeps
                self._answer(count=not warming)
            finally:
                self.waited |= {"seconds": self._budget.seconds, "polls": self.attempts}
            self.waited["reached"] = True
            while len(self.milliseconds) < repeat:
                if not self._budget.left:
                    raise self._late("the time is up")
                self._answer(count=True)

    def _answer(self, *, count: bool) -> None:
        """Ask until there is an answer; the time of one at the first attempt counts, if *count* says so."""
        pauses = self._budget.pauses()
        first = self.attempts
        while True:
            began = self._clock.monotonic()
            why = self._attempt()
            if why is None:
                break
            if not self._budget.left:
                raise self._late(why)
            name = self._target.name
            self._progress.show([ItemStatus(name, f"it does not answer yet: {why}", over=False, failed=False)])
            self._clock.sleep(next(pauses))
        if count and self.attempts == first + 1:
            self.milliseconds.append((self._clock.monotonic() - began) * 1000)

    def _attempt(self) -> str | None:
        """Ask once. Return ``None`` if there is an answer, otherwise why there may be one soon.

        :raises ApiError: there will be none.
        :raises Unsatisfied: the answer is that a document cannot be inferred.
        """
        self.attempts += 1
        timeout = max(_SHORTEST, min(_LONGEST, self._budget.left, self._desired.request_timeout) - _MARGIN)
        try:
            results = self._cluster.infer(self._target.name, self._given.docs, self._given.config, timeout)
        except ApiError as error:
            why = may_pass(error)
            if why is None:
                raise hide(self._hidden, error) from None
            return why
        wrong = error_in(results)
        if wrong is None:
            self.results = results
            return None
        if wrong.why is None:
            said = without(self._hidden, wrong.said).rstrip(".")
            raise Unsatisfied("not_inferred", f"'{self._target.name}' cannot infer a document: {said}.")
        return wrong.why

    def _late(self, why: str) -> NotReached:
        done = len(self.milliseconds)
        answers = f"has answered {done} of {self._desired.repeat} inferences" if done else "does not answer"
        text = f"'{self._target.name}' {answers} after {self._budget.timeout:g} seconds: {why}."
        return NotReached("not_answering", text)
