# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many deployments of one cluster: one reading, one plan, one wait."""

from __future__ import annotations

import collections
import typing as t

from .._core.errors import Failure, Refusal, refuse_together
from .._core.http.client import Call
from .._core.options.connection import connection
from .._core.run.clock import Clock, SystemClock
from .._core.run.internal_error import Unexpected
from .._core.run.progress import Tell, silent
from .._core.run.result import Json, Outcome, failure
from .._core.server import Server
from .api.cluster import Api, Connect
from .api.snapshot import Sight
from .api.version_checks import refuse_old_server, refuse_unsupported
from .apply.deployment_run import Job, carry_out
from .apply.run_state import Report
from .options import fleet as options
from .options.deployment import fact_name, server_timeout
from .options.guard import max_total_step
from .plan.fleet import in_order, refuse_list, refuse_too_many, refuse_too_much, takes_room
from .plan.guard import guarded_list

Params = t.Mapping[str, t.Any]


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect = Api.connected,
    clock: Clock | None = None,
    tell: Tell = silent,
) -> Outcome:
    """Bring all deployments into the states that validated *params* want.

    What goes wrong with one of them does not keep the others; the result is failed in the end. *tell* is told of the
    progress of a long wait.
    """
    fleet = _Fleet(params, check_mode, clock or SystemClock(), tell)
    try:
        fleet.run(connect)
    except Failure as exc:
        return fleet.failed(exc)
    except Exception as exc:
        return fleet.failed(Unexpected(exc))
    return fleet.outcome()


def blank() -> Json:
    """The result when nothing was read."""
    return _Fleet({"fact_name": "", "detail": "all"}, False, SystemClock()).as_result()


