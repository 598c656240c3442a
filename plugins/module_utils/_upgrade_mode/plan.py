# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of the upgrade mode. Pure."""

from __future__ import annotations

from .._core.errors import ApiError, Refusal
from .._core.plan import Plan, Step
from .._core.server import Server
from .records import Desired, UpgradeMode

REFUSED = ("start deployments", "create or delete models", "upload definitions or vocabularies", "change model aliases")
"""Actions that Elasticsearch refuses in the upgrade mode (around-deployments.md 5.4)."""
_BUSY = "Previous request is still being processed"


def decide(desired: Desired, current: UpgradeMode, server: Server) -> Plan[UpgradeMode]:
    """Return the plan that turns the upgrade mode on or off.

    :raises Refusal: the server has none.
    """
    if server.serverless:
        raise Refusal(
            "unsupported_on_serverless",
            "Elastic Cloud Serverless has no upgrade mode that a user can set",
            hint="Elastic upgrades it.",
        )
    after = UpgradeMode(desired.enabled)
    if current == after:
        return Plan(current, after)
    verb = "enable" if desired.enabled else "disable"
    return Plan(current, after, verb, (Step(verb, {"enabled": desired.enabled}),))


def is_busy(error: ApiError) -> bool:
    """Return whether Elasticsearch still works on the request of another client; from 8.18 on it names the feature."""
    return error.status == 429 and _BUSY in (error.reason or "")
