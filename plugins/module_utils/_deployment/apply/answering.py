# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last condition of a wait for a deployment that answers: one tiny inference of a deployment that is ready."""

from __future__ import annotations

from ..._core.errors import ApiError
from ..._ml.documents import hide, values_in, without
from ..._ml.inference import error_in, may_pass
from ..plan.readiness import READY, Readiness
from .deployment_run import DeploymentRun

_MARGIN = 1.0
"""Seconds by which Elasticsearch gives up before the client does."""
_ALL_RUN = "all allocations run, but it does not answer yet"


def confirm_answer(run: DeploymentRun, readiness: Readiness) -> Readiness:
    """Return *readiness*, or if the deployment is ready but for an answer, whether it gives one.

    One with 0 allocations, which the task accepts, is not asked: that would wake it.
    """
    observed = run.state.observed
    if readiness.state != "ready" or observed is None or observed.number_of_allocations == 0:
        return readiness
    turns = run.cluster.turns
    if not turns.may_ask(run.deployment_id):
        why = turns.why(run.deployment_id) or "all allocations run, and it is asked next"
        return Readiness("progressing", why)
    began, patience = run.budget.seconds, turns.patience(run.deployment_id)
    with run.cluster.within(lambda: min(patience + _MARGIN, run.budget.left)):
        found = _ask(run, observed.model_id, patience)
    turns.note(run.deployment_id, run.budget.seconds - began, found.why)
    return found


def _ask(run: DeploymentRun, model_id: str, patience: float) -> Readiness:
    docs = run.progress.policy.docs
    hidden = values_in(docs)
    try:
        results = run.cluster.inferences.ask(run.deployment_id, model_id, docs, patience)
    except ApiError as error:
        why = may_pass(error)
        return Readiness("progressing", f"{_ALL_RUN}: {why}") if why else _refused(str(hide(hidden, error)))
    wrong = error_in(results)
    if wrong is None:
        return READY
    if wrong.why:
        return Readiness("progressing", f"{_ALL_RUN}: {wrong.why}")
    return _refused(without(hidden, wrong.said))


def _refused(said: str) -> Readiness:
    return Readiness("failed", f"all allocations run, and an inference is refused: {said.rstrip('.')}")
