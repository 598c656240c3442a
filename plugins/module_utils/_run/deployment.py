# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deployment: read, plan, apply unless in check mode, wait, report."""

from __future__ import annotations

import typing as t

from .._api.api import Api, Reading
from .._api.client import Client
from .._api.gates import refuse_old_server, refuse_unsendable, refuse_unsupported
from .._options import deployment as options
from .._options.connection import Connection, connection
from .._plan.decide import Situation, decide
from .._plan.plan import Plan
from .._plan.readiness import readiness
from .._plan.rules import on_this_server, refuse_unstartable
from .._records.errors import ApiError, Refusal
from .._records.model import Model
from .._records.wanted import Waiting, Wanted
from .change import Change
from .clock import Clock, SystemClock
from .report import Json, Outcome, Report
from .wait import Unsatisfied, Watch, hopeless

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


def blank() -> Json:
    """The result when nothing was read."""
    return Report("", "").as_result()


def _bring_about(
    api: Api, wanted: Wanted, waiting: Waiting, server_timeout: str, check_mode: bool, clock: Clock, report: Report
) -> None:
    report.server = api.server
    refuse_old_server(api.server)
    refuse_unsupported(api.server, wanted)
    wanted = on_this_server(wanted, api.server)
    situation, plan = _plan(api, wanted, report)
    _refuse_hopeless(plan, wanted, waiting, report)
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
            change.settle(waiting)
            report.reached = True
        elif plan.changed and plan.after is None:
            report.seen = api.read(wanted.deployment_id).deployment
    except (Unsatisfied, ApiError):
        report.reached = False if watch.polls else None
        raise
    finally:
        report.seconds, report.polls = watch.seconds, watch.polls


def _plan(api: Api, wanted: Wanted, report: Report) -> tuple[Situation, Plan]:
    """Read what is there and decide; every refusal that can be known before a write comes from here."""
    reading = api.read(wanted.deployment_id)
    report.current = report.seen = reading.deployment
    report.read = True
    model = _named_model(api, wanted, reading)
    model_id = model.model_id if model else wanted.model_id
    situation = Situation(reading.deployment, model_id, _siblings(api, wanted, reading, model))
    plan = decide(wanted, situation)
    if plan.start:
        starting = str(plan.start.settings["model_id"])
        found = model or api.model(starting)
        refuse_unstartable(wanted.deployment_id, starting, found, reading.namesake)
    refuse_unsendable(api.server, plan.actions)
    report.plan = plan
    return situation, plan


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


def _siblings(api: Api, wanted: Wanted, reading: Reading, model: Model | None) -> tuple[str, ...]:
    """Other deployments of a model that the task names alone, and that does not run under the name it was given."""
    if wanted.deployment_id_given or reading.deployment is not None:
        return ()
    if model is None or model.model_id == wanted.deployment_id:
        return reading.siblings
    behind_alias = api.poll(model.model_id)
    own = () if behind_alias.deployment is None else (model.model_id,)
    return own + behind_alias.siblings


def _refuse_hopeless(plan: Plan, wanted: Wanted, waiting: Waiting, report: Report) -> None:
    """Nothing is to be written, and waiting cannot help either: that is known in check mode, too."""
    if plan.actions or plan.awaits_gone or plan.skipped_because or plan.after is None or not waiting.wait:
        return
    verdict = readiness(report.seen, waiting.wait_for, allow_zero=wanted.allow_zero)
    if verdict.outcome == "hopeless":
        report.reached = False
        raise Unsatisfied(hopeless(wanted.deployment_id, waiting.wait_for, verdict))
