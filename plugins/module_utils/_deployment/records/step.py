# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One write that the plan decided on, in the plan's words; the layer ``api`` turns it into a request."""

from __future__ import annotations

import dataclasses
import typing as t

StepKind = t.Literal["start", "update", "stop"]


@dataclasses.dataclass(frozen=True)
class Step:
    """One write.

    ``settings`` by kind: ``start`` has ``model_id`` and any of the options fixed at start, ``number_of_allocations``,
    ``adaptive_allocations`` (the object to send); ``update`` has one or both of the last two; ``stop`` may have
    ``finish_pending_work`` and ``force``. ``endpoint_type``: the update is sent to the inference endpoint that has the
    deployment's id and this task type.
    """

    kind: StepKind
    deployment_id: str
    settings: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    endpoint_type: str | None = None
