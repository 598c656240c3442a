# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A trained model deployment as the cluster shows it, from ``_stats`` and, where allowed, the cluster state."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from .adaptive import AdaptiveAllocations
from .model import MEMORY_FIGURES
from .routing import Route, routes_from_assignment, routes_from_stats
from .settings import SETTINGS, START_SETTINGS, StartSettings, settings_in

Source = t.Literal["assignment", "cluster_state", "stats", "prediction"]
Raw = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class AllocationStatus:
    """The numbers of running and desired allocations. ``state``: ``starting``, ``started`` or ``fully_allocated``."""

    allocation_count: int
    target_allocation_count: int
    state: str

    @classmethod
    def from_api(cls, raw: Raw | None) -> AllocationStatus | None:
        if not raw:
            return None
        return cls(int(raw["allocation_count"]), int(raw["target_allocation_count"]), str(raw["state"]))


@dataclasses.dataclass(frozen=True)
class Deployment(StartSettings):
    """One deployment. A field that the server does not report (too old, still starting) is ``None``.

    ``assignment_state``: ``starting``, ``started``, ``stopping``, or ``failed`` (all routes failed; only ``_stats``
    computes that one). ``cache_size`` is exact text from an assignment and cut to one decimal from ``_stats``:
    ``cache_size_exact`` says which. ``start_time`` is ISO 8601 in UTC with milliseconds, whichever source it has.
    ``per_deployment_memory_bytes`` and ``per_allocation_memory_bytes`` are figures of the model, 0 if it has none.
    ``max_assigned_allocations``: the most it ever had, which only an assignment has.
    """

    deployment_id: str
    model_id: str
    number_of_allocations: int | None = None
    adaptive_allocations: AdaptiveAllocations | None = None
    cache_size_exact: bool = False
    model_bytes: int | None = None
    per_deployment_memory_bytes: int = 0
    per_allocation_memory_bytes: int = 0
    max_assigned_allocations: int = 0
    assignment_state: str | None = None
    reason: str | None = None
    start_time: str | None = None
    allocation_status: AllocationStatus | None = None
    routes: tuple[Route, ...] = ()
    routing_source: Source = "stats"
    has_predicted_places: bool = False
    """Its routes are those that Elasticsearch is certain to make, though no cluster has shown them."""
    misreported: bool = False
    """Its threads and its cache size are not known: the statistics show wrong ones."""

    @classmethod
    def from_stats(cls, row: Raw, misreports: bool = False) -> Deployment:
        """Return the deployment in a row of ``_stats`` that has ``deployment_stats``.

        *misreports*: the server shows wrong threads where it shows no cache size (server-behaviour.md 7 item 22).
        """
        stats: Raw = row["deployment_stats"]
        sizes: Raw = row.get("model_size_stats") or {}
        misreported = misreports and stats.get("cache_size") is None
        model_id = str(stats.get("model_id") or row["model_id"])
        return cls(
            deployment_id=str(stats.get("deployment_id") or model_id),
            model_id=model_id,
            **settings_in(stats, misreported=misreported),
            adaptive_allocations=AdaptiveAllocations.from_api(stats.get("adaptive_allocations")),
            model_bytes=sizes.get("model_size_bytes"),
            **_numbers(sizes, MEMORY_FIGURES),
            assignment_state=_lower(stats.get("state")),
            reason=stats.get("reason") or None,
            start_time=iso_time(stats.get("start_time")),
            allocation_status=AllocationStatus.from_api(stats.get("allocation_status")),
            routes=routes_from_stats(stats.get("nodes") or ()),
            misreported=misreported,
        )

    @classmethod
    def from_assignment(cls, assignment: Raw, source: Source, names: t.Mapping[str, str]) -> Deployment:
        """Return the deployment in an assignment, of a start, an update or the cluster state.

        *names*: node id to name.
        """
        task: Raw = assignment["task_parameters"]
        routes = routes_from_assignment(assignment.get("routing_table") or {}, names)
        settings = settings_in(task)
        state = _lower(assignment.get("assignment_state") or assignment.get("allocation_state"))
        return cls(
            deployment_id=str(task.get("deployment_id") or task["model_id"]),
            model_id=str(task["model_id"]),
            **settings,
            adaptive_allocations=AdaptiveAllocations.from_api(assignment.get("adaptive_allocations")),
            cache_size_exact=True,
            model_bytes=task.get("model_bytes"),
            **_numbers(task, MEMORY_FIGURES),
            **_numbers(assignment, ("max_assigned_allocations",)),
            assignment_state=state,
            reason=assignment.get("reason") or None,
            start_time=_iso_millis(assignment.get("start_time")),
            allocation_status=None if state == "stopping" else _status(routes, settings["number_of_allocations"]),
            routes=routes,
            routing_source=source,
        )

    def with_assignment(self, assigned: Deployment) -> Deployment:
        """Return *assigned*, read later from the cluster state, completed with what only ``_stats`` has.

        The numbers are those of the routes (none before 8.4); only the statistics say that all routes failed.
        """
        mine = {route.node_id: route for route in self.routes}
        counted = all(route.current_allocations is not None for route in assigned.routes)
        still_failed = self.assignment_state == "failed" and len(assigned.failed_routes) == len(assigned.routes)
        return dataclasses.replace(
            assigned,
            model_bytes=assigned.model_bytes if self.model_bytes is None else self.model_bytes,
            threads_per_allocation=assigned.threads_per_allocation or self.threads_per_allocation,
            assignment_state=self.assignment_state if still_failed else assigned.assignment_state,
            reason=self.reason if still_failed else assigned.reason,
            allocation_status=assigned.allocation_status if counted else self.allocation_status,
            routes=tuple(route.completed(mine.get(route.node_id)) for route in assigned.routes),
        )

    def without_reasons(self) -> Deployment:
        """Return the deployment without the sentences of the server: a reason may quote anything."""
        routes = tuple(dataclasses.replace(route, reason=None) for route in self.routes)
        return dataclasses.replace(self, reason=None, routes=routes)

    @property
    def node_names(self) -> dict[str, str]:
        return {route.node_id: route.node_name for route in self.routes if route.node_name is not None}

    @property
    def adaptive(self) -> bool:
        """Return whether adaptive allocations are enabled: then Elasticsearch sets the number of allocations."""
        return self.adaptive_allocations is not None and self.adaptive_allocations.enabled

    @property
    def failed_routes(self) -> tuple[Route, ...]:
        return tuple(route for route in self.routes if route.routing_state == "failed")

    @property
    def running(self) -> int:
        """Return the number of allocations that answer requests now."""
        return self.allocation_status.allocation_count if self.allocation_status else 0

    def as_result(self) -> dict[str, t.Any]:
        """Return the result key ``deployment``."""
        adaptive, status = self.adaptive_allocations, self.allocation_status
        return {
            "deployment_id": self.deployment_id,
            "model_id": self.model_id,
            **{name: getattr(self, name) for name in SETTINGS},
            "adaptive_allocations": adaptive.as_result() if adaptive else None,
            "assignment_state": self.assignment_state,
            "reason": self.reason,
            "start_time": self.start_time,
            "allocation_status": dict(vars(status)) if status else None,
        }

    def routing_table(self) -> dict[str, dict[str, t.Any]]:
        """Return the result key ``routing_table``: node id to route."""
        return {route.node_id: route.as_result() for route in sorted(self.routes)}

    def allocations(self) -> dict[str, int | None]:
        """Return the result key ``allocations``. ``assigned`` is ``None`` where no target per node can be read."""
        targets = [route.target_allocations for route in self.routes]
        shown = self.routing_source in ("assignment", "cluster_state") or self.has_predicted_places
        known = shown and None not in targets
        running = None if self.routing_source == "prediction" else self.running
        number = self.number_of_allocations
        return {
            "wanted": number,
            "assigned": sum(target or 0 for target in targets) if known else None,
            "running": running,
            "missing": None if number is None or running is None else max(0, number - running),
        }


