# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on many deployments of one cluster: with one read, one plan and one wait for all."""

from __future__ import annotations

import collections
import contextlib
import typing as t

from .._core.errors import Failure, Refusal, refuse_together
from .._core.http.client import Request
from .._core.options.connection import connection
from .._core.options.facts import fact_name
from .._core.reasons import Reason, each_once
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect
from .._core.run.internal_error import InternalError
from .._core.run.progress import ProgressCallback, no_progress
from .._core.run.result import Json, Outcome, failure, without_facts
from .._core.run.wait import TaskTime
from .._core.server import Server
from .._core.warning import WarningText
from .api.cluster import Cluster
from .api.snapshot import Snapshot
from .api.version_checks import refuse_old_server, refuse_unsupported
from .apply.deployment_run import DeploymentRun, apply_all
from .apply.run_state import RunState
from .apply.start_look import Start, check_room
from .options import fleet as options
from .options.deployment import server_timeout
from .options.guard import max_total_step, on_violation
from .options.predictions import not_followed, predictions
from .plan.fleet import in_send_order, refuse_long_list
from .plan.guard import guard_plans
from .plan.start_conditions import unlisted_refusal
from .records.prediction import NO_PREDICTIONS

Params = t.Mapping[str, t.Any]


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect[Cluster] = Cluster.connected,
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
) -> Outcome:
    """Bring all deployments into the states that validated *params* ask for.

    A failed deployment does not stop the others; the result is failed in the end. *show_progress* gets the progress of
    a long wait.
    """
    fleet = _Fleet(params, check_mode, clock or SystemClock(), show_progress)
    try:
        fleet.run(connect)
    except Failure as exc:
        return fleet.failed(exc)
    except Exception as exc:
        return fleet.failed(InternalError(exc))
    return fleet.outcome()


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return without_facts(_Fleet({"fact_name": "", "detail": "all"}, False, SystemClock()).as_result())


