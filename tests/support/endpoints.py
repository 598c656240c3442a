# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of tasks on inference endpoints, and endpoints that other clients have made."""

from __future__ import annotations

import typing as t

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
KEY, NEW_KEY = "sk-the-first-key", "sk-the-second-key"
BOUNDS = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 3}
ONE: Json = {"model_id": "m", "num_threads": 1, "num_allocations": 1}
OWN: Json = {"inference_id": "e", "task_type": "sparse_embedding", "service": "elasticsearch"}
OPENAI: Json = {"inference_id": "e", "task_type": "completion", "service": "openai"}


def put(emulator: Emulator, name: str = "e", **settings: t.Any) -> None:
    """Create an endpoint in the cluster, with *settings* other than :data:`ONE`, and let its deployment be ready."""
    given = {key: value for key, value in {**ONE, **settings}.items() if value is not None}
    body = {"service": "elasticsearch", "service_settings": given}
    path = f"/_inference/sparse_embedding/{name}"
    assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200, given
    emulator.settle()
    emulator.forget()


def attached(emulator: Emulator, name: str = "e", deployment_id: str = "d") -> None:
    """Create an endpoint that uses a deployment, which is started if it is not there."""
    if deployment_id not in emulator.deployments():
        emulator.effect("start_deployment", model_id="m", deployment_id=deployment_id, number_of_allocations=1)
        emulator.settle()
    put(emulator, name, deployment_id=deployment_id, num_threads=None, num_allocations=None)


def openai(emulator: Emulator, **settings: t.Any) -> None:
    """Store an endpoint of a service outside of the cluster."""
    given = {"model_id": "gpt", "api_key": KEY, "rate_limit": {"requests_per_minute": 500}, **settings}
    emulator.effect("put_endpoint", inference_id="e", task_type="completion", service="openai", service_settings=given)


def there(emulator: Emulator, name: str = "e") -> Json | None:
    """Return an endpoint, by none of the collection's code."""
    found: Json | None = emulator.control("GET", "/state")["endpoints"].get(name)
    return found
