# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve ``_license`` and ``_xpack``.

Sources: http:313, 355-385; the documentation of the licensing APIs and ``_xpack``; rules and texts from the server's
public source. Which features a licence includes follows the public list of subscriptions [G].
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from ..emulator import Emulator
from ..state import licence
from ..state.cluster import Cluster
from ..state.licence import Licence
from ..wire import errors, xcontent
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from ..wire.xcontent import Parser

Json = dict[str, Any]
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_ADMIN: Final = "cluster:admin/xpack/license/"
_OPERATION: Final = "license"
_CATEGORIES: Final = ("build", "license", "features")
_NEEDS: Final = {
    "archive": "enterprise",
    "ccr": "platinum",
    "enterprise_search": "platinum",
    "graph": "platinum",
    "logsdb": "enterprise",
    "logstash": "gold",
    "ml": "platinum",
    "searchable_snapshots": "enterprise",
    "watcher": "gold",
}
_FREE: Final = (
    "aggregate_metric",
    "analytics",
    "data_streams",
    "data_tiers",
    "enrich",
    "eql",
    "frozen_indices",
    "ilm",
    "monitoring",
    "rollup",
    "security",
    "slm",
    "spatial",
    "sql",
    "transform",
    "voting_only",
)
_SINCE: Final = {
    "archive": (8, 2, 0),
    "universal_profiling": (8, 7, 0),
    "enterprise_search": (8, 8, 0),
    "esql": (8, 14, 0),
    "logsdb": (8, 16, 0),
}


# --- reading ---


