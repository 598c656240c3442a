# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on many deployments of one cluster, and sum up what became of them."""

from __future__ import annotations

import collections
import typing as t

from .._core.errors import Failure
from .._core.reasons import Reason, each_once
from .._core.run.clock import Clock
from .._core.run.cluster import Connect
from .._core.run.progress import ProgressCallback, no_progress
from .._core.run.result import Json, Outcome, failure, without_facts
from .._core.warning import WarningText
from .api.cluster import Cluster
from .options.task import many
from .plan.run_state import RunState
from .result import as_item, fact, operation
from .task_run import TaskRun

Params = t.Mapping[str, t.Any]


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect[Cluster] = Cluster.connected,
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
    begun: t.Callable[[TaskRun], object] = id,
) -> Outcome:
    """Bring all deployments into the states that validated *params* ask for.

    A failed deployment does not stop the others; the result is failed in the end. *show_progress* gets the progress of
    a long wait, *begun* the run before it does anything.
    """
    task_run = TaskRun(check_mode, clock, show_progress)
    begun(task_run)
    task_run.execute(lambda: many(params), connect)
    return _outcome(params, task_run)


def _outcome(params: Params, task_run: TaskRun) -> Outcome:
    """Return the outcome of *task_run*, the run of a task with *params*; it is failed if one deployment is."""
    states = task_run.states
    failed = [state for state in states if state.error]
    error = task_run.error
    if failed and error is None:
        error = Failure("deployments_failed", f"{_counts(states)} {_reasons(failed)}")
    result = _result(params, task_run)
    return Outcome({**without_facts(result), **failure(error)} if error else result, _warnings(states))


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return without_facts(_result({"fact_name": "", "detail": "all"}, TaskRun()))


def _result(params: Params, task_run: TaskRun) -> Json:
    """Return the result of the task on all deployments."""
    states = task_run.states
    items, facts = _items_and_facts(params, states if task_run.read else ())
    changed = [item for item in items if item["changed"]]
    polls = max((state.polls for state in states), default=0)
    return {
        "changed": bool(changed),
        "failure": None,
        "deployments": items,
        "summary": _summary(states if task_run.read else ()),
        "diff": {
            side: {item["deployment_id"]: item["diff"][side] for item in changed if any(item["diff"].values())}
            for side in ("before", "after")
        },
        "api_calls": [request.as_result() for request in task_run.requests_sent],
        "waited": {"seconds": round(task_run.time.passed, 3) if polls else 0.0, "polls": polls},
        "server": task_run.server and task_run.server.as_result(),
        "ansible_facts": {params["fact_name"]: facts} if params["fact_name"] and task_run.read else {},
    }


def _items_and_facts(params: Params, states: t.Iterable[RunState]) -> tuple[list[Json], Json]:
    """Return the items of the result and the entries of the fact; each item is made once, and only if needed."""
    items: list[Json] = []
    facts: Json = {}
    for state in states:
        identity = {"deployment_id": state.deployment_id}
        brief = params["detail"] == "changed" and state.is_unremarkable
        item = {} if brief and not params["fact_name"] else {**identity, **as_item(state)}
        items.append({**identity, "changed": False, "operation": "none"} if brief else item)
        if params["fact_name"]:
            facts |= fact(state, item)
    return items, facts


def _summary(states: t.Sequence[RunState]) -> Json:
    operations = collections.Counter(operation(state) for state in states if state.changed)
    return {
        "deployments": len(states),
        "changed": sum(state.changed for state in states),
        "unchanged": sum(not (state.changed or state.error or state.skipped_because) for state in states),
        "failed": sum(state.error is not None for state in states),
        "skipped": sum(state.skipped_because is not None and state.error is None for state in states),
        "operations": dict(sorted(operations.items())),
    }


def _counts(states: t.Sequence[RunState]) -> str:
    """Return how many deployments failed, and what became of the others. Check mode says what a real run would say."""
    summary = _summary(states)
    changed = sum(state.changed and state.error is None for state in states)
    others = {
        f"{'was' if changed == 1 else 'were'} changed": changed,
        f"{'is' if summary['unchanged'] == 1 else 'are'} unchanged": summary["unchanged"],
        f"{'was' if summary['skipped'] == 1 else 'were'} skipped": summary["skipped"],
    }
    parts = [f"{summary['failed']} of {len(states)} deployments failed"]
    return ", ".join(parts + [f"{number} {what}" for what, number in others.items() if number]) + "."


def _reasons(failed: t.Iterable[RunState]) -> str:
    return each_once(Reason(state.deployment_id, str(state.error)) for state in failed)


def _warnings(states: t.Iterable[RunState]) -> tuple[WarningText, ...]:
    """Return each warning once, after the ids of its deployments unless it names them."""
    ids_by_text: dict[str, list[str]] = {}
    skipped = [(each, f"Skipped: {each.skipped_because}.") for each in states if each.skipped_because]
    for state, text in [*skipped, *((each, text) for each in states for text in each.warnings)]:
        ids_by_text.setdefault(text, []).append(f"'{state.deployment_id}'")
    return tuple(WarningText(_with_lead(ids, text)) for text, ids in ids_by_text.items())


def _with_lead(ids: t.Sequence[str], text: str) -> str:
    """Return *text* after *ids*, or alone if it names all of them."""
    return text if all(name in text for name in ids) else f"{', '.join(ids)}: {text}"
