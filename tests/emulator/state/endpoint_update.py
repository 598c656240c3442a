# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Update inference endpoints: settings of the endpoint, and through it of the deployment that it made.

Elasticsearch's public inference sources and tests; around-deployments.md 4.3 and 7 item 12; server-behaviour.md 7
item 21.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from ..planner import java
from ..wire import errors, object_parser, xcontent
from ..wire.object_parser import ObjectParser
from ..wire.xcontent import Parser
from . import chunking, endpoint_config, endpoint_values, endpoints, licence, operations, task_types
from .adaptive import AdaptiveSettings
from .endpoint_values import SERVICE, java_text
from .endpoints import DEFAULT_IDS, WORD_CHUNKING, Endpoint
from .unknowns import BY_VERSION
from .versions import Features

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]


@dataclasses.dataclass
class Given:
    """The content of an update's body; what is not given, or empty, is ``None``."""

    task_type: str | None = None
    service_settings: Json | None = None
    task_settings: Json | None = None
    chunking_settings: Json | None = None


def read(body: bytes, version: Features) -> Given:
    """Split the body of an update (``inference_endpoint`` records)."""
    if not body.lstrip().startswith(b"{") and not version.endpoint_update_reads_any_body:
        what = "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"
        raise errors.ApiError(500, "not_x_content_exception", what)
    rest = xcontent.read_map(Parser(body, version))
    if not rest:
        raise errors.status(400, "Request body is empty")
    _check_nulls(rest, version)
    found = Given()
    whole = java_text(rest)
    if "task_type" in rest:
        if not isinstance(rest["task_type"], str):
            status = 400 if version.endpoint_update_chunking else 500
            raise errors.status(status, f"Failed to parse [task_type] in update request [{whole}]")
        found.task_type = task_types.read(rest.pop("task_type"), version)
    for name in (SERVICE, "task_settings", *((chunking.SETTINGS,) if version.endpoint_update_chunking else ())):
        if name in rest:
            if not isinstance(rest[name], dict):
                shown = f"[{name}]" if version.endpoint_update_chunking else name.replace("_", " ")
                raise errors.status(400, f"Unable to parse {shown} in the request [{java_text(rest)}]")
            setattr(found, name, rest.pop(name) or None)
    if rest:
        what = "Request contained fields which cannot be updated, remove these fields and try again"
        raise errors.status(400, f"{what} [{java_text(rest)}]")
    return found


def _check_nulls(body: Json, version: Features) -> None:
    """Refuse a null in the settings of the service, where its map is copied into one that takes none."""
    settings = body.get(SERVICE)
    if version.endpoint_update_refuses_null and isinstance(settings, dict) and None in settings.values():
        raise errors.status(500, f"Failed to parse update request [{java_text(body)}]")


def update(cluster: Cluster, endpoint_id: str, in_path: str, raw: bytes, given: Given) -> Endpoint:
    """Return the endpoint after the update, which is committed."""
    resolved = task_types.resolved(in_path, given.task_type, cluster.version)
    current = endpoints.known(cluster).get(endpoint_id)
    if current is None:
        raise errors.status(404, f"The inference endpoint [{endpoint_id}] does not exist and cannot be updated")
    licence.check_inference(cluster, current.service)
    if resolved != current.task_type:
        raise errors.status(400, "Task type must match the task type of the existing endpoint")
    if endpoint_id in DEFAULT_IDS:
        raise errors.status(400, f"Default endpoint [{endpoint_id}] cannot be updated")
    new = _merged(cluster, current, given, raw)
    if new != current or (current.in_cluster and not cluster.version.endpoint_update_check):
        if current.in_cluster:
            _update_deployment(cluster, current, new)
            _reset_chunking(cluster, new)
        elif cluster.version.endpoint_update_asks_service:
            cluster.inferences.check_endpoint("service", endpoint_id)
        cluster.endpoints[endpoint_id] = new
        cluster.publish(by_api=True)
    return new


def _merged(cluster: Cluster, current: Endpoint, given: Given, raw: bytes) -> Endpoint:
    """Lay settings over those that are there; chunking settings are replaced as a whole (149723)."""
    new = dataclasses.replace(current, task_settings={**current.task_settings, **(given.task_settings or {})})
    settings = given.service_settings or {}
    if current.in_cluster:
        new.service_settings = _in_cluster(cluster, current, settings, raw)
    else:
        # Which settings a service lets change is [U]: all of them do here, whatever their names.
        shown, secrets = endpoints.without_secrets(settings)
        new.service_settings, new.secrets = {**current.service_settings, **shown}, {**current.secrets, **secrets}
    if given.chunking_settings is not None:
        new.chunking_settings = chunking.read(given.chunking_settings, cluster.version)
    return new