class _Fleet:
    def __init__(self, params: Params, check_mode: bool, clock: Clock, tell: Tell = silent) -> None:
        self._params = params
        self._check_mode = check_mode
        self._clock = clock
        self._tell = tell
        self._began = clock.monotonic()
        self._server: Server | None = None
        self._jobs: list[Job] = []
        self._calls: list[Call] = []
        self._read = False

    def run(self, connect: Connect) -> None:
        """Read, decide, and unless in check mode carry out.

        :raises Refusal: the list is wrong as a whole; nothing was written.
        :raises ApiError: the cluster could not be read; nothing was written.
        """
        params = self._params
        items, kept, timeout = options.items(params), options.is_kept(params), server_timeout(params)
        max_step = max_total_step(params)
        wishes = [wanted for wanted, _waiting in items]
        refuse_list([each.deployment_id for each in wishes], [each.state != "stopped" for each in wishes])
        fact_name(params)
        api = connect(connection(params), self._clock.sleep)
        try:
            self._server = api.server
            refuse_old_server(api.server)
            self._jobs = [self._job(item) for item in items]
            self._refuse_unsupported(api)
            sight = api.look()
            listed = {job.wanted.deployment_id for job in self._jobs}
            strangers = [each for each in sight if each not in listed and not kept(each)]
            self._jobs += [self._job(options.unlisted(each, params)) for each in strangers]
            self._decide(api, sight, max_step)
            if self._check_mode:
                self._foretell(api, timeout)
            else:
                jobs = [job for job in self._jobs if not job.error]
                carry_out(api, jobs, api.look, timeout, self._clock, self._tell)
        finally:
            api.close()

    def _job(self, item: options.Item) -> Job:
        wanted, waiting = item
        return Job(wanted, waiting, Report(wanted.deployment_id, "", ledger=self._calls))

    def _refuse_unsupported(self, api: Api) -> None:
        wrong = []
        for job in self._jobs:
            try:
                refuse_unsupported(api.server, job.wanted)
            except Refusal as exc:
                wrong.append(f"'{job.wanted.deployment_id}': {exc}")
        refuse_together(wrong)

    def _decide(self, api: Api, sight: Sight, max_step: int | None) -> None:
        ending: set[str] = set()
        for job in sorted(self._jobs, key=lambda job: not sight.bears_its_models_id(job.wanted.deployment_id)):
            job.decide(api, sight, ending)
            if job.ends:
                ending.add(job.wanted.deployment_id)
        self._read = True
        try:
            self._decide_together(api, sight, max_step)
        except Refusal:
            for job in self._jobs:
                job.withdraw()
            raise
        for job in self._jobs:
            job.tell_of_file()

    def _decide_together(self, api: Api, sight: Sight, max_step: int | None) -> None:
        """:raises Refusal: the list cannot be carried out as a whole."""
        refuse_together([str(job.error) for job in self._jobs if isinstance(job.error, Refusal) and job.error.of_list])
        planned = [job for job in self._jobs if not job.error]
        plans = guarded_list([job.plan for job in planned], max_step, self._params["on_guarded"])
        for job, plan in zip(planned, plans, strict=True):
            job.report.decided(plan)
        refuse_too_many(list(sight), plans)
        capacity = api.capacity() if takes_room(plans) else None
        if capacity:
            refuse_too_much(capacity, filter(None, map(sight.deployment, sight)), plans)

    def _foretell(self, api: Api, timeout: str) -> None:
        planned = [job for job in self._jobs if not job.error]
        for job in planned:
            job.foretell(api, timeout)
        plans = [job.plan for job in planned]
        for place, action in in_order(plans):
            self._calls.append(planned[place].report.calls[plans[place].actions.index(action)])

    def outcome(self) -> Outcome:
        failed = [job for job in self._jobs if job.error]
        result = self.as_result()
        if failed:
            told = f"{len(failed)} of {len(self._jobs)} deployments failed. {_told(failed)}"
            result |= {"failed": True, "msg": told}
        return Outcome(result, self._warnings)

    def failed(self, error: Exception) -> Outcome:
        """What was seen of all of them, with the sentence of *error*, which ended the whole task."""
        return Outcome({**self.as_result(), **failure(error)}, self._warnings)

    @property
    def _warnings(self) -> tuple[str, ...]:
        """Each once. One that does not name those that it is for has their ids before it, as failures have."""
        told = _with_ids((job, text) for job in self._jobs for text in job.report.warnings)
        return tuple(text if all(each in text for each in ids) else _led(ids, text) for text, ids in told.items())

    def as_result(self) -> Json:
        items, facts = self._items_and_facts()
        changed = [item for item in items if item["changed"]]
        polls = max((job.report.polls for job in self._jobs), default=0)
        return {
            "changed": bool(changed),
            "deployments": items,
            "summary": self._summary(),
            "diff": {
                side: {item["deployment_id"]: item["diff"][side] for item in changed} for side in ("before", "after")
            },
            "api_calls": [call.as_result() for call in self._calls],
            "waited": {"seconds": round(self._clock.monotonic() - self._began, 3) if polls else 0.0, "polls": polls},
            "server": self._server and self._server.as_result(),
            "ansible_facts": {self._params["fact_name"]: facts} if self._params["fact_name"] and self._read else {},
        }

    def _items_and_facts(self) -> tuple[list[Json], Json]:
        """What is said of each deployment: rendered once for both, and only if somebody reads it."""
        items: list[Json] = []
        facts: Json = {}
        for job in self._jobs if self._read else ():
            named = {"deployment_id": job.wanted.deployment_id}
            brief = self._params["detail"] == "changed" and job.uneventful
            item = {} if brief and not self._params["fact_name"] else {**named, **job.result()}
            items.append({**named, "changed": False, "operation": "none"} if brief else item)
            if self._params["fact_name"]:
                facts |= job.report.facts(item)
        return items, facts

    def _summary(self) -> Json:
        reports = [job.report for job in self._jobs]
        operations = collections.Counter(report.operation for report in reports if report.changed)
        return {
            "deployments": len(reports),
            "changed": sum(report.changed for report in reports),
            "unchanged": sum(not job.report.changed and job.error is None for job in self._jobs),
            "failed": sum(job.error is not None for job in self._jobs),
            "skipped": sum(report.skipped_because is not None for report in reports),
            "operations": dict(sorted(operations.items())),
        }


def _told(failed: t.Iterable[Job]) -> str:
    """Each error once, after the ids of the deployments that have it."""
    return " ".join(_led(ids, text) for text, ids in _with_ids((job, str(job.error)) for job in failed).items())


def _with_ids(told: t.Iterable[tuple[Job, str]]) -> dict[str, list[str]]:
    """Text to the ids of the deployments that it was told of, in quotes."""
    found: dict[str, list[str]] = {}
    for job, text in told:
        found.setdefault(text, []).append(f"'{job.wanted.deployment_id}'")
    return found


def _led(ids: t.Sequence[str], text: str) -> str:
    return f"{', '.join(ids)}: {text}"
