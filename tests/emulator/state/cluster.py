# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the state of the played cluster and change it: commits, nodes, settings, audit records.

Source: server-behaviour.md 4 and 9. Everything here is synchronous: a commit is immediate, waiting is the
clock's business.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .. import NEWEST
from ..wire import errors
from ..wire.values import parse_bytes
from . import licence, rebalance
from .assignment import STOPPING, Assignment
from .coordination import Coordination
from .endpoints import Endpoint
from .estimators import Memory
from .indices import Index, endpoints_in
from .inferences import Inferences
from .load import Load
from .models import LANG_IDENT, Model, language_identification
from .nodes import Node
from .pipelines import Pipeline
from .settings import LAZY_NODES, NODE_SIZE, PROCESSORS_SCALE
from .shutdown import Shutdown
from .timeline import Timeline
from .unknowns import Choices
from .usage import Usage
from .versions import features

if TYPE_CHECKING:
    from ..security.store import Declared, Security
    from .region_policies import Policy

NODES_CHANGED: Final = "nodes changed"
DEPLOYMENT_STOPPED: Final = "model deployment stopped"
SERVERLESS_NUMBER: Final = "8.11.0"
"""The version that serverless shows [G]."""


@dataclasses.dataclass(frozen=True)
class Config:
    """The beginning of a cluster."""

    version: str = NEWEST
    flavor: str = "default"
    nodes: tuple[Node, ...] = (Node("n1"), Node("n2"))
    models: tuple[tuple[str, int], ...] = ()
    without: frozenset[str] = frozenset()
    """Plugins that the nodes lack (``wire.router.PLUGINS``)."""
    security: Declared | None = None
    license: str = licence.DEFAULT
    scaler_interval: float = 10.0
    """Seconds of the emulator's time between two looks of the scaler; 0 is never. Only the clock ``auto`` drives it."""
    load_time: float = 0.0
    """Seconds of the emulator's time that a node takes to load a model, at least a round."""
    lang_ident: bool = False
    """True: the model that every real cluster lists exists."""


@dataclasses.dataclass
class LoadFailure:
    """The next loads of a model on a node (or any) fail."""

    reason: str
    node_id: str | None = None
    times: int = 1


