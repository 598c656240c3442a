# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what the control port set for inference, and the requests that are under way."""

from __future__ import annotations

import dataclasses
from typing import Final

from ..wire import errors

ANY_ENDPOINT: Final = "*"


@dataclasses.dataclass
class InferenceFailure:
    """The next inferences fail: in the native process, or with a status of their own."""

    deployment_id: str | None
    reason: str
    times: int = 1
    status: int | None = None


@dataclasses.dataclass
class EndpointFailure:
    """The next ``start`` or ``stop`` of an endpoint's deployment fails, or the next check by its ``service``."""

    what: str
    inference_id: str
    reason: str | None
    status: int = 500
    times: int = 1


@dataclasses.dataclass
class Inferences:
    """Times by deployment (milliseconds with one thread), failures to come, turns, and requests that wait."""

    times_ms: dict[str, float] = dataclasses.field(default_factory=dict)
    failures: list[InferenceFailure] = dataclasses.field(default_factory=list)
    turns: dict[str, int] = dataclasses.field(default_factory=dict)
    download_failures: list[str] = dataclasses.field(default_factory=list)
    """The reasons for which the next downloads fail, one each."""
    refused_graphs: set[str] = dataclasses.field(default_factory=set)
    """Models whose graph the native process refuses, from 9.4 on."""
    download_ms: float = 500.0
    """The duration of the download of a packaged model."""
    unfetched_deployments: set[str] = dataclasses.field(default_factory=set)
    """Deployments whose statistics cannot be fetched at the moment."""
    unfetched_sizes: set[str] = dataclasses.field(default_factory=set)
    """Models whose size cannot be fetched at the moment."""
    loading: dict[str, int] = dataclasses.field(default_factory=dict)
    """Deployments that say started while their processes load: to the time when these are ready, in nanoseconds."""
    waiting: int = 0
    """Requests that wait for the first allocation of any deployment."""

    endpoint_failures: list[EndpointFailure] = dataclasses.field(default_factory=list)

    def check_endpoint(self, what: str, inference_id: str, words: str = "failed by the test") -> None:
        """Raise the failure that the control port wants for an endpoint, by default in ``words``; -1 is for ever."""
        for failure in self.endpoint_failures:
            hit = failure.what == what and failure.inference_id in (ANY_ENDPOINT, inference_id)
            if hit and failure.times != 0:
                failure.times -= failure.times > 0
                raise errors.status(failure.status, failure.reason or words)

    def take_failure(self, deployment_id: str) -> InferenceFailure | None:
        """Return the failure that hits the next inference of a deployment; -1 times is for ever."""
        for failure in self.failures:
            if failure.times != 0 and failure.deployment_id in (None, deployment_id):
                failure.times -= failure.times > 0
                return failure
        return None
