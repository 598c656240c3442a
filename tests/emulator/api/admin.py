# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve cluster health and cluster settings: enough to wait for nodes and to set machine-learning settings.

Source: recorded-answers.md 1, most rows of which are about these two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ..emulator import Emulator
from ..state import planning, settings
from ..state.cluster import Cluster
from ..wire import errors, render, xcontent
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from ..wire.xcontent import Parser

Json = dict[str, Any]
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_STATUSES: Final = ("green", "yellow", "red")
_NODE_COUNT: Final = re.compile(r"(>=|<=|>|<|ge|le|gt|lt)?\(?(\d+)\)?")
_COMPARE: Final = {
    ">=": int.__ge__,
    "ge": int.__ge__,
    "<=": int.__le__,
    "le": int.__le__,
    ">": int.__gt__,
    "gt": int.__gt__,
    "<": int.__lt__,
    "lt": int.__lt__,
    None: int.__eq__,
}
_WAITS: Final = ("wait_for_events", "wait_for_no_relocating_shards", "wait_for_no_initializing_shards")


# --- health ---


def health(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _cluster/health``: always green, since there are no shards; a request can only wait for nodes."""
    cluster = emulator.cluster
    call.boolean("local", False)
    if call.has("master_timeout") or not cluster.version.at_least((8, 15, 0)):
        # Newer servers look for it only if it is there: an unknown parameter is not compared with it.
        call.time("master_timeout", _TIMEOUT)
    timeout = call.time("timeout", _TIMEOUT)
    status = call.text("wait_for_status")
    if status is not None and status.lower() not in _STATUSES:
        constant = f"org.elasticsearch.cluster.health.ClusterHealthStatus.{status.upper()}"
        raise errors.illegal_argument(f"No enum constant {constant}")
    _check_shard_count(call.text("wait_for_active_shards"))
    for name in (*_WAITS, "level"):
        call.text(name)
    nodes = call.text("wait_for_nodes")
    enough = _node_condition(nodes)
    human = call.flag("human")

    async def run() -> Reply:
        in_time = await emulator.clock.wait(lambda: enough(len(cluster.nodes)), timeout.seconds)
        return Reply(200 if in_time else 408, health_json(cluster, timed_out=not in_time, human=human))

    return Prepared("cluster:monitor/health", run)


def _check_shard_count(text: str | None) -> None:
    if text is not None and text != "all" and not text.isdigit():
        raise errors.illegal_argument(f"cannot parse ActiveShardCount[{text}]", errors.number_format(text))


def _node_condition(text: str | None) -> Any:
    if text is None:
        return lambda count: True
    match = _NODE_COUNT.fullmatch(text)
    if match is None:
        raise errors.number_format(text)
    compare, number = _COMPARE[match[1]], int(match[2])
    return lambda count: compare(count, number)


def health_json(cluster: Cluster, *, timed_out: bool, human: bool) -> Json:
    """Return the body of the answer."""
    red = not (cluster.coordination.master and cluster.coordination.recovered)
    body: Json = {
        "cluster_name": cluster.name,
        "status": "red" if red else "green",
        "timed_out": timed_out,
        "number_of_nodes": len(cluster.nodes),
        "number_of_data_nodes": data_nodes(cluster),
    }
    counts = ["active_primary", "active", "relocating", "initializing", "unassigned"]
    if cluster.version.at_least((8, 16, 0)):
        counts.append("unassigned_primary")
    counts.append("delayed_unassigned")
    body |= {f"{name}_shards": 0 for name in counts}
    body |= {"number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0}
    if human:
        body["task_max_waiting_in_queue"] = "0s"
    body["task_max_waiting_in_queue_millis"] = 0
    if human:
        body["active_shards_percent"] = "NaN%" if red else "100.0%"
    return body | {"active_shards_percent_as_number": "NaN" if red else 100.0}


def data_nodes(cluster: Cluster) -> int:
    """Return the number of nodes with a data role."""
    return sum(any(role.startswith("data") for role in node.roles) for node in cluster.nodes.values())


# --- settings ---


def get_settings(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _cluster/settings``: what was set, as persistent settings only; and the defaults of the rest."""
    flat = call.boolean("flat_settings", False)
    with_defaults = call.boolean("include_defaults", False)
    call.time("master_timeout", _TIMEOUT)

    async def run() -> Reply:
        body = {"persistent": _shown(emulator.cluster.settings, flat=flat), "transient": {}}
        return Reply(200, body | ({"defaults": _defaults(emulator.cluster, flat=flat)} if with_defaults else {}))

    return Prepared("cluster:monitor/settings", run)


def put_settings(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _cluster/settings``; persistent and transient settings are the same here."""
    flat = call.boolean("flat_settings", False)
    call.time("master_timeout", _TIMEOUT)
    call.time("timeout", _TIMEOUT)
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    parsed = xcontent.read_map(Parser(body, emulator.cluster.version))
    desired = {kind: dict(_flattened(parsed.get(kind) or {})) for kind in ("persistent", "transient")}
    complaints = [] if any(desired.values()) else ["no settings to update"]

    has_ml = "ml" not in emulator.cluster.config.without

    async def run() -> Reply:
        for kind in ("transient", "persistent"):
            settings.check(kind, desired[kind], emulator.cluster.version, has_ml=has_ml)
        for each in desired.values():
            settings.changed(emulator.cluster.settings, each)
        emulator.cluster.publish(by_api=True)
        call.committed = True
        shown = {kind: _shown(each, flat=flat) for kind, each in desired.items()}
        return Reply(200, {"acknowledged": True, **shown})

    names = [name for each in desired.values() for name in each]
    return Prepared("cluster:admin/settings/update", run, complaints, passes_blocks=settings.only_lifts_blocks(names))


def _flattened(body: Json, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _defaults(cluster: Cluster, *, flat: bool) -> Json:
    """Return what is not set; the attributes with which the nodes were started are there as if they were defaults."""
    attributes = planning.awareness_at_start(node for node in cluster.nodes.values() if node.ml)
    has_ml = "ml" not in cluster.config.without
    found = settings.defaults(cluster.settings, cluster.version, attributes, has_ml=has_ml)
    shown = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
    return shown if flat else render.nested(shown)


def _shown(given: Json, *, flat: bool) -> Json:
    """Return settings as the answer shows them.

    Values are texts or lists of them, names are nested unless ``flat_settings`` is given.
    """
    texts = {name: _value(value) for name, value in given.items() if value is not None and "." in name}
    return texts if flat else render.nested(texts)


def _value(value: Any) -> str | list[str]:
    return [settings.text_of(each) for each in value] if isinstance(value, list) else settings.text_of(value)


ROUTES: Final = (
    Route("GET", "/_cluster/health", "health", health, serverless=False),
    Route("GET", "/_cluster/settings", "settings", get_settings, serverless=False),
    Route("PUT", "/_cluster/settings", "settings", put_settings, serverless=False),
)
