# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve the region policy of the Elastic Inference Service, from 9.5 on, and the list of inference services.

Elasticsearch's public transport actions and specification; around-deployments.md 4.5 and 4.7.
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..state import inference_services, region_policies, task_types
from ..state.endpoints import ANY
from ..state.region_policies import Policy
from ..state.versions import Features
from ..wire import errors
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import instant_text

_ACTION: Final = "cluster:{}/xpack/inference/region_policy/{}"


def _missing() -> errors.ApiError:
    return errors.not_found("No region policy is configured for this deployment")


def get(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _inference/_region_policy``."""

    async def run() -> Reply:
        policy = emulator.cluster.region_policy
        if policy is None:
            raise _missing()
        return Reply(200, policy.as_json())

    return Prepared(_ACTION.format("monitor", "get"), run)


def put(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _inference/_region_policy``; what is there is replaced."""
    cluster = emulator.cluster
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    policy = region_policies.read(body, cluster.version)
    force = call.boolean("force", False)

    async def run() -> Reply:
        if not force:
            region_policies.check_in_use(cluster, policy)
        user = None if call.identity is None else call.identity.effective.username
        before, now = cluster.region_policy, instant_text(cluster.now())
        if before is None:
            cluster.region_policy = Policy(policy, now, user)
        else:
            cluster.region_policy = Policy(policy, before.created_at, before.created_by, now, user)
        cluster.publish(by_api=True)
        call.committed = True
        return Reply(200, cluster.region_policy.as_json())

    return Prepared(_ACTION.format("admin", "put"), run, region_policies.complaints(policy))


def delete(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _inference/_region_policy``."""
    cluster = emulator.cluster

    async def run() -> Reply:
        if cluster.region_policy is None:
            raise _missing()
        cluster.region_policy = None
        cluster.publish(by_api=True)
        call.committed = True
        return Reply(200, {"acknowledged": True})

    return Prepared(_ACTION.format("admin", "delete"), run)


def services(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _inference/_services[/{task_type}]``; the form of 8.17 is [U]."""
    version = emulator.cluster.version
    given = call.path_parameters.get("task_type")
    task_type = ANY if given is None else task_types.read(given, version)

    async def run() -> Reply:
        body: Any = inference_services.listed(version, task_type)
        return Reply(200, body)

    return Prepared("cluster:monitor/xpack/inference/services/get", run)


def _policies(version: Features) -> bool:
    return version.region_policy


def _lists(version: Features) -> bool:
    return version.live_allocations


_PATH: Final = "/_inference/_region_policy"
_SERVICES: Final = "/_inference/_services"
ROUTES: Final = (
    Route("GET", _PATH, "region_policy", get, _policies),
    Route("PUT", _PATH, "region_policy", put, _policies),
    Route("DELETE", _PATH, "region_policy", delete, _policies),
    Route("GET", _SERVICES, "endpoint", services, _lists, serverless=False),
    Route("GET", f"{_SERVICES}/{{task_type}}", "endpoint", services, _lists, serverless=False),
)