def _in_cluster(cluster: Cluster, current: Endpoint, given: Json, raw: bytes) -> Json:
    """Return the settings after the update; older versions ignore other settings without a word (issue 137129)."""
    if given and _settings_of_update(cluster) == "strict":
        _check_names(given, cluster.version)
    rest, complaints = dict(given), list[str]()
    number = endpoint_values.positive_integer(rest, "num_allocations", complaints)
    adaptive = None
    if _changes_adaptive(cluster):
        adaptive = endpoint_config.read_adaptive(rest, complaints)
    elif number is None:
        text = f"Failed to parse [num_allocations] of update request [{raw.decode('utf-8', 'replace')}]"
        raise errors.status(400, text)
    if given and _takes_one(cluster):
        complaints += _not_one(number, adaptive)
    if complaints:
        raise errors.validation(complaints, "validation_exception")
    merged = dict(current.service_settings)
    if _takes_one(cluster) and not (number is None and adaptive is None):
        merged = {name: value for name, value in merged.items() if name not in _SCALING}
    if number is not None:
        merged["num_allocations"] = number
    if adaptive is not None:
        merged["adaptive_allocations"] = adaptive.as_json()
    return merged


_SCALING = ("num_allocations", "adaptive_allocations")


def _check_names(given: Json, version: Features) -> None:
    """Refuse what the strict parser does not know; it reads the settings as a text again, in a Java map's order."""
    ordered = {name: given[name] for name in java.map_order(given, java.hash_of_text)}
    fields = [object_parser.anything(name) for name in _SCALING]
    fields.append(object_parser.any_value("num_threads", _refuse_threads))
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False)
    ObjectParser(SERVICE, fields).parse(Parser(text.encode(), version))


def _refuse_threads(parser: Parser) -> Any:
    raise errors.parse_failure("[num_threads] cannot be updated")


def _not_one(number: int | None, adaptive: AdaptiveSettings | None) -> list[str]:
    """Return the complaint of the newest versions, which take exactly one of the two settings."""
    if number is not None and adaptive is not None:
        return ["[num_allocations] cannot be set if [adaptive_allocations] is set"]
    if number is None and adaptive is None:
        return [f"[{SERVICE}] does not contain one of the required settings [{', '.join(_SCALING)}]"]
    return []


def _settings_of_update(cluster: Cluster) -> str:
    """Return which settings an update takes together: ``both``, ``exactly_one``, or that and no other (``strict``)."""
    chosen = cluster.choices["endpoint_update_settings"]
    if chosen == BY_VERSION:
        return "exactly_one" if cluster.version.endpoint_update_of_one else "both"
    return chosen


def _takes_one(cluster: Cluster) -> bool:
    return _changes_adaptive(cluster) and _settings_of_update(cluster) != "both"


def _changes_adaptive(cluster: Cluster) -> bool:
    chosen = cluster.choices["endpoint_update_adaptive"]
    return cluster.version.endpoint_update_check if chosen == BY_VERSION else chosen == "accept"


def _update_deployment(cluster: Cluster, current: Endpoint, new: Endpoint) -> None:
    """Update through the same action that updates deployments."""
    # Before 121231 the deployment with the id of the endpoint was meant.
    deployment_id = current.deployment_id if cluster.version.endpoint_update_without_type else current.id
    if not _is_deployed(cluster, deployment_id):
        # The wording is [U].
        what = f"Requested model ID [{current.id}] does not have a matching trained model"
        raise errors.status(404, f"{what} and thus cannot be updated.")
    if deployment_id != current.id and cluster.version.endpoint_update_check:
        _refuse_other(cluster, current.id, deployment_id)
    operations.update_by_endpoint(
        cluster, deployment_id, new.service_settings.get("num_allocations"), _adaptive_to_send(cluster, new)
    )


def _adaptive_to_send(cluster: Cluster, new: Endpoint) -> Any:
    if not _changes_adaptive(cluster):
        return None
    alone = new.adaptive is None and _takes_one(cluster)
    if alone and cluster.choices["endpoint_update_number_alone"] == "ends_adaptive":
        return AdaptiveSettings(False)
    return new.adaptive


def _reset_chunking(cluster: Cluster, new: Endpoint) -> None:
    """Forget the chunking settings (issue 139574), as versions before the patches of February 2026 do."""
    chosen = cluster.choices["endpoint_update_chunking"]
    keeps = cluster.version.endpoint_update_keeps_chunking if chosen == BY_VERSION else chosen == "kept"
    if new.chunking_settings is not None and not keeps:
        new.chunking_settings = dict(WORD_CHUNKING)


def _is_deployed(cluster: Cluster, name: str) -> bool:
    concrete = cluster.aliases.get(name, name)
    return concrete in cluster.assignments or any(
        each.params.model_id == concrete for each in cluster.assignments.values()
    )


def _refuse_other(cluster: Cluster, endpoint_id: str, deployment_id: str) -> None:
    """Refuse a deployment of another endpoint or of the trained models API, which the endpoint did not make."""
    what = f"Cannot update inference endpoint [{endpoint_id}]"
    if deployment_id in endpoints.known(cluster):
        raise errors.status(
            409,
            f"{what} for model deployment [{deployment_id}] as it was created by another inference endpoint. "
            f"The model can only be updated using inference endpoint id [{deployment_id}].",
        )
    advice = "The model deployment must be updated through the trained models API."
    raise errors.status(409, f"{what} using model deployment [{deployment_id}]. {advice}")