class Cluster:
    """One cluster. ``state_version`` counts cluster states, ``writes`` those that an API call committed."""

    def __init__(self, config: Config = Config(), now: Callable[[], int] = time.time_ns) -> None:
        self.config = config
        self.now = Timeline(now)
        self.begun = self.now.millis
        self.version = features(config.version)
        self.flavor = config.flavor
        self.name = "double"
        self.uuid = "dOuBleUuIdForTheClUsTer"
        self.state_version = 1
        self.writes = 0
        self.ticks = 0
        self.nodes: dict[str, Node] = {node.id: node for node in config.nodes}
        self.assignments: dict[str, Assignment] = {}
        self.ever_assigned = False
        self.models: dict[str, Model] = {}
        self.aliases: dict[str, str] = {}
        self.indices: dict[str, Index] = {}
        self.pipelines: dict[str, Pipeline] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.region_policy: Policy | None = None
        self.no_defaults: set[str] = set()
        """Default endpoints that a client deleted by force."""
        self.settings: dict[str, Any] = {}
        self.audit: list[dict[str, Any]] = []
        self.usage: dict[tuple[str, str], Usage] = {}
        self.held: set[str] = set()
        self.loading: dict[str, dict[str, int]] = {}
        """Deployment to node to the nanosecond at which it began to load."""
        self.choices = Choices()
        self.coordination = Coordination()
        self.loads: dict[str, Load] = {}
        self.scaler = Memory()
        self.shutdowns: dict[str, Shutdown] = {}
        self.ever_shut_down = False
        self.load_failures: list[LoadFailure] = []
        self.inferences = Inferences()
        self.listeners: list[Callable[[], None]] = []
        self.round_listeners: list[Callable[[], bool]] = []
        self.licence = licence.new(config.license, self.name, self.milliseconds())
        self.trial_used = config.license == "trial"
        self.security: Security | None = None
        self._without_security = config.without | {"security"}
        if config.security is not None:
            self.secure(config.security)
        if config.lang_ident:
            self.models[LANG_IDENT] = language_identification()
        for model_id, size in config.models:
            self.models[model_id] = Model(model_id, size, create_time=self.now() // 1_000_000)

    def secure(self, declared: Declared) -> None:
        """Switch security on, with the declared users only."""
        # Late: most emulators run without security.
        from ..security.store import Security

        self.security = Security(declared, self.version, self.milliseconds)

    # --- time ---

    def pass_time(self, seconds: float) -> None:
        """Advance the clock and wake the waits for a moment; raise ``ValueError`` for going back."""
        self.now.advance(seconds)
        for listener in self.listeners:
            listener()

    def milliseconds(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return self.now() // 1_000_000

    # --- settings ---

    @property
    def without(self) -> frozenset[str]:
        """Return the missing parts of the server; the security APIs are not registered where security is off."""
        return self._without_security if self.security is None else self.config.without

    @property
    def version_number(self) -> str:
        """Return the version that ``GET /`` shows."""
        return SERVERLESS_NUMBER if self.flavor == "serverless" else self.version.number

    @property
    def processors_scale(self) -> float:
        """Return ``xpack.ml.allocated_processors_scale``."""
        return float(self.settings.get(PROCESSORS_SCALE, 1))

    @property
    def is_master_node(self) -> bool:
        """Return whether the node that takes the requests is the master (server-behaviour.md 7 item 5)."""
        return bool(self.settings.get("is_master_node", True))

    @property
    def master_node(self) -> str | None:
        """Return the elected master: the first eligible node."""
        if not self.coordination.master:
            return None
        return next((key for key, node in sorted(self.nodes.items()) if "master" in node.roles), "master")

    @property
    def commits(self) -> bool:
        """Return whether the master can publish a new state."""
        return self.coordination.commits(self.settings)

    def scaling_possible(self) -> bool:
        """Follow server-behaviour.md 4.3.

        More lazy nodes allowed than there are, or a smallest node below the largest allowed size.
        """
        nodes = self.assignable()
        if int(self.settings.get(LAZY_NODES, 0)) > len(nodes):
            return True
        largest = parse_bytes(str(self.settings.get(NODE_SIZE, "0b")), NODE_SIZE).bytes
        return any(node.memory < largest for node in nodes.values())

    # --- cluster state ---

    def publish(self, *, by_api: bool = False) -> None:
        """Publish a new cluster state."""
        for each in self.assignments.values():
            each.settle()
        self.state_version += 1
        self.writes += by_api
        for listener in self.listeners:
            listener()

    def put_assignment(self, assignment: Assignment) -> None:
        """Add a deployment; the caller publishes."""
        self.assignments[assignment.params.deployment_id] = assignment
        self.ever_assigned = True

    def drop_assignment(self, deployment_id: str) -> None:
        """Remove a deployment and its counters; the caller publishes."""
        self.assignments.pop(deployment_id, None)
        self.held.discard(deployment_id)
        self.loading.pop(deployment_id, None)
        self.loads.pop(deployment_id, None)
        self.scaler.forget(deployment_id)
        self.scaler.scaled_up.pop(deployment_id, None)
        for key in [key for key in self.usage if key[0] == deployment_id]:
            del self.usage[key]

    def apply(self, proposals: rebalance.Proposals) -> bool:
        """Take over planned routes, and return whether that changes anything; the caller publishes.

        A deployment without a proposal vanishes.
        """
        changed = False
        for deployment_id, each in list(self.assignments.items()):
            proposal = proposals.get(deployment_id)
            before = (each.routes, each.reason, each.state)
            if proposal is None:
                self.drop_assignment(deployment_id)
            else:
                for node_id in set(each.routes) - set(proposal.routes):
                    self.usage.pop((deployment_id, node_id), None)
                each.rebuild(proposal.routes, proposal.reason)
            changed |= proposal is None or before != (each.routes, each.reason, each.state)
        return changed

    def rebalance(self, reason: str) -> None:
        """Rebalance all in the background if something lacks.

        An audit line is written only if that changes something; a plan that fails is only logged.
        """
        if not self.commits:
            return
        try:
            proposals = rebalance.propose(self, self.assignments)
        except errors.ApiError:
            return
        if proposals is not None and self.apply(proposals):
            self.rebalanced(reason)
            self.publish()

    def rebalanced(self, reason: str) -> None:
        """Write the audit line of a rebalance that changed something."""
        self.audit_line(None, f"Rebalanced trained model allocations because [{reason}]")

    def audit_line(self, model_id: str | None, message: str, level: str = "info") -> None:
        """Write a line in the notifications index; the cluster state stays."""
        self.audit.append(
            {"timestamp": self.now() // 1_000_000, "model_id": model_id, "message": message, "level": level}
        )

    def settle_downloads(self) -> None:
        """End the downloads whose time is over; that writes notifications."""
        for model in self.models.values():
            model.settle(self.now())

    # --- nodes ---

    def assignable(self) -> dict[str, Node]:
        """Return ML nodes that do not shut down (server-behaviour.md 5.1)."""
        return {key: node for key, node in self.nodes.items() if node.ml and key not in self.shutdowns}

    def add_node(self, node: Node) -> None:
        """Add a node; plan again only if a deployment lacks something (server-behaviour.md 4.7)."""
        self.nodes[node.id] = node
        self.publish()
        if node.id in self.assignable():
            self._rebalance_for_node()

    def _rebalance_for_node(self) -> None:
        """Plan again for a node more, unless all deployments stop (server-behaviour.md 4.7)."""
        if any(each.state != STOPPING for each in self.assignments.values()):
            self.rebalance(NODES_CHANGED)

    def remove_node(self, node_id: str, *, plan: bool = True) -> None:
        """Lose a node: its routes are placed elsewhere if they fit.

        A shutdown has been planned for already. ``plan`` false: the master has not done so yet.
        """
        self.nodes.pop(node_id, None)
        hit = [each for each in self.assignments.values() if node_id in each.routes]
        runs = any(each.state != STOPPING for each in hit)
        for each in hit:
            if each.state == STOPPING or node_id in self.shutdowns:
                del each.routes[node_id]
        self.publish()
        if plan and runs and node_id not in self.shutdowns:
            self.rebalance(NODES_CHANGED)

    def put_shutdown(self, shutdown: Shutdown) -> None:
        """Shut a node down: its routes drain, others are planned (server-behaviour.md 4.7)."""
        new = shutdown.node_id not in self.shutdowns
        self.shutdowns[shutdown.node_id] = dataclasses.replace(shutdown, seen=shutdown.node_id in self.nodes)
        self.ever_shut_down = True
        self.publish(by_api=True)
        active = [each for each in self.assignments.values() if each.state != STOPPING]
        if not new or not any(shutdown.node_id in each.routes for each in active):
            return
        self.rebalance(NODES_CHANGED)

    def delete_shutdown(self, node_id: str) -> None:
        """Keep a node that stays, or has come back."""
        del self.shutdowns[node_id]
        self.publish(by_api=True)
        if node_id in self.assignable():
            self._rebalance_for_node()

    # --- coordination ---

    def elect_master(self) -> None:
        """Elect a master; it handles what has happened meanwhile."""
        self.coordination.master = True
        self.publish()
        self.rebalance(NODES_CHANGED)

    def recover(self) -> None:
        """Recover the state."""
        self.coordination.recovered = True
        self.publish()
        self.rebalance(NODES_CHANGED)

    # --- indices ---

    def add_index(self, name: str, mappings: dict[str, Any] | None = None, *, hidden: bool = False) -> Index:
        """Add an empty index."""
        added = Index(name, f"uuid-of-{name}", self.now() // 1_000_000, mappings or {}, hidden)
        self.indices[name] = added
        self.publish(by_api=True)
        return added

    @property
    def semantic_text(self) -> dict[str, set[str]]:
        """Return the indices whose mapping names inference endpoints, with these."""
        named = {name: endpoints_in(index.mappings) for name, index in self.indices.items()}
        return {name: endpoint_ids for name, endpoint_ids in named.items() if endpoint_ids}

    def indices_using(self, endpoint_id: str) -> list[str]:
        """Return the indices whose mapping names an inference endpoint."""
        return sorted(index for index, names in self.semantic_text.items() if endpoint_id in names)

    # --- models ---

    def resolve_model(self, name: str) -> Model | None:
        """Return a model by id or alias."""
        return self.models.get(self.aliases.get(name, name))

    def references(self, name: str) -> list[str]:
        """Return the ingest pipelines that refer to a model, deployment, alias or inference endpoint."""
        return sorted(pipeline.id for pipeline in self.pipelines.values() if name in pipeline.references)

    # --- the control port's view ---

    def as_json(self) -> dict[str, Any]:
        """Return everything but clock, journal and counters."""
        return {
            "version": self.version.number,
            "flavor": self.flavor,
            "cluster_state_version": self.state_version,
            "nodes": {node.id: node.as_json() for node in self.nodes.values()},
            "models": {
                model.id: {"bytes": model.bytes, "model_type": model.model_type, "fully_defined": model.complete}
                for model in self.models.values()
            },
            "aliases": dict(self.aliases),
            "without": sorted(self.config.without),
            "indices": {name: len(index.documents) for name, index in self.indices.items()},
            "pipelines": {name: pipeline.references for name, pipeline in self.pipelines.items()},
            "endpoints": {name: endpoint.as_json(self.version) for name, endpoint in self.endpoints.items()},
            "region_policy": None if self.region_policy is None else self.region_policy.as_json(),
            "semantic_text": {index: sorted(names) for index, names in self.semantic_text.items()},
            "deployments": {key: each.as_json() for key, each in self.assignments.items()},
            "settings": dict(self.settings),
            "loads": {key: dataclasses.asdict(each) for key, each in self.loads.items()},
            "coordination": self.coordination.as_json(),
            "shutdowns": {key: each.as_json() for key, each in self.shutdowns.items()},
            "held": sorted(self.held),
            "inference_times": dict(self.inferences.times_ms),
            "unknowns": self.choices.as_json(),
            "audit": list(self.audit),
            "license": licence.current(self).as_json(self.milliseconds()),
            "security": None if self.security is None else self.security.as_json(),
        }
