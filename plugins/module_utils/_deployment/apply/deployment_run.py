# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deployment of a task: decide from what was seen, apply unless in check mode, report."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.errors import ApiError, Failure, Refusal, Unsatisfied
from ..._core.run.clock import Clock
from ..._core.run.progress import Tell
from ..._core.run.result import Json
from ..._core.run.wait import Watch
from ..._core.server import Server
from ..._ml.model import Model
from ..api.cluster import Api
from ..api.snapshot import Reading, Sight
from ..api.version_checks import refuse_unsendable
from ..plan.decide import Situation, decide, recover
from ..plan.plan import Plan
from ..plan.readiness import hopeless, kept, readiness
from ..plan.recovery import superseded
from ..plan.stuck import if_stuck, may_be_stuck
from ..plan.validation import on_this_server, refuse_unstartable
from ..records.desired import Waiting, Wanted
from ..records.recovery_record import Recovery
from .aim import Means
from .consumers import protect, restore
from .recovery_file import RecoveryFile
from .rollout import Attempt
from .run_state import Report
from .scheduler import conduct


@dataclasses.dataclass
class Job:
    """What one deployment of a task wants, and what became of it. ``error``: why it failed."""

    wanted: Wanted
    waiting: Waiting
    report: Report
    error: Exception | None = None
    model_id: str | None = None
    file: RecoveryFile | None = None
    hopeless: str | None = None
    """What will never come about, and is kept as it is."""

    def decide(self, api: Api, sight: Sight, ending: t.Container[str] = ()) -> None:
        """Make the plan; every refusal that can be known before a write comes from here, into ``error``.

        *ending*: ids of deployments that the same list ends.
        """
        try:
            self._decide(api, sight, ending)
        except Failure as exc:
            self.error = exc

    def _decide(self, api: Api, sight: Sight, ending: t.Container[str]) -> None:
        report, wanted = self.report, on_this_server(self.wanted, api.server)
        self.wanted = wanted
        reading = sight.reading(wanted.deployment_id)
        report.current = report.seen = reading.deployment
        report.read = True
        lost = self._lost(api.server)
        model, unread = _named_model(api, wanted, reading), False
        if model is None and _is_for_an_endpoint(wanted, reading, lost):
            self.wanted = wanted = restore(api, wanted)
            model, unread = _named_model(api, wanted, reading), api.references.endpoints is None
        self.model_id = model.model_id if model else wanted.model_id
        siblings = _siblings(api, sight, wanted, reading, model)
        plan = decide(wanted, Situation(reading.deployment, self.model_id, siblings, lost))
        if self.file and plan.keeps_start:
            self.file.refuse_unwritable()
        if plan.start:
            starting = str(plan.start.settings["model_id"])
            found = model or api.model(starting)
            refuse_unstartable(wanted.deployment_id, starting, found, reading.namesake, unread=unread)
        plan = protect(api, sight, wanted, plan, report, ending)
        refuse_unsendable(api.server, plan.actions)
        report.plan = plan
        report.notes += superseded(lost, reading.deployment)
        self._refuse_hopeless()

    def _lost(self, server: Server) -> Recovery | None:
        """What an earlier run has left. A stop needs nothing of it, whatever it is: it does away with it.

        :raises Refusal: it cannot be used.
        """
        if not self.wanted.recovery_file:
            return None
        stops = self.wanted.state == "stopped"
        self.file = RecoveryFile(self.wanted.recovery_file, self.wanted.deployment_id, server, keeps=not stops)
        if not stops:
            return self.file.read()
        with contextlib.suppress(Refusal):
            self.file.read()
        return None

    @property
    def plan(self) -> Plan:
        """What was decided; there is one unless there is an ``error``."""
        return t.cast("Plan", self.report.plan)

    @property
    def ends(self) -> bool:
        """Whether the deployment is to be gone afterwards."""
        return self.error is None and self.plan.before is not None and self.plan.after is None

    @property
    def uneventful(self) -> bool:
        """Whether there is nothing to tell: not changed, not failed, not skipped."""
        return not self.report.changed and not self.error and not self.report.skipped_because

    def withdraw(self) -> None:
        """The list was refused as a whole: keep what was seen, and nothing of what was only planned."""
        if not self.error:
            report = self.report
            report.decided(Plan(report.current, report.current, skipped_because=report.skipped_because))
            report.notes = []
        self.tell_of_file(refused=True)

    def tell_of_file(self, refused: bool = False) -> None:
        """Say what a recovery file still holds, if nothing is started of it; *refused*: because the list is."""
        if self.file and (refused or self.error or self.report.skipped_because):
            told = self.file.unused(self.report.current, self.error)
            self.report.notes += [told] if told else []

    def foretell(self, api: Api, server_timeout: str) -> None:
        """Check mode: what would be sent, and what would be there."""
        self.report.calls = [api.encode(action, server_timeout) for action in self.plan.actions]
        self.report.changed = self.plan.changed
        if self.plan.changed or self.plan.awaits_gone:
            self.report.seen, self.report.predicted = self.plan.after, True
        if self.hopeless:
            self.report.notes.append(kept(self.hopeless))
        self._warn_of_recovery(api)

    def attempt(self, api: Api, server_timeout: str, clock: Clock) -> Attempt:
        self._warn_of_recovery(api)
        means = Means(
            api, self.report, server_timeout, Watch(self.waiting.timeout, self.waiting.sleep, clock), self.file
        )
        return Attempt(means, self.wanted, self.waiting, self.model_id, self.plan)

    def _warn_of_recovery(self, api: Api) -> None:
        """Time alone tells whether what starts hangs; what will keep it from being recovered then is known before."""
        if may_be_stuck(self.wanted, self.waiting, self.plan):
            self.report.notes.append(if_stuck(self.wanted.deployment_id, self._hindrance(api)))

    def _hindrance(self, api: Api) -> str | None:
        """What forbids to recover it, as far as that can be read now."""
        unnoted = dataclasses.replace(self.report)
        try:
            plan = recover(self.wanted, Situation(self.plan.before, self.model_id))
            plan = protect(api, None, self.wanted, plan, unnoted)
        except Refusal as refusal:
            return str(refusal)
        except ApiError:
            return None
        return plan.skipped_because and f"{plan.skipped_because}."

    def _refuse_hopeless(self) -> None:
        """Waiting cannot help, and what is to be written cannot either: that is known in check mode, too."""
        plan, waiting, report = self.plan, self.waiting, self.report
        if plan.ends_something or plan.start or plan.skipped_because or plan.after is None or not waiting.wait:
            return
        if plan.changed and plan.after.number_of_allocations != 0:
            return
        verdict = readiness(plan.after, waiting.wait_for, allow_zero=self.wanted.allow_zero)
        if verdict.outcome == "hopeless":
            told = hopeless(self.wanted.deployment_id, waiting.wait_for, verdict)
            if waiting.on_unsatisfied != "keep":
                report.reached = False
                raise Unsatisfied(told)
            self.hopeless = told

    def result(self) -> Json:
        """What is said of it as one of many."""
        return self.report.item() | (self.report.failure(self.error) if self.error else {})


