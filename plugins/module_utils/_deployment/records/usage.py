# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Usage of a deployment: figures derived from its row of ``_stats``."""

from __future__ import annotations

import typing as t

from ..._ml.deployment import iso_time

Raw = t.Mapping[str, t.Any]


class Trust(t.NamedTuple):
    """The figures of a version that can be relied on: pending requests, and threads of a node."""

    pending: bool
    threads: bool

    @property
    def unknown(self) -> dict[str, None]:
        """Return the keys of a node that cannot."""
        known = {"number_of_pending_requests": self.pending, "threads_per_allocation": self.threads}
        return {name: None for name, trusted in known.items() if not trusted}


def nodes(row: Raw, trust: Trust) -> list[dict[str, t.Any]]:
    """Return one item for each node with a route, sorted by node name.

    What a node does not show, or not rightly, is ``None``.
    """
    items = []
    for entry in row["deployment_stats"].get("nodes") or ():
        for node_id, node in (entry.get("node") or {}).items():
            items.append(_node(node_id, node, entry) | trust.unknown)
    return sorted(items, key=lambda item: (str(item["node_name"]), item["node_id"]))


def _node(node_id: str, node: Raw, entry: Raw) -> dict[str, t.Any]:
    state: Raw = entry.get("routing_state") or {}
    started = state.get("routing_state") == "started"
    counters = ("inference_count", "inference_cache_hit_count", "number_of_pending_requests")
    problems = ("error_count", "rejected_execution_count", "timeout_count")
    averages = ("average_inference_time_ms", "average_inference_time_ms_last_minute")
    return {
        "node_id": node_id,
        "node_name": node.get("name"),
        "routing_state": state.get("routing_state"),
        "reason": state.get("reason") or None,
        "number_of_allocations": entry.get("number_of_allocations"),
        "threads_per_allocation": entry.get("threads_per_allocation"),
        "start_time": iso_time(entry.get("start_time")),
        "last_access": iso_time(entry.get("last_access")),
        "throughput_last_minute": entry.get("throughput_last_minute"),
        "peak_throughput_per_minute": entry.get("peak_throughput_per_minute"),
        **{name: entry.get(name) for name in counters + averages},
        # Elasticsearch leaves these out while they are 0.
        **{name: entry.get(name, 0) if started else None for name in problems},
    }


def usage(row: Raw, trust: Trust) -> dict[str, t.Any]:
    """Return figures of the whole deployment: times in ms, ratios 0 to 1, ``None`` where nothing was measured."""
    stats: Raw = row["deployment_stats"]
    entries = [entry for entry in stats.get("nodes") or () if "number_of_pending_requests" in entry]
    inferences = _total(entries, "inference_count")
    last_minute = _total(entries, "throughput_last_minute")
    hits = _total(entries, "inference_cache_hit_count")
    pending = _total(entries, "number_of_pending_requests") if trust.pending else None
    places = (stats.get("queue_capacity") or 0) * len(entries)
    accessed = [entry["last_access"] for entry in entries if entry.get("last_access") is not None]
    return {
        "requests_last_minute": last_minute,
        "peak_requests_per_minute": stats.get("peak_throughput_per_minute", 0),
        "inference_count": inferences,
        "average_inference_time_ms": _mean(entries, "average_inference_time_ms", "inference_count"),
        "average_inference_time_ms_last_minute": _mean(
            entries, "average_inference_time_ms_last_minute", "throughput_last_minute"
        ),
        "cache_hit_count": hits,
        "cache_hit_ratio": _ratio(hits, inferences),
        "pending_requests": pending,
        "queue_use": _ratio(pending, places),
        "error_count": stats.get("error_count", 0),
        "rejected_execution_count": stats.get("rejected_execution_count", 0),
        "timeout_count": stats.get("timeout_count", 0),
        "last_access": iso_time(max(accessed)) if accessed else None,
    }


def _total(entries: t.Sequence[Raw], name: str) -> int:
    return sum(entry.get(name) or 0 for entry in entries)


def _mean(entries: t.Sequence[Raw], name: str, weight: str) -> float | None:
    """Return the mean over nodes, each weighted by *weight*, the number of its answers."""
    measured = [entry for entry in entries if entry.get(name) is not None and entry.get(weight)]
    total = _total(measured, weight)
    return round(sum(entry[name] * entry[weight] for entry in measured) / total, 3) if total else None


def _ratio(part: int | None, whole: int) -> float | None:
    return round(part / whole, 4) if whole and part is not None else None
