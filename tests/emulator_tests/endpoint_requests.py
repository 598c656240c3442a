# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send requests about inference endpoints, in short words."""

from __future__ import annotations

from typing import Any

from emulator_tests.api import Answer, Api

ADAPTIVE = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
VERSIONS = ("8.17.10", "8.19.21", "9.1.10", "9.5.3")


def put(api: Api, endpoint_id: str = "e", task: str | None = "sparse_embedding", **settings: Any) -> Answer:
    """Put an endpoint of the service ``elasticsearch``, by default with one allocation of model ``m``."""
    given = {"num_allocations": 1, "num_threads": 1, "model_id": "m", **settings}
    body = {"service": "elasticsearch", "service_settings": {k: v for k, v in given.items() if v is not None}}
    path = f"/_inference/{task}/{endpoint_id}" if task else f"/_inference/{endpoint_id}"
    return api.send("PUT", path, body)


def attach(api: Api, endpoint_id: str, deployment_id: str, **more: Any) -> Answer:
    """Put an endpoint on an existing deployment."""
    settings = {"deployment_id": deployment_id, **more}
    body = {"service": "elasticsearch", "service_settings": settings}
    return api.send("PUT", f"/_inference/sparse_embedding/{endpoint_id}", body)


def change(api: Api, endpoint_id: str = "e", task: str = "sparse_embedding", **settings: Any) -> Answer:
    """Update settings of the service."""
    return api.send("PUT", f"/_inference/{task}/{endpoint_id}/_update", {"service_settings": settings})


def shown(api: Api, endpoint_id: str = "e") -> Any:
    """Return the endpoint as GET shows it."""
    return api.send("GET", f"/_inference/{endpoint_id}").body["endpoints"][0]
