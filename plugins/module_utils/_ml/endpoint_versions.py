# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of what each version of Elasticsearch changes of a deployment that an inference endpoint owns. Pure.

Source: around-deployments.md 4.2, 4.3 and 7 item 12; server-behaviour.md 3.2 row 5.
"""

from __future__ import annotations

import typing as t

from .._core.features import Feature
from .._core.server import Server
from .deployment import Deployment

Change = t.Literal["number", "to_adaptive", "bounds", "to_fixed"]
CHANGES: tuple[Change, ...] = ("number", "to_adaptive", "bounds", "to_fixed")
CHANGE_NAMES: t.Mapping[Change, str] = {
    "number": "the number of allocations",
    "to_adaptive": "a fixed number to adaptive allocations",
    "bounds": "the adaptive allocations",
    "to_fixed": "adaptive allocations to a fixed number",
}
"""What follows "cannot change" in a message."""


class Ways(t.NamedTuple):
    """The ways that a change can go: through the endpoint, with so many requests, or to the deployment alone."""

    endpoint: int = 0
    deployment: bool = False


NOWHERE = Ways()
_DEPLOYMENT = Ways(deployment=True)
_BOTH = Ways(1, True)
_ENDPOINT = Ways(1)
_TWICE = Ways(2)

Row = tuple[Feature, t.Mapping[Change, Ways]]
TABLE: tuple[Row, ...] = (
    (Feature.INFERENCE_ENDPOINTS, {"number": _DEPLOYMENT}),
    (Feature.ADAPTIVE_ALLOCATIONS, dict.fromkeys(CHANGES, _DEPLOYMENT)),
    (Feature.ENDPOINT_UPDATE, {**dict.fromkeys(CHANGES, _DEPLOYMENT), "number": _BOTH}),
    (Feature.OWNED_ONLY_BY_ENDPOINT, {**dict.fromkeys(CHANGES, _ENDPOINT), "to_fixed": _TWICE}),
)
"""What a row begins with, and the ways of each change from then on."""

PRESETS: tuple[Row, ...] = (
    (Feature.INFERENCE_ENDPOINTS, dict.fromkeys(CHANGES, _DEPLOYMENT)),
    (Feature.OWNED_ONLY_BY_ENDPOINT, dict.fromkeys(CHANGES, NOWHERE)),
)
"""The same for the endpoints that Elasticsearch brings along: no request updates them."""


def ways(server: Server, inference_id: str, change: Change) -> Ways:
    """Return the ways that *change* can go in the version of *server*."""
    rows = PRESETS if is_preset(inference_id) else TABLE
    reached = [row for feature, row in rows if server.supports(feature)]
    return reached[-1].get(change, NOWHERE) if reached else NOWHERE


def endpoint_since(change: Change) -> str:
    """Return the version from which *change* goes through the endpoint that a user made."""
    return next(feature.first_version for feature, row in TABLE if row.get(change, NOWHERE).endpoint)


def is_preset(inference_id: str) -> bool:
    """Return whether Elasticsearch brings this endpoint along: no user can give an id that begins with a dot."""
    return inference_id.startswith(".")


def change_between(before: Deployment, after: Deployment) -> Change:
    """Return which change leads from *before* to *after*."""
    if before.adaptive or after.adaptive:
        return "bounds" if before.adaptive and after.adaptive else "to_adaptive" if after.adaptive else "to_fixed"
    return "number" if before.adaptive_allocations == after.adaptive_allocations else "bounds"
