# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster as the modules have read it, as far as the role rescue looks at it. Pure."""

from __future__ import annotations

import datetime
import typing as t

from .._ml.endpoint import Endpoint

Json: t.TypeAlias = "dict[str, t.Any]"
_NO_ENDPOINTS = ("unsupported_version", "unsupported_on_serverless", "missing_privilege")
"""Failures to read the endpoints that leave the rest of the role to do."""
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Reads(t.NamedTuple):
    """The reads. ``deployments``: by id. ``endpoint_ids``: of all endpoints, ``None`` if they were not read.

    ``lost``: endpoints without their deployment. ``files``: recovery files by deployment id. ``record``: its text.
    ``refused``, ``notices``: what could not be read.
    """

    cluster_uuid: str | None
    deployments: dict[str, Json]
    endpoint_ids: frozenset[str] | None
    lost: tuple[Endpoint, ...]
    files: dict[str, str]
    record: str | None
    refused: tuple[str, ...]
    notices: tuple[str, ...]


def reads(raw: Json) -> Reads:
    """Return what is in the results of the tasks that read, by name."""
    deployments, endpoints = raw["deployments"], raw["endpoints"]
    refused: list[str] = []
    notices: list[str] = []
    if deployments.get("failure"):
        refused.append(str(deployments["msg"]))
    elif endpoints.get("failure"):
        unread = (
            f"Inference endpoints were not read, so those whose deployment is gone are not found: {endpoints['msg']}"
        )
        (notices if endpoints["failure"]["code"] in _NO_ENDPOINTS else refused).append(unread)
    shown = endpoints.get("inference_endpoints") or ()
    return Reads(
        cluster_uuid=(deployments.get("server") or {}).get("cluster_uuid") or None,
        deployments={each["deployment_id"]: each for each in deployments.get("deployments") or ()},
        endpoint_ids=None if endpoints.get("failure") else frozenset(each["inference_id"] for each in shown),
        lost=tuple(Endpoint.from_api(each) for each in shown if each["health"] == "lost"),
        files={_id_of(path): path for path in raw.get("files") or ()},
        record=raw.get("record"),
        refused=tuple(refused),
        notices=tuple(notices),
    )


def _id_of(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


def file_of(folder: str, deployment_id: str) -> str:
    """Return the path of the recovery file of a deployment."""
    return f"{folder.rstrip('/')}/{deployment_id}.json"


def age(start_time: str | None, now: str) -> float | None:
    """Return the seconds since *start_time*; ``None`` if the clocks do not fit together."""
    if start_time is None:
        return None
    seconds = (datetime.datetime.strptime(now, _TIME) - datetime.datetime.strptime(start_time, _TIME)).total_seconds()
    return seconds if seconds >= 0 else None
