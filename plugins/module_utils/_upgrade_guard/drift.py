# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of the audit: settings that a cluster has otherwise than a record. Pure."""

from __future__ import annotations

import typing as t

from .._core.patterns import matches
from .._core.sizes import human_size, parse_size
from .._ml.adaptive import OFF, AdaptiveAllocations
from .found import SETTINGS, Found

Json: t.TypeAlias = "dict[str, t.Any]"
ABSENT = "not there"
_NOT_WELL = ("stopping", "failed")


def differences(record: Json, found: Found, options: Json) -> list[Json]:
    """Return a row for each setting of the record that the cluster has otherwise."""
    rows = [
        row
        for each in record["deployments"]
        if not matches(each["deployment_id"], options["except"])
        for row in of_deployment(each, found.deployments.get(each["deployment_id"]))
    ]
    for each in record["inference_endpoints"]:
        rows += _of_endpoint(each, found)
    for alias, model_id in record["model_aliases"].items():
        rows += _row("alias", alias, "model_id", model_id, found.aliases.get(alias, ABSENT))
    recorded = record.get("upgrade_mode")
    if recorded is not None:
        rows += _row("upgrade mode", "", "enabled", recorded, found.upgrade_mode)
    return rows


def of_deployment(recorded: Json, now: Json | None) -> list[Json]:
    """Return the rows of one deployment. *now*: as it is, ``None`` if it is not there."""
    name = recorded["deployment_id"]
    if now is None:
        return _row("deployment", name, "state", "started", ABSENT)
    rows = [
        row
        for setting in SETTINGS
        if recorded[setting] is not None and not _is_same(setting, recorded, now)
        for row in _row("deployment", name, setting, recorded[setting], now[setting])
    ]
    rows += _row("deployment", name, "adaptive_allocations", adaptive_text(recorded), adaptive_text(now))
    # No start can set 0, and a number that adaptive allocations set is not compared.
    if recorded["number_of_allocations"] and not is_scaled(now):
        numbers = recorded["number_of_allocations"], now["number_of_allocations"]
        rows += _row("deployment", name, "number_of_allocations", *numbers)
    if now["assignment_state"] in _NOT_WELL and recorded["assignment_state"] != now["assignment_state"]:
        rows += _row("deployment", name, "state", "started", now["assignment_state"])
    return rows


def adaptive_of(item: Json) -> AdaptiveAllocations:
    """Return the adaptive allocations of a deployment; none and disabled ones without bounds are the same."""
    return AdaptiveAllocations.from_api(item["adaptive_allocations"]) or OFF


def is_scaled(item: Json) -> bool:
    """Return whether adaptive allocations set the number."""
    return adaptive_of(item).enabled


def adaptive_text(item: Json) -> str:
    """Return the adaptive allocations for a person, such as ``1 to 4``."""
    adaptive = adaptive_of(item)
    if adaptive == OFF:
        return "off"
    low, high = adaptive.min_number_of_allocations, adaptive.max_number_of_allocations
    bounds = f"{'any' if low is None else low} to {'any' if high is None else high}"
    return bounds if adaptive.enabled else f"off ({bounds})"


def _is_same(setting: str, recorded: Json, now: Json) -> bool:
    if setting != "cache_size":
        return bool(recorded[setting] == now[setting])
    exact = recorded["cache_size_exact"] and now["cache_size_exact"]
    read = parse_size if exact else _cut
    return read(str(recorded[setting])) == read(str(now[setting]))


def _cut(text: str) -> str:
    """Return a size as statistics show it. One that they have shown stays as it is."""
    size = parse_size(text)
    return text if size is None or "." in text else human_size(size)


def _of_endpoint(recorded: Json, found: Found) -> list[Json]:
    """Return the row of an endpoint that is gone or uses another deployment. Its deployment has rows of its own."""
    name = recorded["inference_id"]
    if name not in found.endpoint_ids:
        return _row("endpoint", name, "state", "there", ABSENT)
    now = found.endpoints.get(name, recorded)
    return _row("endpoint", name, "deployment_id", recorded["deployment_id"], now["deployment_id"])


def _row(kind: str, name: str, setting: str, recorded: t.Any, now: t.Any) -> list[Json]:
    """Return the row of a setting, none if it is as recorded."""
    if recorded == now:
        return []
    return [{"kind": kind, "id": name, "setting": setting, "recorded": recorded, "now": now}]
