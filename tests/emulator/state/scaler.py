# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play the adaptive allocations scaler: it reads the statistics every ten seconds and sets numbers of allocations.

Source: server-behaviour.md 6; order of decisions and texts as the public source of Elasticsearch describes its
``AdaptiveAllocationsScalerService``.
"""

from __future__ import annotations

from typing import Final

from ..wire import errors
from . import load, operations, settings
from .adaptive import AdaptiveSettings
from .assignment import STARTED, STARTING, Assignment
from .cluster import Cluster
from .estimators import DeploymentScaler, Sample
from .requests import UpdateRequest

INTERVAL: Final = 10.0
_COOLDOWN: Final = 300.0
_DAY: Final = 86400.0
_QUARTER: Final = 900.0
_NANOS: Final = 10**9


def run(cluster: Cluster, ticks: int = 1, seconds: float = INTERVAL) -> None:
    """Run the scaler so many times; before each run the emulator's time advances by an interval."""
    for _tick in range(ticks):
        cluster.pass_time(seconds)
        look(cluster)


def look_if_due(cluster: Cluster, interval: float) -> None:
    """Run the scaler if the last run is long enough ago; an interval of 0 switches it off."""
    last = cluster.scaler.last_look
    if interval > 0 and (last is None or cluster.now() - last >= interval * _NANOS):
        look(cluster)


def look(cluster: Cluster) -> None:
    """Run the scaler once; its first run only measures, and so does the first one at each node."""
    memory, now = cluster.scaler, cluster.now()
    seconds = None if memory.last_look is None else (now - memory.last_look) / _NANOS
    memory.last_look = now
    if seconds is not None:
        _let_load_flow(cluster, seconds)
    if not cluster.coordination.master:
        return
    for deployment_id in set(memory.scalers) - set(_enabled(cluster)):
        memory.forget(deployment_id)
    for deployment_id, each in _enabled(cluster).items():
        memory.scalers.setdefault(deployment_id, DeploymentScaler())
        recent = _measure(cluster, deployment_id, each)
        if seconds and recent is not None:
            _scale(cluster, each, recent, seconds)
        elif seconds and cluster.choices["scaler_from_zero"] == "raised":
            _raise_to_minimum(cluster, each)


def wake(cluster: Cluster, deployment_id: str) -> bool:
    """Wake a deployment at zero for a request; return true if allocations are on their way (server-behaviour.md 6)."""
    each = cluster.assignments[deployment_id]
    if each.adaptive is None or not each.adaptive.is_enabled or _bound(each.adaptive.minimum):
        return False
    cluster.scaler.scaled_up[deployment_id] = cluster.now()
    if each.params.number_of_allocations == 0:
        _set_number(cluster, deployment_id, 1)
    if deployment_id in cluster.scaler.scalers:
        cluster.scaler.scalers[deployment_id].seconds_without_requests = 0.0
    return True


def _enabled(cluster: Cluster) -> dict[str, Assignment]:
    return {
        key: each for key, each in cluster.assignments.items() if each.adaptive is not None and each.adaptive.is_enabled
    }


def _let_load_flow(cluster: Cluster, seconds: float) -> None:
    for deployment_id, given in list(cluster.loads.items()):
        each = cluster.assignments.get(deployment_id)
        if each is None:
            del cluster.loads[deployment_id]
            continue
        count = given.requests(seconds)
        served = load.spread(cluster, deployment_id, count, given.inference_time_ms)
        if count and not served and each.params.number_of_allocations == 0:
            wake(cluster, deployment_id)


def _measure(cluster: Cluster, deployment_id: str, each: Assignment) -> Sample | None:
    """Return the changes since the last run on nodes that existed then; ``None`` if there were none."""
    before = cluster.scaler.samples.setdefault(deployment_id, {})
    recent: Sample | None = None
    for node_id in each.routes:
        now = _sample(cluster, deployment_id, node_id)
        if node_id in before:
            recent = now.since(before[node_id]) + (recent or Sample())
        before[node_id] = now
    return recent