class _Fleet:
    def __init__(
        self, params: Params, check_mode: bool, clock: Clock, show_progress: ProgressCallback = no_progress
    ) -> None:
        self._params = params
        self._check_mode = check_mode
        self._show_progress = show_progress
        self._time = TaskTime(clock)
        self._server: Server | None = None
        self._runs: list[DeploymentRun] = []
        self._requests: list[Request] = []
        self._read = False

    def run(self, connect: Connect[Cluster]) -> None:
        """Read, plan, and apply the plans unless in check mode.

        :raises Refusal: the list is wrong as a whole; nothing was written.
        :raises ApiError: the cluster could not be read; nothing was written.
        """
        params = self._params
        items, keep, timeout = options.items(params), options.keep_filter(params), server_timeout(params)
        max_step = max_total_step(params)
        refuse_long_list(sum(desired.state != "stopped" for desired, _policy in items))
        fact_name(params)
        with (
            contextlib.closing(connect(connection(params), self._time.clock.sleep)) as cluster,
            cluster.planning(self._time, options.longest_time(items, params)),
        ):
            self._server = cluster.read_server()
            refuse_old_server(cluster.server)
            self._runs = [self._run_of(item) for item in items]
            self._refuse_unsupported(cluster)
            cluster.predictions = predictions(params, cluster.server) if self._check_mode else NO_PREDICTIONS
            snapshot = cluster.read()
            listed = {run.desired.deployment_id for run in self._runs}
            unlisted_ids = [name for name in snapshot if name not in listed and not keep(name)]
            self._runs += [self._run_of(options.stop_item(name, params)) for name in unlisted_ids]
            self._decide(cluster, snapshot, max_step)
            if self._check_mode:
                for run in self._runs:
                    run.state.warn(*not_followed(params, cluster.server, run.state.deployment_id))
                self._predict(cluster, snapshot, timeout)
            else:
                runs = [run for run in self._runs if not run.error]
                apply_all(cluster, runs, cluster.read, timeout, self._time, self._show_progress)

    def _run_of(self, item: options.Item) -> DeploymentRun:
        desired, policy = item
        state = RunState(desired.deployment_id, "", self._server, task_requests=self._requests)
        return DeploymentRun(desired, policy, state)

    def _refuse_unsupported(self, cluster: Cluster) -> None:
        refusals: list[Reason] = []
        for run in self._runs:
            try:
                refuse_unsupported(cluster.server, run.desired)
            except Refusal as exc:
                refusals.append(Reason(run.desired.deployment_id, str(exc)))
        refuse_together(refusals)

    def _decide(self, cluster: Cluster, snapshot: Snapshot, max_step: int | None) -> None:
        removed_ids: set[str] = set()
        for run in sorted(self._runs, key=lambda run: not snapshot.is_named_after_model(run.desired.deployment_id)):
            run.decide(cluster, snapshot, removed_ids)
            if run.removes:
                removed_ids.add(run.desired.deployment_id)
        self._read = True
        try:
            self._decide_together(cluster, snapshot, max_step)
        except Refusal:
            for run in self._runs:
                run.discard_plan()
            raise
        for run in self._runs:
            run.warn_of_recovery_file()

    def _decide_together(self, cluster: Cluster, snapshot: Snapshot, max_step: int | None) -> None:
        """Check the plans together, and guard them.

        :raises Refusal: the list cannot be applied as a whole.
        """
        wrong = [run for run in self._runs if isinstance(run.error, Refusal) and run.error.of_list]
        refuse_together([Reason(run.desired.deployment_id, str(run.error)) for run in wrong])
        planned = [run for run in self._runs if not run.error]
        plans = guard_plans([run.plan for run in planned], max_step, on_violation(self._params))
        for run, plan in zip(planned, plans, strict=True):
            run.state.set_plan(plan)
            run.check_start(cluster)
        self._refuse_unlisted_stops()
        check_room(
            cluster,
            [Start(run.plan, run.state) for run in planned if not run.error],
            list(snapshot),
            filter(None, map(snapshot.with_targets, snapshot)),
            hint="Stop some, or set stop_unlisted and unlisted_except.",
        )

    def _refuse_unlisted_stops(self) -> None:
        """Stop nothing that is not listed while a start of the list is refused for a reason of the whole cluster."""
        of_list = [run.state.start_checks for run in self._runs]
        for run in self._runs:
            refusal = unlisted_refusal(run.desired.deployment_id, of_list)
            if refusal and not run.desired.listed and not run.error and run.plan.stops:
                run.fail(refusal)

    def _predict(self, cluster: Cluster, snapshot: Snapshot, timeout: str) -> None:
        planned = [run for run in self._runs if not run.error]
        for run in planned:
            run.predict(cluster, snapshot, timeout)
        plans = [run.plan for run in planned]
        for index, step in in_send_order(plans):
            self._requests.append(planned[index].state.requests[plans[index].steps.index(step)])

    def outcome(self) -> Outcome:
        """Return the outcome of all deployments; it is failed if one of them is."""
        failed = [run for run in self._runs if run.error]
        result = self.as_result()
        if failed:
            error = Failure("deployments_failed", f"{self._counts()} {_reasons(failed)}")
            result = {**without_facts(result), **failure(error)}
        return Outcome(result, self._warnings)

    def failed(self, error: Failure) -> Outcome:
        """Return the outcome of a task that ended with *error*, with what was read of all deployments."""
        return Outcome({**without_facts(self.as_result()), **failure(error)}, self._warnings)

    def _counts(self) -> str:
        """Return how many deployments failed, and what became of the others."""
        summary = self._summary()
        changed = sum(run.state.changed and run.error is None for run in self._runs)
        others = {
            f"{'was' if changed == 1 else 'were'} changed": changed,
            f"{'is' if summary['unchanged'] == 1 else 'are'} unchanged": summary["unchanged"],
            f"{'was' if summary['skipped'] == 1 else 'were'} skipped": summary["skipped"],
        }
        parts = [f"{summary['failed']} of {len(self._runs)} deployments failed"]
        return ", ".join(parts + [f"{number} {what}" for what, number in others.items() if number]) + "."

    @property
    def _warnings(self) -> tuple[WarningText, ...]:
        """Return each warning once, after the ids of its deployments unless it names them."""
        skipped = [(run, f"Skipped: {run.state.skipped_because}.") for run in self._runs if run.state.skipped_because]
        ids_by_text = _with_ids([*skipped, *((run, text) for run in self._runs for text in run.state.warnings)])
        return tuple(WarningText(_with_lead(ids, text)) for text, ids in ids_by_text.items())

    def as_result(self) -> Json:
        """Return the result of the task on all deployments."""
        items, facts = self._items_and_facts()
        changed = [item for item in items if item["changed"]]
        polls = max((run.state.polls for run in self._runs), default=0)
        return {
            "changed": bool(changed),
            "failure": None,
            "deployments": items,
            "summary": self._summary(),
            "diff": {
                side: {item["deployment_id"]: item["diff"][side] for item in changed if any(item["diff"].values())}
                for side in ("before", "after")
            },
            "api_calls": [request.as_result() for request in self._requests],
            "waited": {
                "seconds": round(self._time.passed, 3) if polls else 0.0,
                "polls": polls,
            },
            "server": self._server and self._server.as_result(),
            "ansible_facts": {self._params["fact_name"]: facts} if self._params["fact_name"] and self._read else {},
        }

    def _items_and_facts(self) -> tuple[list[Json], Json]:
        """Return the items of the result and the entries of the fact; each item is made once, and only if needed."""
        items: list[Json] = []
        facts: Json = {}
        for run in self._runs if self._read else ():
            identity = {"deployment_id": run.desired.deployment_id}
            brief = self._params["detail"] == "changed" and run.is_unremarkable
            item = {} if brief and not self._params["fact_name"] else {**identity, **run.result()}
            items.append({**identity, "changed": False, "operation": "none"} if brief else item)
            if self._params["fact_name"]:
                facts |= run.state.facts(item)
        return items, facts

    def _summary(self) -> Json:
        states = [run.state for run in self._runs]
        operations = collections.Counter(state.operation for state in states if state.changed)
        return {
            "deployments": len(states),
            "changed": sum(state.changed for state in states),
            "unchanged": sum(not (run.state.changed or run.error or run.state.skipped_because) for run in self._runs),
            "failed": sum(run.error is not None for run in self._runs),
            "skipped": sum(run.state.skipped_because is not None and run.error is None for run in self._runs),
            "operations": dict(sorted(operations.items())),
        }


def _reasons(failed: t.Iterable[DeploymentRun]) -> str:
    return each_once(Reason(run.desired.deployment_id, str(run.error)) for run in failed)


def _with_ids(messages: t.Iterable[tuple[DeploymentRun, str]]) -> dict[str, list[str]]:
    """Return text to the ids of the deployments that it is about, in quotes."""
    ids_by_text: dict[str, list[str]] = {}
    for run, text in messages:
        ids_by_text.setdefault(text, []).append(f"'{run.desired.deployment_id}'")
    return ids_by_text


def _with_lead(ids: t.Sequence[str], text: str) -> str:
    """Return *text* after *ids*, or alone if it names all of them."""
    return text if all(name in text for name in ids) else f"{', '.join(ids)}: {text}"