def carry_out(
    api: Api, jobs: t.Sequence[Job], look: t.Callable[..., Sight], server_timeout: str, clock: Clock, tell: Tell
) -> None:
    """Do what was decided, and *tell* of it meanwhile. What goes wrong with one of *jobs* is kept in its ``error``.

    If the user may not send one of the writes, none is sent; what needs none goes on.
    """
    try:
        api.refuse_unprivileged([action for job in jobs for action in job.plan.actions])
    except ApiError as exc:
        for job in jobs:
            job.error = exc if job.plan.actions else None
            job.report.plan = dataclasses.replace(job.plan, of_stop=())
        jobs = [job for job in jobs if not job.error]
    changes = [job.attempt(api, server_timeout, clock) for job in jobs]
    sight = conduct(changes, lambda: look(repeat=False), clock, tell)
    for job, change in zip(jobs, changes, strict=True):
        job.error = change.error
    if len(jobs) > 1 and any(job.report.polls for job in jobs):
        _look_again(jobs, sight, look)


def _look_again(jobs: t.Sequence[Job], sight: Sight | None, look: t.Callable[..., Sight]) -> None:
    """What was done for one deployment may have moved those that were reported before it."""
    with contextlib.suppress(ApiError):
        sight = sight or look()
        for job in jobs:
            job.report.seen = sight.deployment(job.wanted.deployment_id)


def _named_model(api: Api, wanted: Wanted, reading: Reading) -> Model | None:
    """The model that the task names, perhaps by an alias, where it matters and is not plainly the one that runs."""
    current = reading.deployment
    if current is not None:
        plain = wanted.model_id in (None, current.model_id)
        return None if plain or wanted.state == "stopped" else api.model(str(wanted.model_id))
    starting = wanted.state != "stopped" and wanted.on_missing == "start"
    if not starting and wanted.deployment_id_given:
        return None
    return api.model(wanted.model_id or wanted.deployment_id)


def _siblings(api: Api, sight: Sight, wanted: Wanted, reading: Reading, model: Model | None) -> tuple[str, ...]:
    """Other deployments of a model that the task names alone, and that does not run under the name it was given."""
    if wanted.deployment_id_given or reading.deployment is not None:
        return ()
    if model is None or model.model_id == wanted.deployment_id:
        return reading.siblings
    behind_alias = (sight if sight.whole else api.look(model.model_id)).reading(model.model_id)
    own = () if behind_alias.deployment is None else (model.model_id,)
    return own + behind_alias.siblings


def _is_for_an_endpoint(wanted: Wanted, reading: Reading, lost: Recovery | None) -> bool:
    """Whether a start is asked for of what only an endpoint can tell, by the id alone, which is no model's.

    What is being stopped is as good as gone, unless it is to go on as it was: by a restart, or by what is *lost*.
    """
    going = reading.deployment
    if wanted.state == "stopped" or wanted.on_missing != "start" or wanted.model_id is not None:
        return False
    if lost is not None and lost.precedes(going):
        return False
    if going is None:
        return True
    return going.assignment_state == "stopping" and wanted.state == "started" and not reading.namesake
