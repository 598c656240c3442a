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

_PATIENCE = 2.0
"""Seconds that Elasticsearch may take for one inference: the others of the task are not polled meanwhile."""
_ALL_RUN = "all allocations run, but it does not answer yet"


def confirm_answer(run: DeploymentRun, readiness: Readiness) -> Readiness:
    """Return *readiness*, or if the deployment is ready but for an answer, whether it gives one.

    One with 0 allocations, which the task accepts, is not asked: that would wake it.
    """
    observed = run.state.observed
    if readiness.state != "ready" or observed is None or observed.number_of_allocations == 0:
        return readiness
    if not run.cluster.turns.may_ask(run.deployment_id):
        return Readiness("progressing", "all allocations run, and it is asked next")
    began = run.budget.seconds
    with run.cluster.within(lambda: min(_PATIENCE, run.budget.left)):
        found = _ask(run, observed.model_id)
    run.cluster.turns.note(run.deployment_id, run.budget.seconds - began)
    return found


def _ask(run: DeploymentRun, model_id: str) -> Readiness:
    docs = run.progress.policy.docs
    hidden = values_in(docs)
    try:
        results = run.cluster.inferences.ask(run.deployment_id, model_id, docs, _PATIENCE)
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