def get(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _license``: with blanks unless ``pretty`` is given (recorded)."""
    cluster = emulator.cluster
    call.boolean("local", False)
    if cluster.version.major == 8 and call.has("accept_enterprise") and not call.boolean("accept_enterprise", True):
        raise errors.illegal_argument("The [accept_enterprise] parameters may not be false")
    human = call.flag("human")

    async def run() -> Reply:
        call.parameters = {"pretty": "true", **call.parameters}
        body = licence.current(cluster).as_json(cluster.milliseconds())
        if human:
            start = body.pop("start_date_in_millis")
            body |= {"start_date": licence.date(start), "start_date_in_millis": start}
        return Reply(200, {"license": body})

    return Prepared("cluster:monitor/xpack/license/get", run)


def trial_status(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _license/trial_status``; a trial can be started once."""

    async def run() -> Reply:
        return Reply(200, {"eligible_to_start_trial": not emulator.cluster.trial_used})

    return Prepared(f"{_ADMIN}trial_status", run)


def basic_status(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _license/basic_status``."""

    async def run() -> Reply:
        return Reply(200, {"eligible_to_start_basic": licence.current(emulator.cluster).type != "basic"})

    return Prepared(f"{_ADMIN}basic_status", run)


# --- changing ---


def _put_in_place(cluster: Cluster, call: Call, found: Licence) -> None:
    cluster.settings.pop("license", None)
    cluster.licence = found
    call.committed = True
    cluster.publish(by_api=True)


def _times(call: Call) -> None:
    for name in ("timeout", "master_timeout"):
        call.time(name, _TIMEOUT)


def start_trial(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _license/start_trial``."""
    cluster, acknowledged = emulator.cluster, call.boolean("acknowledge", False)
    _times(call)
    kind = call.text("type") or "trial"
    if kind not in ("trial", "platinum", "gold", "enterprise"):
        raise errors.illegal_argument(f"Cannot start trial of type [{kind}]. Valid trial types are [enterprise,trial].")

    async def run() -> Reply:
        body: Json = {"acknowledged": acknowledged}
        if not acknowledged:
            body |= {"trial_was_started": False, "error_message": "Operation failed: Needs acknowledgement."}
            return Reply(200, body | {"acknowledge": _TRIAL_ADVICE})
        if cluster.trial_used:
            message = "Operation failed: Trial was already activated."
            return Reply(403, body | {"trial_was_started": False, "error_message": message})
        cluster.trial_used = True
        begun = licence.new("trial", cluster.name, cluster.milliseconds())
        _put_in_place(cluster, call, dataclasses.replace(begun, type=kind))
        return Reply(200, body | {"trial_was_started": True, "type": kind})

    return Prepared(f"{_ADMIN}start_trial", run)


_TRIAL_ADVICE: Final = {
    "message": "Starting a trial has to be acknowledged: call /start_trial again with acknowledge=true",
    "security": ["With a trial license, X-Pack security features are available, but are not enabled by default."],
}
"""The server's first sentence is longer."""


def start_basic(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _license/start_basic``; a licence that includes more needs ``acknowledge``."""
    cluster, acknowledged = emulator.cluster, call.boolean("acknowledge", False)
    _times(call)

    async def run() -> Reply:
        if licence.current(cluster).type == "basic":
            message = "Operation failed: Current license is basic."
            return Reply(403, {"acknowledged": True, "basic_was_started": False, "error_message": message})
        if not acknowledged:
            message = "Operation failed: Needs acknowledgement."
            return Reply(
                200,
                {
                    "acknowledged": False,
                    "basic_was_started": False,
                    "error_message": message,
                    "acknowledge": _BASIC_ADVICE,
                },
            )
        _put_in_place(cluster, call, licence.new("basic", cluster.name, cluster.milliseconds()))
        return Reply(200, {"acknowledged": True, "basic_was_started": True})

    return Prepared(f"{_ADMIN}start_basic", run)


_BASIC_ADVICE: Final = {
    "message": "This license update requires acknowledgement: call /start_basic again with acknowledge=true",
    "ml": ["Machine learning APIs are disabled"],
}
"""The server names what every other feature loses, too."""


def put(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT`` or ``POST _license``. Signatures are not checked; a licence without one is invalid."""
    cluster = emulator.cluster
    body = call.take_body()
    if not body:
        raise errors.illegal_argument("The license must be provided in the request body")
    call.boolean("acknowledge", False)
    _times(call)
    given = _given(xcontent.read_map(Parser(body, cluster.version)))
    if given.get("type") == "basic":
        advice = "Use the POST /_license/start_basic API to install a basic license that does not expire."
        raise errors.illegal_argument(f"Installing basic licenses is no longer allowed. {advice}")

    async def run() -> Reply:
        status = _status(given, cluster)
        if status == "valid":
            _put_in_place(cluster, call, _licence(given, cluster))
        return Reply(200, {"acknowledged": True, "license_status": status})

    return Prepared(f"{_ADMIN}put", run)


def _given(body: Json) -> Json:
    listed = body.get("licenses")
    found = listed[0] if isinstance(listed, list) and listed else body.get("license")
    if not isinstance(found, dict):
        raise errors.parse_failure("failed to parse licenses expected a license object")
    return found


def _status(given: Json, cluster: Cluster) -> str:
    expiry = given.get("expiry_date_in_millis")
    if not given.get("signature") or given.get("type") not in licence.TYPES or not isinstance(expiry, int):
        return "invalid"
    return "valid" if expiry > cluster.milliseconds() else licence.EXPIRED


def _licence(given: Json, cluster: Cluster) -> Licence:
    return Licence(
        given["type"],
        str(given.get("issued_to", cluster.name)),
        int(given.get("issue_date_in_millis", cluster.milliseconds())),
        given["expiry_date_in_millis"],
        str(given.get("uid", "")),
        str(given.get("issuer", "API")),
        int(given.get("start_date_in_millis", -1)),
    )


def delete(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _license``; a basic licence replaces the deleted one."""
    cluster = emulator.cluster
    _times(call)

    async def run() -> Reply:
        if licence.current(cluster).type != "basic":
            _put_in_place(cluster, call, licence.new("basic", cluster.name, cluster.milliseconds()))
        return Reply(200, {"acknowledged": True})

    return Prepared(f"{_ADMIN}delete", run)


# --- _xpack ---


def info(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _xpack``."""
    cluster = emulator.cluster
    asked = (call.text("categories") or "_all").split(",")
    call.boolean("accept_enterprise", True)
    human = call.boolean("human", True)

    async def run() -> Reply:
        parts = {"build": _build, "license": _short_licence, "features": _features}
        body: Json = {name: parts[name](cluster) for name in _CATEGORIES if "_all" in asked or name in asked}
        return Reply(200, body | ({"tagline": "You know, for X"} if human else {}))

    return Prepared("cluster:monitor/xpack/info", run)


def _build(cluster: Cluster) -> Json:
    return {"hash": "0" * 40, "date": "2024-01-01T00:00:00.000000000Z"}


def _short_licence(cluster: Cluster) -> Json:
    found = licence.current(cluster)
    status = "active" if found.active(cluster.milliseconds()) else licence.EXPIRED
    expires = {} if found.expiry is None else {"expiry_date_in_millis": found.expiry}
    return {"uid": found.uid, "type": found.type, "mode": found.type, "status": status, **expires}


def _features(cluster: Cluster) -> Json:
    found, now = licence.current(cluster), cluster.milliseconds()
    names = (*_NEEDS, *_FREE, *(name for name in _SINCE if name not in _NEEDS))
    return {
        name: {
            "available": name not in _NEEDS or found.includes(_NEEDS[name], now),
            "enabled": cluster.security is not None if name == "security" else name != "logsdb",
        }
        for name in sorted(names)
        if name not in _SINCE or cluster.version.at_least(_SINCE[name])
    }


ROUTES: Final = (
    Route("GET", "/_license", _OPERATION, get),
    Route("PUT", "/_license", _OPERATION, put, serverless=False),
    Route("POST", "/_license", _OPERATION, put, serverless=False),
    Route("DELETE", "/_license", _OPERATION, delete, serverless=False),
    Route("GET", "/_license/trial_status", _OPERATION, trial_status, serverless=False),
    Route("GET", "/_license/basic_status", _OPERATION, basic_status, serverless=False),
    Route("POST", "/_license/start_trial", _OPERATION, start_trial, serverless=False),
    Route("POST", "/_license/start_basic", _OPERATION, start_basic, serverless=False),
    Route("GET", "/_xpack", _OPERATION, info, serverless=False),
)
