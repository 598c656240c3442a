# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The working memory of a run, and the result made of it: the same keys whatever the outcome."""

from __future__ import annotations

import dataclasses

from ..._core.errors import Failure
from ..._core.http.client import Request
from ..._core.run.result import Json, Outcome, failure, without_facts
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment, user_settings
from ..plan.plan import Plan
from ..plan.settings_diff import settings_diff
from ..plan.start_conditions import NO_CHECKS, StartChecks, unread_warning
from ..records.prediction import more_of

_NOTHING_RUNS = {"wanted": 0, "assigned": 0, "running": 0, "missing": 0}


@dataclasses.dataclass
class RunState:
    """The state of a run so far. ``observed``: the deployment as it is, or in check mode as it would be."""

    deployment_id: str
    fact_name: str
    server: Server | None = None
    current: Deployment | None = None
    read: bool = False
    plan: Plan | None = None
    observed: Deployment | None = None
    predicted: bool = False
    follows_prediction: bool = False
    """True if an earlier task of the dry run would have made what was read."""
    changed: bool = False
    requests: list[Request] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    polls: int = 0
    reached: bool | None = None
    extra_warnings: list[WarningText] = dataclasses.field(default_factory=list)
    """Warnings that are not the plan's."""
    details: list[str] = dataclasses.field(default_factory=list)
    """What warnings must not name: reasons that Elasticsearch gives, and paths."""
    start_checks: StartChecks = dataclasses.field(default_factory=lambda: NO_CHECKS)
    rolled_back: bool = False
    used_by: Json | None = None
    task_requests: list[Request] = dataclasses.field(default_factory=list)
    """The writes of all deployments of the task, in the order in which they were sent."""

    def succeeded(self) -> Outcome:
        """Return the outcome of a task without a failure."""
        return Outcome(self.as_result(), self._all_warnings)

    @property
    def _all_warnings(self) -> tuple[WarningText, ...]:
        skipped = self.skipped_because
        if skipped is None:
            return self.warnings
        text = WarningText(f"Deployment '{self.deployment_id}' was skipped: {skipped}.")
        return (text, *self.warnings)

    @property
    def warnings(self) -> tuple[WarningText, ...]:
        """Return the warnings of the plan, and the others; not that it was skipped."""
        plan_warnings = self.plan.warnings + self.plan.consumer_warnings if self.plan else ()
        return (*plan_warnings, *self._start_warnings, *self.extra_warnings)

    @property
    def _start_warnings(self) -> tuple[WarningText, ...]:
        """Return a warning if something may refuse the start after a stop that could not be read before."""
        recreates = self.plan and self.plan.stops and self.plan.start
        return unread_warning(self.deployment_id, self.start_checks) if recreates else ()

    def warn(self, *warnings: WarningText, detail: str = "") -> None:
        """Add *warnings*; *detail* is what they must not name."""
        self.extra_warnings += warnings
        if warnings and detail and detail not in self.details:
            self.details.append(detail)

    def set_plan(self, plan: Plan) -> None:
        """Note the *plan* that counts from now on. If it stops nothing, forget the consumers."""
        self.plan = plan
        if not plan.stops:
            self.used_by = None

    def note_applied(self, request: Request) -> None:
        """Note a write that changed something, or may have."""
        self.note_sent(request)
        self.changed = True

    def note_sent(self, request: Request) -> None:
        """Note a write that was sent."""
        self.requests.append(request)
        self.task_requests.append(request)

    def failed(self, error: Failure) -> Outcome:
        """Return the outcome of a task that failed with *error*: what was read last, without what was only planned."""
        return Outcome({**without_facts(self.as_result()), **self.failure(error)}, self._all_warnings)

    def failure(self, error: Failure) -> Json:
        """Return the result keys that *error* changes or adds."""
        result = failure(error)
        if not self.changed:
            result["operation"] = "none"
        if self.plan is not None:
            result["after"] = user_settings(self.observed)
            result["diff"] = settings_diff(self._before(), result["after"])
        return result

    def as_result(self) -> Json:
        """Return the result of a task on one deployment."""
        item = self.item()
        return {
            **item,
            "server": self.server and self.server.as_result(),
            "ansible_facts": {self.fact_name: self.facts(item)} if self.fact_name and self.read else {},
        }

    @property
    def operation(self) -> str:
        """Return the operation that was applied, or in check mode would be; ``none`` without a change."""
        if self.rolled_back:
            return "rollback"
        return self.plan.operation if self.plan and (self.changed or self.predicted) else "none"

    @property
    def skipped_because(self) -> str | None:
        """Return why the plan leaves the deployment as it is, if a policy says so."""
        return self.plan.skipped_because if self.plan else None

    def item(self) -> Json:
        """Return the result keys that a single deployment and an item of a list share."""
        before, after = self._before(), self._after()
        observed = self.observed
        return {
            "changed": self.changed,
            "operation": self.operation,
            "skipped_because": self.skipped_because,
            "failure": None,
            **self._entry(),
            "routing_source": observed.routing_source if observed else "prediction" if self.predicted else "stats",
            "before": before,
            "after": after,
            "diff": settings_diff(before, after),
            "api_calls": [request.as_result() for request in self.requests],
            "waited": {"seconds": self.seconds, "polls": self.polls, "reached": self.reached},
            "used_by": self.used_by,
            "details": list(self.details),
            "start_checks": dict(self.start_checks),
        }

    def facts(self, item: Json) -> Json:
        """Return the entry of the fact: deployment id to what runs. *item*: of :meth:`item`.

        What does not run has an entry, too: in a dry run later tasks must know, and in a real run the action plugin
        must know of which cluster it removes the entry.
        """
        entry = {name: item[name] for name in ("deployment", "routing_table", "allocations")}
        where = {
            "cluster": self.server and self.server.cluster(),
            "addresses": self.server and self.server.addresses,
            "predicted": self.predicted or self.follows_prediction,
        }
        return {self.deployment_id: {**entry, **more_of(self.observed), **where}}

    def _entry(self) -> Json:
        observed = self.observed
        return {
            "deployment": observed and observed.as_result(),
            "routing_table": observed.routing_table() if observed else {},
            "allocations": observed.allocations() if observed else _NOTHING_RUNS if self.read else None,
        }

    def _before(self) -> Json | None:
        return user_settings(self.current) if self.read else None

    def _after(self) -> Json | None:
        if self.plan is None:
            return None
        after = self.plan.after
        if after and self.observed and self._number_was_not_set:
            after = dataclasses.replace(after, number_of_allocations=self.observed.number_of_allocations)
        settings = user_settings(after)
        # A restart may change no setting, and would not show in a diff.
        return {**settings, "state": "restarted"} if self.plan.operation in ("restart", "recover") else settings

    @property
    def _number_was_not_set(self) -> bool:
        """Return whether an update left out the number of allocations, which may have changed since the first read."""
        updates = [step.settings for step in self.plan.steps if step.kind == "update"] if self.plan else []
        return bool(updates) and not any("number_of_allocations" in settings for settings in updates)
