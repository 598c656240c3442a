# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals, before any write, of options and writes that the server's version does not have."""

from __future__ import annotations

import typing as t

from ..._core.errors import Refusal
from ..._core.features import Feature
from ..._core.server import Server
from ..._ml.adaptive import OFF
from ..._ml.settings import SETTINGS
from ..records.desired import Desired
from ..records.step import Step


def refuse_unsupported(server: Server, desired: Desired) -> None:
    """Refuse options that this server does not have, or has with a smaller range.

    :raises Refusal: there is such an option.
    """
    adaptive = desired.adaptive_allocations
    stopping = desired.state != "started" or desired.replace == "stop_start" or desired.on_failed == "recover"
    used = {
        Feature.DEPLOYMENT_ID: desired.deployment_id != (desired.model_id or desired.deployment_id),
        Feature.ADAPTIVE_ALLOCATIONS: adaptive is not None and adaptive.merged_into(None) != OFF,
        Feature.FINISH_PENDING_WORK: desired.finish_pending_work is not None and stopping,
    }
    for feature, is_used in used.items():
        if is_used:
            server.require(feature)
    _refuse_values(server, desired.start_settings)


def refuse_unsendable(server: Server, steps: t.Iterable[Step]) -> None:
    """Refuse a plan with a write that this server does not have.

    :raises Refusal: there is such a write.
    """
    for step in steps:
        if step.kind == "start" and step.deployment_id != step.settings["model_id"]:
            server.require(Feature.DEPLOYMENT_ID)
        if step.kind == "update":
            update = f"an update of the running deployment '{step.deployment_id}'"
            server.require(Feature.UPDATE, update, "With replace: stop_start the task stops it and starts it again.")
        _refuse_values(server, step.settings)


def _refuse_values(server: Server, values: t.Mapping[str, t.Any]) -> None:
    """Refuse *values* of settings that the server does not have, or not in this range."""
    for name, setting in SETTINGS.items():
        value = values.get(name)
        if value is None:
            continue
        if setting.since is not None and value != setting.default:
            server.require(setting.since)
        if setting.at_most is not None and value > setting.at_most.on(server):
            raise Refusal(
                "unsupported_version",
                f"Elasticsearch {server.shown_version} takes a {name} of at most {setting.at_most.on(server)}, "
                f"not {value}",
            )
