# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task that clears the cache of a deployment. Nothing shows whether it was empty, so it always changes it."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError, Unsatisfied
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect
from .._core.run.frame import connected, noting_failures
from .._core.run.result import Json, Outcome
from .._core.write_outcome import may_have_been_applied
from .api import WRITE, CacheCluster, to_request
from .options import deployment_id

ATTEMPTS = 3
"""How often the request is sent: once more does no harm."""
PAUSE = 1.0
"""Seconds between two attempts."""
Params = t.Mapping[str, t.Any]


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect[CacheCluster] = CacheCluster.connected,
    clock: Clock | None = None,
) -> Outcome:
    """Clear the cache of the deployment that validated *params* name. Return errors as a failed result."""
    result, clock = empty_result(), clock or SystemClock()
    with noting_failures(result):
        name = deployment_id(params)
        result["deployment_id"] = name
        with connected(params, connect, clock.sleep, result) as cluster:
            cluster.follow(params if check_mode else {**params, "predictions": None})
            cluster.refuse(name)
            if check_mode:
                _note(result, name)
            else:
                cluster.refuse_unprivileged({WRITE})
                _clear(cluster, name, clock, result)
    return Outcome(result)


def _clear(cluster: CacheCluster, name: str, clock: Clock, result: Json) -> None:
    """Send the request until Elasticsearch answers it, and note in *result* that it took effect, or may have.

    :raises Failure: Elasticsearch refuses it, or does not answer.
    """
    attempt, cleared = 1, None
    while cleared is None:
        try:
            cleared = cluster.clear(name)
        except ApiError as error:
            if not may_have_been_applied(error):
                raise
            _note(result, name)
            if attempt == ATTEMPTS:
                raise
            attempt += 1
            clock.sleep(PAUSE)
    if not cleared:
        raise Unsatisfied("not_cleared", f"Elasticsearch says that it has not cleared the cache of '{name}'.")
    _note(result, name)


def _note(result: Json, name: str) -> None:
    """Note that the request takes effect."""
    result |= {"changed": True, "operation": "clear", "api_calls": [to_request(name).as_result()]}


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return {
        "changed": False,
        "operation": "none",
        "failure": None,
        "deployment_id": None,
        "api_calls": [],
        "server": None,
    }
