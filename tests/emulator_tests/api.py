# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send requests to an emulator in this process, in short words."""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from urllib.parse import urlencode

from emulator.inprocess import InProcess
from emulator.state.nodes import Node

Json = dict[str, Any]
_ML = "/_ml/trained_models"


@dataclasses.dataclass(frozen=True)
class Answer:
    """Status, JSON and headers of one answer."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def reason(self) -> str:
        """Return the error's reason."""
        return str(self.body["error"]["reason"])

    @property
    def type(self) -> str:
        """Return the error's type."""
        return str(self.body["error"]["type"])

    @property
    def assignment(self) -> Json:
        """Return the assignment in the answer of start and update."""
        found: Json = self.body["assignment"]
        return found


class Api:
    """An emulator with a model ``m`` (and others), and requests to it."""

    def __init__(
        self, version: str = "9.5.3", nodes: dict[str, int] | None = None, clock: str = "manual", **options: Any
    ) -> None:
        cores = {"n1": 4, "n2": 4} if nodes is None else nodes
        models = options.pop("models", (("m", 1000), ("other", 1000)))
        listed = [Node(name, number) for name, number in cores.items()]
        self.emulator = InProcess(version, listed, models, clock, **options)

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        """Send any request; a body goes as JSON."""
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {} if body is None else {"Content-Type": "application/json"}
        raw = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        status, sent, answer = self.emulator.request(method, target, headers, raw)
        return Answer(status, json.loads(answer) if answer else None, dict(sent))

    def start(self, model_id: str = "m", body: Json | None = None, **query: Any) -> Answer:
        """Start a deployment and do not wait, unless the query says so."""
        query = {"wait_for": "starting", **query}
        return self.send("POST", f"{_ML}/{model_id}/deployment/_start", body, **query)

    def started(self, deployment_id: str = "m", number: int = 1, model_id: str = "m", **settings: Any) -> Json:
        """Start a deployment and let the nodes catch up."""
        answer = self.start(model_id, deployment_id=deployment_id, number_of_allocations=number, **settings)
        assert answer.status == 200, answer.body
        self.settle()
        return self.assignment(deployment_id)

    def update(self, deployment_id: str = "m", **body: Any) -> Answer:
        """Send an update with a body."""
        return self.send("POST", f"{_ML}/{deployment_id}/deployment/_update", body)

    def stop(self, deployment_id: str = "m", **query: Any) -> Answer:
        """Send a stop; in manual mode the nodes must be ready for it."""
        return self.send("POST", f"{_ML}/{deployment_id}/deployment/_stop", None, **query)

    def stats(self, expression: str = "*", **query: Any) -> Json:
        """Return the body of ``_stats``."""
        answer = self.send("GET", f"{_ML}/{expression}/_stats", None, **query)
        assert answer.status == 200, answer.body
        found: Json = answer.body
        return found

    def deployment_ids(self, expression: str, **query: Any) -> list[str]:
        """Return deployment ids of the rows of ``_stats``; ``-`` for a row without a deployment."""
        rows = self.stats(expression, **query)["trained_model_stats"]
        return [row.get("deployment_stats", {}).get("deployment_id", "-") for row in rows]

    def deployment_stats(self, deployment_id: str = "m") -> Json:
        """Return the one row of a deployment."""
        rows = self.stats(deployment_id)["trained_model_stats"]
        found: Json = next(
            row["deployment_stats"] for row in rows if row["deployment_stats"]["deployment_id"] == deployment_id
        )
        return found

    def assignment(self, deployment_id: str = "m") -> Json:
        """Return the assignment as cluster state has it."""
        found: Json = self.emulator.control("GET", "/state")["deployments"][deployment_id]
        return found

    def targets(self, deployment_id: str = "m") -> dict[str, int]:
        """Return target allocations by node."""
        return {
            node: route["target_allocations"] for node, route in self.assignment(deployment_id)["routing_table"].items()
        }

    def counts(self, deployment_id: str = "m") -> dict[str, int]:
        """Return current allocations by node."""
        return {
            node: route["current_allocations"]
            for node, route in self.assignment(deployment_id)["routing_table"].items()
        }

    def effect(self, do: str, **arguments: Any) -> Any:
        """Apply an effect: something that happens without the client."""
        return self.emulator.control("POST", "/effects", {"do": do, **arguments})

    def fault(self, operation: str, do: Json, **arguments: Any) -> None:
        """Plant a fault between client and server."""
        self.emulator.control("POST", "/faults", {"operation": operation, "do": do, **arguments})

    def tick(self, steps: int = 1) -> bool:
        """Run rounds of catching up."""
        return self.emulator.tick(steps)

    def settle(self) -> None:
        """Run rounds until nothing changes."""
        self.emulator.control("POST", "/settle")

    def clock(self, **changes: Any) -> Json:
        """Return the clock, after changes if any are given: ``advance`` is seconds."""
        found: Json = self.emulator.control("POST", "/clock", changes)
        return found

    def writes(self) -> list[Json]:
        """Return the journal."""
        found: list[Json] = self.emulator.control("GET", "/journal")
        return found

    def audit(self) -> list[str]:
        """Return audit messages."""
        return [line["message"] for line in self.emulator.control("GET", "/audit")]

    @property
    def state_version(self) -> int:
        """Return a number that grows with each new cluster state."""
        return int(self.emulator.control("GET", "/state")["cluster_state_version"])


def with_memory_for_one(version: str = "9.5.3") -> Api:
    """Return two nodes of four processors with memory for one copy of a model: planner.md 11, row cache-7060."""
    api = Api(version, nodes={}, models=(("m", 100 << 20), ("other", 100 << 20)))
    for node_id in ("n1", "n2"):
        api.effect("add_node", node_id=node_id, processors=4, memory=(490 + 30) << 20)
    return api