def _sample(cluster: Cluster, deployment_id: str, node_id: str) -> Sample:
    usage = cluster.usage.get((deployment_id, node_id))
    if usage is None:
        return Sample()
    seconds = usage.inferences * (usage.average_ms or 0.0) / 1000
    return Sample(usage.inferences, usage.pending, usage.errors + usage.timeouts + usage.rejected, seconds)


def _scale(cluster: Cluster, each: Assignment, recent: Sample, seconds: float) -> None:
    deployment_id, number = each.params.deployment_id, each.params.number_of_allocations
    scaler = cluster.scaler.scalers[deployment_id]
    scaler.process(recent, seconds)
    least, most = _bounds(cluster, each.adaptive)
    desired = scaler.desired(number, least, most, _to_zero_after(cluster))
    if desired == number or each.state != STARTED:
        return
    if desired < number and _rose_lately(cluster, each):
        return
    if desired > number:
        cluster.scaler.scaled_up[deployment_id] = cluster.now()
    _set_number(cluster, deployment_id, desired)


def _bounds(cluster: Cluster, given: AdaptiveSettings | None) -> tuple[int | None, int | None]:
    """Return the deployment's own bounds; where the cluster's default bounds apply is [U]."""
    least, most = (None, None) if given is None else (_bound(given.minimum), _bound(given.maximum))
    if cluster.choices["default_allocations"] == "scaler_bounds":
        least = int(cluster.settings.get(settings.DEFAULT_MIN, 0)) if least is None else least
        most = int(cluster.settings.get(settings.DEFAULT_MAX, 32)) if most is None else most
    return least, most


def _bound(value: int | None) -> int | None:
    """Return a bound; a stored -1 means that there is none (server-behaviour.md 6)."""
    return None if value == -1 else value


def _to_zero_after(cluster: Cluster) -> float:
    default = _DAY if cluster.version.scaler_times else _QUARTER
    return settings.time_of(cluster.settings, settings.SCALE_TO_ZERO, default)


def _rose_lately(cluster: Cluster, each: Assignment) -> bool:
    """Return whether the scaler, a request, or a start on a node has added allocations within the cooldown."""
    now, deployment_id = cluster.now(), each.params.deployment_id
    cooldown = settings.time_of(cluster.settings, settings.COOLDOWN, _COOLDOWN) * _NANOS
    times = [cluster.scaler.scaled_up[deployment_id]] if deployment_id in cluster.scaler.scaled_up else []
    for node_id, route in each.routes.items():
        if route.state == STARTING:
            return True
        usage = cluster.usage.get((deployment_id, node_id))
        if usage is not None:
            times.append(usage.start_time * 1_000_000)
    return any(now < time + cooldown for time in times)


def _raise_to_minimum(cluster: Cluster, each: Assignment) -> None:
    """Raise a deployment without nodes to a minimum set later, which needs statistics, or does not [U]."""
    least, _most = _bounds(cluster, each.adaptive)
    if each.params.number_of_allocations == 0 and least:
        _set_number(cluster, each.params.deployment_id, least)


def _set_number(cluster: Cluster, deployment_id: str, number: int) -> None:
    """Set the number by the internal update.

    A repeated failure is noted once until a success, and tried again each time.
    """
    what = f"adaptive allocations scaler: scal{{}} [{deployment_id}] to [{number}] allocations"
    try:
        if not cluster.commits:
            raise errors.status(503, "blocked")
        operations.update(cluster, UpdateRequest(deployment_id, number, internal=True))
    except errors.ApiError as refusal:
        if cluster.scaler.warnings.get(deployment_id) != refusal.reason:
            cluster.audit_line(deployment_id, f"{what.format('ing')} failed.")
        cluster.scaler.warnings[deployment_id] = refusal.reason
    else:
        cluster.scaler.warnings.pop(deployment_id, None)
        cluster.audit_line(deployment_id, f"{what.format('ed')}.")