def user_settings(deployment: Deployment | None) -> dict[str, t.Any]:
    """Return the settings of the user, as in ``before`` and ``after``: the same keys whether or not it is deployed.

    While adaptive allocations are enabled, the number of allocations is Elasticsearch's, and ``None`` here.
    """
    names = ("deployment_id", "model_id", *START_SETTINGS)
    adaptive = deployment.adaptive_allocations if deployment else None
    owned: dict[str, t.Any] = {name: getattr(deployment, name, None) for name in names}
    owned["adaptive_allocations"] = adaptive.as_result() if adaptive else None
    owned["number_of_allocations"] = (
        deployment.number_of_allocations if deployment and not deployment.adaptive else None
    )
    owned["state"] = _user_state(deployment)
    return dict(sorted(owned.items()))


def _user_state(deployment: Deployment | None) -> str:
    if deployment is None:
        return "stopped"
    return "stopping" if deployment.assignment_state == "stopping" else "started"


def _status(routes: tuple[Route, ...], number: int | None) -> AllocationStatus:
    """Return what ``_stats`` would report for this routing table (server-behaviour.md 4.1)."""
    count = sum(route.current_allocations or 0 for route in routes if route.routing_state == "started")
    target = number or 0
    state = "starting" if count == 0 and target > 0 else "started" if count < target else "fully_allocated"
    return AllocationStatus(count, target, state)


def _numbers(raw: Raw, names: t.Iterable[str]) -> dict[str, t.Any]:
    """Return numbers that Elasticsearch leaves out where they are 0."""
    return {name: raw.get(name) or 0 for name in names}


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def iso_time(millis: int | None) -> str | None:
    """Return milliseconds since 1970 as ISO 8601 in UTC."""
    if millis is None:
        return None
    moment = datetime.datetime.fromtimestamp(millis // 1000, tz=datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03d}Z"


def _iso_millis(text: str | None) -> str | None:
    """Return ``2024-11-02T11:50:34.766591Z`` (any number of decimals, or none) with exactly three decimals, cut."""
    if not text:
        return None
    seconds, _dot, fraction = text.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction[:3]:0<3}Z"
