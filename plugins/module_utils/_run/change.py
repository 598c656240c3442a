# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doing what the plan says: each write once, then what is there decides."""

from __future__ import annotations

import contextlib
import typing as t

from .._api.api import Api
from .._api.client import Call
from .._plan.compare import unmet
from .._plan.plan import Plan
from .._plan.readiness import Verdict, changeability, goneness, readiness
from .._plan.reconcile import is_unsure, reconcile, strange
from .._records.action import Action
from .._records.deployment import Deployment
from .._records.errors import ApiError
from .._records.wanted import Waiting, Wanted
from .report import Report
from .wait import Judge, Unsatisfied, Watch, hopeless

ATTEMPTS = 4
"""How often a write is sent at most, each time after a reading showed that it took no effect."""

ALREADY = (400, 404, 409)
"""Answers to a first try that leave no doubt: this request did nothing, because somebody else was quicker."""


class Change:
    """One plan being carried out on one cluster."""

    def __init__(
        self, api: Api, wanted: Wanted, model_id: str | None, plan: Plan, report: Report, watch: Watch
    ) -> None:
        self._api = api
        self._wanted = wanted
        self._model_id = model_id
        self._plan = plan
        self._report = report
        self._watch = watch

    def apply(self, server_timeout: str) -> None:
        """Send the writes of the plan in their order.

        :raises ApiError: the server refused one; nothing is sent after it.
        :raises Unsatisfied: a write could not be sent in time, or somebody else got in between.
        """
        if self._plan.awaits_gone and self._plan.actions:
            self._await("gone", self._goneness)
        for action in self._plan.actions:
            self._perform(action, server_timeout)

    def settle(self, waiting: Waiting) -> None:
        """Wait for what the task waits for, unless it is there already.

        :raises Unsatisfied: it is not reached, or what is there in the end is not what is wanted.
        """
        if self._plan.after is None:
            if self._report.seen is not None:
                self._await("gone", self._goneness)
            return

        def judge(seen: Deployment | None) -> Verdict:
            return readiness(seen, waiting.wait_for, allow_zero=self._wanted.allow_zero)

        if self._plan.changed or judge(self._report.seen).outcome != "ready":
            self._await(waiting.wait_for, judge)
        self._confirm()

    def _confirm(self) -> None:
        """An accepted write is not yet a fact: somebody else may have written after it."""
        seen, start = t.cast("Deployment", self._report.seen), self._plan.start  # there, or waiting had failed
        if start is None:
            differences = unmet(self._wanted, seen, self._model_id)
        else:
            differences = strange(self._plan, start, self._wanted, self._model_id, seen)
        if differences:
            named = "; ".join(map(str, differences))
            raise Unsatisfied(f"Deployment '{seen.deployment_id}' was changed by somebody else meanwhile: {named}.")

    def _goneness(self, seen: Deployment | None) -> Verdict:
        return goneness(seen, self._plan.before)

    def _perform(self, action: Action, server_timeout: str) -> None:
        call = self._api.encode(action, server_timeout)
        sent = 0
        while True:
            self._prepare(action)
            sent += 1
            try:
                answer = self._api.send(action, call, self._names())
            except ApiError as error:
                if self._ruled_again(action, call, error):
                    if sent == ATTEMPTS or not self._watch.pause():
                        raise
                    continue
                if sent == 1 and error.status in ALREADY:
                    return  # somebody else did the same first
            else:
                if action.kind != "stop":  # a stop is believed when nothing is to be seen any more
                    self._report.seen = answer
            self._report.took_effect(call)
            return

    def _prepare(self, action: Action) -> None:
        """The server takes an update only from a started deployment, and a start only when the old one is gone."""
        seen = self._report.seen
        if action.kind == "update" and (seen is None or seen.assignment_state != "started"):
            self._await("ready for an update", changeability)
        if action.kind == "start" and seen is not None:
            self._await("gone", self._goneness)

    def _ruled_again(self, action: Action, call: Call, error: ApiError) -> bool:
        """After an error: true to send again, false if the write took effect.

        :raises ApiError: *error*, if the server refused for good.
        :raises Unsatisfied: if something else is there now.
        """
        unsure = is_unsure(action, error)
        try:
            self._report.seen = self._api.read(action.deployment_id).deployment
        except ApiError as second:
            if not unsure:
                raise error from second
            self._report.took_effect(call)  # as far as anybody knows
            raise Unsatisfied(f"{error} Whether it took effect is not known: {second}") from error
        if not unsure:
            raise error
        ruling = reconcile(self._plan, action, self._wanted, self._model_id, error, self._report.seen)
        if ruling.outcome == "refused":
            raise Unsatisfied(
                f"{error} Deployment '{action.deployment_id}' is not as planned: {ruling.why}."
            ) from error
        if ruling.outcome == "again" and error.status == 500 and action.kind != "stop":
            raise error
        return ruling.outcome == "again"

    def _await(self, what: str, judge: Judge) -> None:
        """Wait by polls, and confirm with a full reading, which alone shows the targets of the routes."""
        deployment_id = self._wanted.deployment_id
        while True:
            seen, verdict = self._watch.until(lambda: self._api.poll(deployment_id, repeat=False).deployment, judge)
            self._report.seen = seen
            if seen is not None:
                with contextlib.suppress(ApiError):
                    self._report.seen = self._api.read(deployment_id, repeat=False).deployment
            if verdict.outcome == "ready":
                verdict = judge(self._report.seen)
            if verdict.outcome != "pending" or not self._watch.pause():
                break
        if verdict.outcome == "hopeless":
            raise Unsatisfied(hopeless(deployment_id, what, verdict))
        if verdict.outcome == "pending":
            raise Unsatisfied(
                f"Deployment '{deployment_id}' is not {what} after {self._watch.timeout:g} seconds: {verdict.why}."
            )

    def _names(self) -> dict[str, str]:
        known = self._report.seen or self._plan.before
        return known.node_names if known else {}
