# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply effects on inference: requests of other clients, durations, failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..state import infer
from ..state.assignment import FAILED, STARTED
from ..state.cluster import Cluster
from ..state.inferences import InferenceFailure
from ..state.usage import Usage
from ..state.work import Job
from .effect_targets import BadEffect, Effect, assignment, node_of_route


def _count_of(effect: Effect, name: str, default: int) -> int:
    count = int(effect.get(name, default))
    if count < 0:
        raise BadEffect(f"{name} must not be negative")
    return count


def _infer(cluster: Cluster, effect: Effect) -> None:
    """Count requests that are over; routes take turns, each as often as it has allocations."""
    each = assignment(cluster, effect)
    count, time_ms = _count_of(effect, "count", 1), float(effect.get("time_ms", 10))
    hits = min(count, _count_of(effect, "cache_hits", 0))
    routable = {node_id: route.current for node_id, route in each.routes.items() if route.routable}
    total = sum(routable.values())
    left, left_hits = count, hits
    for index, (node_id, current) in enumerate(sorted(routable.items())):
        last = index == len(routable) - 1
        mine = left if last else count * current // total
        my_hits = left_hits if last else hits * current // total
        left, left_hits = left - mine, left_hits - my_hits
        usage = cluster.usage.setdefault((effect["deployment_id"], node_id), Usage())
        usage.count(mine, time_ms, cluster.now() // 1_000_000, hits=my_hits)


def _queue_inferences(cluster: Cluster, effect: Effect) -> None:
    """Queue requests of other clients now; each text differs unless ``text`` is given."""
    each = assignment(cluster, effect)
    timeout = int(float(effect.get("timeout_ms", 10_000)) * 1_000_000)
    if not infer.targets(each):
        raise BadEffect(f"no node takes requests for [{effect['deployment_id']}]")
    for number, node_id in enumerate(infer.spread(cluster, each, _count_of(effect, "count", 1))):
        usage = cluster.usage.get((effect["deployment_id"], node_id))
        if usage is None:
            continue
        text = str(effect.get("text", f"queued {cluster.now()} {number}"))
        infer.enqueue(cluster, each, usage, node_id, Job(text, infer.time_of(cluster, each), timeout))
    cluster.publish()


def _fail_inference(cluster: Cluster, effect: Effect) -> None:
    status = effect.get("status")
    failure = InferenceFailure(
        effect.get("deployment_id"),
        str(effect.get("reason", "failed by the test")),
        int(effect.get("times", 1)),
        None if status is None else int(status),
    )
    cluster.inferences.failures.append(failure)


def _count_failures(cluster: Cluster, effect: Effect) -> None:
    """Count inferences of other clients that had no answer: ``rejected``, ``timeouts``, ``errors``."""
    key = (str(effect["deployment_id"]), node_of_route(cluster, effect))
    usage = cluster.usage.get(key)
    if usage is None:
        raise BadEffect(f"no process of [{key[0]}] runs on node [{key[1]}]")
    for name in ("rejected", "timeouts", "errors"):
        setattr(usage, name, getattr(usage, name) + _count_of(effect, name, 0))
    cluster.publish()


def _set_inference_time(cluster: Cluster, effect: Effect) -> None:
    time_ms = float(effect["time_ms"])
    if time_ms < 0:
        raise BadEffect("time_ms must not be negative")
    cluster.inferences.times_ms[str(effect["deployment_id"])] = time_ms


def _crash_process(cluster: Cluster, effect: Effect) -> None:
    """End the native process: waiting requests fail, counters begin again, the route fails unless it restarts."""
    each = assignment(cluster, effect)
    reason = str(effect.get("reason", "killed by the test"))
    key = (str(effect["deployment_id"]), node_of_route(cluster, effect))
    usage = cluster.usage.pop(key, None)
    if usage is not None:
        usage.ended = f"inference native process died unexpectedly with failure [{reason}]"
    if effect.get("restart"):
        if each.routes[key[1]].state == STARTED:
            cluster.usage[key] = Usage(start_time=cluster.now() // 1_000_000)
    else:
        each.routes[key[1]].state = FAILED
        each.routes[key[1]].reason = f"inference process crashed due to reason [{reason}]"
    cluster.publish()


def _load_again(cluster: Cluster, effect: Effect) -> None:
    """Let the processes of a deployment load for some seconds, as after a full restart; statistics do not show it."""
    assignment(cluster, effect)
    seconds = float(effect["seconds"])
    if seconds < 0:
        raise BadEffect("seconds must not be negative")
    cluster.inferences.loading[str(effect["deployment_id"])] = cluster.now() + int(seconds * 1e9)


def _set_process_memory(cluster: Cluster, effect: Effect) -> None:
    """Set ``average_inference_process_memory_rss_bytes`` (9.5); null hides it."""
    key = (str(effect["deployment_id"]), str(effect["node_id"]))
    amount = effect.get("bytes")
    cluster.usage[key].process_memory = None if amount is None else int(amount)


def _unfetched_stats(cluster: Cluster, effect: Effect) -> None:
    """Let the statistics of a deployment, or the size of a model, be unavailable, or available again."""
    if (effect.get("deployment_id") is None) == (effect.get("model_id") is None):
        raise BadEffect("give deployment_id or model_id")
    by_deployment = effect.get("deployment_id") is not None
    held = cluster.inferences.unfetched_deployments if by_deployment else cluster.inferences.unfetched_sizes
    name = str(effect["deployment_id" if by_deployment else "model_id"])
    if effect.get("enabled", True):
        held.add(name)
    else:
        held.discard(name)


def _set_download_time(cluster: Cluster, effect: Effect) -> None:
    """Set the download time of packaged models created from now on; with ``model_id``, what is left of that one."""
    seconds = float(effect["seconds"])
    if seconds < 0:
        raise BadEffect("seconds must not be negative")
    if effect.get("model_id") is None:
        cluster.inferences.download_ms = seconds * 1000
        return
    model = cluster.models[str(effect["model_id"])]
    if model.settle(cluster.now()):
        raise BadEffect(f"[{model.id}] is not being downloaded")
    model.download_ends = cluster.now() + int(seconds * 1e9)
    cluster.publish()


def _fail_download(cluster: Cluster, effect: Effect) -> None:
    """Let downloads fail: the one of a model that is under way at once, or else the next that begin."""
    reason = str(effect.get("reason", "failed by the test"))
    if effect.get("model_id") is None:
        cluster.inferences.download_failures += [reason] * _count_of(effect, "times", 1)
        return
    model = cluster.models[str(effect["model_id"])]
    if model.settle(cluster.now()):
        raise BadEffect(f"[{model.id}] is not being downloaded")
    model.download_fails, model.download_ends, model.downloading = reason, cluster.now(), False
    model.settle(cluster.now())
    cluster.publish()


def _refuse_graph(cluster: Cluster, effect: Effect) -> None:
    """Let the native process refuse the graph of a model, from 9.4 on, or take it again."""
    refused = cluster.inferences.refused_graphs
    (refused.add if effect.get("enabled", True) else refused.discard)(str(effect["model_id"]))


ACTIONS: Final[Mapping[str, Callable[[Cluster, Effect], None]]] = {
    "infer": _infer,
    "queue_inferences": _queue_inferences,
    "fail_inference": _fail_inference,
    "count_failures": _count_failures,
    "set_inference_time": _set_inference_time,
    "crash_process": _crash_process,
    "load_again": _load_again,
    "set_process_memory": _set_process_memory,
    "unfetched_stats": _unfetched_stats,
    "set_download_time": _set_download_time,
    "fail_download": _fail_download,
    "refuse_graph": _refuse_graph,
}
