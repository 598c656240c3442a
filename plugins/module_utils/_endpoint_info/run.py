# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task that reads inference endpoints, and never changes any."""

from __future__ import annotations

import typing as t

from .._consumers.words import unreadable
from .._core.features import Feature
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect
from .._core.run.frame import connected, noting_failures
from .._core.run.result import Json, Outcome
from .._core.server import Server
from .._core.warning import WarningText
from .._ml.endpoint import Endpoint
from .._ml.existing import absent_endpoints_warning, ids_among
from .api import EndpointInfoCluster
from .item import Seen, is_meant, items, summary

Params = t.Mapping[str, t.Any]
_UNREAD = WarningText(
    "The user may not read the deployments of inference endpoints (that needs the cluster privilege monitor_ml): "
    "deployment is null, and their health is unknown."
)
_TOO_OLD = WarningText(
    "This version of Elasticsearch has no inference endpoints: they came with "
    f"{Feature.INFERENCE_ENDPOINTS.first_version}."
)


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect[EndpointInfoCluster] = EndpointInfoCluster.connected,
    clock: Clock | None = None,
) -> Outcome:
    """Return the inference endpoints that match. *check_mode* makes no difference."""
    result, sleep = empty_result(), (clock or SystemClock()).sleep
    with noting_failures(result) as warnings, connected(params, connect, sleep, result) as cluster:
        everything = cluster.read_endpoints()
        seen = _gathered(cluster, params, everything)
        shown = items(seen)
        result |= {"inference_endpoints": shown, "summary": summary(shown)}
        ids, existing = ids_among(params["inference_id"]), [endpoint.inference_id for endpoint in everything]
        absent = absent_endpoints_warning(ids, existing)
        warnings += [*_no_endpoints(cluster.server), *absent, *_unread(seen, params)]
    return Outcome(result, tuple(warnings))


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return {
        "changed": False,
        "failure": None,
        "inference_endpoints": [],
        "summary": None,
        "server": None,
    }


def _gathered(cluster: EndpointInfoCluster, params: Params, everything: t.Sequence[Endpoint]) -> Seen:
    """Return the endpoints that match, with what the task asks for."""
    found = tuple(endpoint for endpoint in everything if is_meant(endpoint, params))
    asks = {name: name in params["gather"] and bool(found) for name in ("deployment", "users")}
    in_cluster = any(endpoint.in_cluster for endpoint in found)
    deployments = cluster.read_deployments() if asks["deployment"] and in_cluster else None
    return Seen(found, deployments, cluster.read_users(found, everything) if asks["users"] else None)


def _no_endpoints(server: Server) -> tuple[WarningText, ...]:
    """Return a warning if *server* is too old to have any."""
    return () if server.supports(Feature.INFERENCE_ENDPOINTS) else (_TOO_OLD,)


def _unread(seen: Seen, params: Params) -> tuple[WarningText, ...]:
    """Return a warning for each kind of what the user may not read."""
    hidden = "deployment" in params["gather"] and seen.deployments is None
    deployments = (_UNREAD,) if hidden and any(endpoint.in_cluster for endpoint in seen.endpoints) else ()
    kinds = dict.fromkeys(kind for used_by in (seen.users or {}).values() for kind in used_by.unread)
    return (*deployments, *(WarningText(unreadable(kind)) for kind in kinds))
