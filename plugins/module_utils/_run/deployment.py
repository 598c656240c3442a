# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deployment: read, plan, apply unless in check mode, wait, report."""

from __future__ import annotations

import typing as t

from .._api.api import Api
from .._api.client import Client
from .._api.gates import refuse_old_server, refuse_unsendable, refuse_unsupported
from .._options import deployment as options
from .._options.connection import Connection, connection
from .._plan.compare import unmet
from .._plan.decide import Situation, decide
from .._plan.plan import Plan
from .._plan.readiness import readiness
from .._plan.rules import refuse_unstartable
from .._records.errors import ApiError, Refusal
from .._records.model import Model
from .._records.wanted import Waiting, Wanted
from .change import Change
from .clock import Clock, SystemClock
from .report import Outcome, Report
from .wait import Unsatisfied, Watch

Connect = t.Callable[[Connection, t.Callable[[float], None]], Client]


def run(
    params: t.Mapping[str, t.Any], check_mode: bool, *, connect: Connect = Client, clock: Clock | None = None
) -> Outcome:
    """Bring one deployment into the state that validated *params* want. Known errors come back as a failed result."""
    clock = clock or SystemClock()
    report = Report(params.get("deployment_id") or params.get("model_id") or "", params["fact_name"])
    try:
        wanted, waiting, server_timeout = (
            options.wanted(params),
            options.waiting(params),
            options.server_timeout(params),
        )
        report.fact_name = options.fact_name(params)
        api = Api(connect(connection(params), clock.sleep))
        try:
            _bring_about(api, wanted, waiting, server_timeout, check_mode, clock, report)
        finally:
            api.close()
    except (Refusal, ApiError, Unsatisfied) as exc:
        return report.failed(exc)
    return report.succeeded()


def _bring_about(
    api: Api, wanted: Wanted, waiting: Waiting, server_timeout: str, check_mode: bool, clock: Clock, report: Report
) -> None:
    situation, plan = _plan(api, wanted, report)
    if check_mode:
        report.calls = [api.encode(action, server_timeout) for action in plan.actions]
        report.changed = plan.changed
        if plan.changed or plan.awaits_gone:
            report.seen, report.predicted = plan.after, True
        return
    watch = Watch(waiting, clock)
    change = Change(api, wanted, situation.model_id, plan, report, watch)
    try:
        change.apply(server_timeout)
        if waiting.wait and not plan.skipped_because:
            _wait(change, plan, wanted, waiting, report)
            _confirm(wanted, situation.model_id, plan, report)
        elif plan.changed and plan.after is None:
            report.seen = api.read(wanted.deployment_id).deployment
    except Unsatisfied:
        report.reached = False
        raise
    finally:
        report.seconds, report.polls = watch.seconds, watch.polls


def _plan(api: Api, wanted: Wanted, report: Report) -> tuple[Situation, Plan]:
    """Read what is there and decide; every refusal that can be known before a write comes from here."""
    report.server = api.server
    refuse_old_server(api.server)
    refuse_unsupported(api.server, wanted)
    reading = api.read(wanted.deployment_id)
    report.current = report.seen = reading.deployment
    report.read = True
    model = _named_model(api, wanted, report)
    model_id = model.model_id if model else wanted.model_id
    siblings = () if wanted.deployment_id_given else reading.siblings
    situation = Situation(reading.deployment, model_id, siblings)
    plan = decide(wanted, situation)
    if plan.start:
        starting = str(plan.start.settings["model_id"])
        found = model or api.model(starting)
        refuse_unstartable(wanted.deployment_id, starting, found, reading.namesake)
    refuse_unsendable(api.server, plan.actions)
    report.plan = plan
    return situation, plan


def _named_model(api: Api, wanted: Wanted, report: Report) -> Model | None:
    """The model that the task names, perhaps by an alias, unless it is plainly the one that runs."""
    current = report.current
    if wanted.state == "stopped" or (current is None and wanted.on_missing != "start"):
        return None
    named = wanted.model_id or (wanted.deployment_id if current is None else None)
    if named is None or (current is not None and named == current.model_id):
        return None
    return api.model(named)


def _wait(change: Change, plan: Plan, wanted: Wanted, waiting: Waiting, report: Report) -> None:
    if plan.after is None and report.seen is None:
        report.reached = True
        return
    ready = readiness(report.seen, waiting.wait_for, allow_zero=wanted.allow_zero).outcome == "ready"
    if plan.changed or plan.after is None or not ready:
        change.settle(waiting)
    report.reached = True


def _confirm(wanted: Wanted, model_id: str | None, plan: Plan, report: Report) -> None:
    """An accepted write is not yet a fact: somebody else may have written after it."""
    if plan.after is None or report.seen is None:
        return
    differences = unmet(wanted, report.seen, model_id)
    if differences:
        named = "; ".join(map(str, differences))
        raise Unsatisfied(f"Deployment '{wanted.deployment_id}' was changed by somebody else meanwhile: {named}.")
