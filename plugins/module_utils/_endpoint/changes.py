# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The differences between an endpoint and what a task asks for, and how each version can change them. Pure."""

from __future__ import annotations

import typing as t

from .._core.errors import Difference, Refusal
from .._core.features import Feature
from .._core.server import Server
from .._ml.endpoint import Endpoint
from .allocations import Scaling, asked, refuse_on_serverless, scaling
from .compare import compared, same_service
from .live import SCALING
from .records import Desired, Situation

Json = dict[str, t.Any]
Part = t.Literal["service_settings", "task_settings", "chunking_settings"]


class Changes(t.NamedTuple):
    """``fixed``: what only a recreation changes. ``parts``: what an update of the endpoint sends, without allocations.

    ``sends_secrets``: whether the secrets have a new version. ``not_shown``: the given settings that Elasticsearch does
    not show, so that they are compared with nothing.
    """

    fixed: tuple[Difference, ...] = ()
    parts: t.Mapping[Part, Json] = {}
    scaling: Scaling | None = None
    sends_secrets: bool = False
    not_shown: tuple[str, ...] = ()


def changes(desired: Desired, current: Situation, server: Server) -> Changes:
    """Return what has to change of the endpoint that is there.

    :raises Refusal: the task asks for what no endpoint of this service has.
    """
    stored = current.stored
    if stored is None or desired.state == "absent":
        return Changes()
    other = _identity(desired, stored)
    if other:
        return Changes(other)
    if stored.in_cluster and desired.secrets:
        raise Refusal(
            "conflicting_options",
            f"secrets are given, and inference endpoint '{desired.inference_id}' uses a deployment of the cluster",
            hint="Leave them out.",
        )
    found = _settings(desired, current, stored, server)
    news = bool(desired.secrets_version) and desired.secrets_version != current.kept_version
    if news and not server.supports(Feature.ENDPOINT_UPDATE):
        version = Difference("secrets_version", current.kept_version, desired.secrets_version)
        return found._replace(fixed=(*found.fixed, version))
    return found._replace(sends_secrets=news)


def _identity(desired: Desired, stored: Endpoint) -> tuple[Difference, ...]:
    """Return that the endpoint does another task, or is of another service: then nothing else can be compared."""
    found = []
    if desired.task_type not in (None, stored.task_type):
        found.append(Difference("task_type", stored.task_type, desired.task_type))
    if not same_service(desired.service, stored):
        found.append(Difference("service", stored.service, desired.service))
    return tuple(found)


def _settings(desired: Desired, current: Situation, stored: Endpoint, server: Server) -> Changes:
    fixed: list[Difference] = []
    not_shown: list[str] = []
    parts: dict[Part, Json] = {}
    for part, given, shown in _parts(desired, current, stored):
        result = compared(given, shown, part)
        not_shown += result.not_shown
        if _can_update(part, desired, stored, server):
            parts |= {part: result.differs} if result.differs else {}
        else:
            fixed += result.leaves
    if not stored.in_cluster:
        return Changes(tuple(fixed), parts, None, False, tuple(not_shown))
    if server.serverless:
        refuse_on_serverless(asked(desired), may_skip=desired.on_adaptive == "skip")
    found = scaling(desired, current, stored, server)
    if found.threads and stored.owns_deployment:
        fixed.append(Difference("service_settings.num_threads", found.before.threads_per_allocation, found.threads))
    return Changes(tuple(fixed), parts, found, False, tuple(not_shown))


def _parts(
    desired: Desired, current: Situation, stored: Endpoint
) -> t.Iterator[tuple[Part, Json, t.Mapping[str, t.Any]]]:
    """Yield each part that the task gives, with what Elasticsearch shows of it; allocations are compared apart."""
    given = desired.service_settings
    yield "service_settings", beside_allocations(given) if stored.in_cluster else given, service_settings_of(stored)
    yield "task_settings", desired.task_settings, stored.task_settings
    if not current.chunking_reset:
        yield "chunking_settings", desired.chunking_settings, stored.chunking_settings or {}


def service_settings_of(stored: Endpoint) -> Json:
    """Return the settings of a service, with the deployment that an endpoint made, which it does not show."""
    own = {"deployment_id": stored.deployment_id} if stored.in_cluster else {}
    return {**own, **stored.service_settings}


def beside_allocations(settings: Json) -> Json:
    """Return the settings of a service in the cluster that its deployment does not have."""
    return {name: value for name, value in settings.items() if name not in (*SCALING, "num_threads")}


def _can_update(part: Part, desired: Desired, stored: Endpoint, server: Server) -> bool:
    """Return whether an update of the endpoint can change this part of it (around-deployments.md 4.3).

    What a service outside of the cluster lets change is its own, and nothing says it beforehand: a task that may
    recreate the endpoint does so.
    """
    if part == "chunking_settings":
        return server.supports(Feature.CHUNKING_UPDATE)
    if stored.in_cluster:
        return part == "task_settings" and server.supports(Feature.OWNED_ONLY_BY_ENDPOINT)
    if part == "service_settings" and desired.replace == "recreate":
        return False
    return server.supports(Feature.ENDPOINT_UPDATE)
