# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conditions that are certain to refuse a start, looked at before the first write. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import CODES, Refusal
from ..._core.features import Feature
from ..._core.obstacles import OBSTACLES
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._core.words import joined
from ..records.start_conditions import NodeVersion, StartConditions
from ..records.step import Step

Check = t.Literal["ok", "refused", "short", "not_read"]
StartChecks = t.Mapping[str, "Check | None"]

NO_CHECKS: StartChecks = {"versions": None, "licence": None, "upgrade_mode": None, "capacity": None}
"""The checks of a plan that starts nothing."""

_NAMES = {
    "versions": ("the versions of the nodes", "monitor"),
    "licence": ("the licence", "monitor"),
    "upgrade_mode": ("upgrade mode", "monitor_ml"),
    "capacity": ("the room on the ML nodes", "monitor"),
}
"""Check to what it reads, and the cluster privilege that this needs."""


def judge(conditions: StartConditions, server: Server) -> dict[str, Check | None]:
    """Return for each condition whether it allows a start; ``None`` if this server has no such condition."""
    if server.serverless:
        return {name: None for name in OBSTACLES}
    return {
        "versions": _check(_refuses_versions(conditions)) if server.supports(Feature.NODE_VERSION_CHECK) else None,
        "licence": _check(None if conditions.licensed is None else not conditions.licensed),
        "upgrade_mode": _check(conditions.upgrade_mode),
    }


def _check(refuses: bool | None) -> Check:
    return "not_read" if refuses is None else "refused" if refuses else "ok"


def _refuses_versions(conditions: StartConditions) -> bool | None:
    """Return whether the master refuses starts because of the nodes' versions (server-behaviour.md 3.1 row 4).

    Up to 8.9 any difference refuses. From 8.10 on a node has to speak an older transport version than the master.
    """
    nodes, master = conditions.nodes, conditions.master
    if nodes is None:
        return None
    if len(set(nodes)) < 2:
        return False
    if master is None:
        return None
    if master.release < Feature.NODE_VERSION_CHECK.since:
        return False
    if master.release < Feature.TRANSPORT_VERSIONS.since:
        return len({node.version for node in nodes}) > 1
    verdicts = [_is_older(node, master) for node in nodes]
    return True if True in verdicts else None if None in verdicts else False


def _is_older(node: NodeVersion, master: NodeVersion) -> bool | None:
    """Return whether *node* speaks an older transport version than *master*; patches of a minor may share one."""
    if node.transport is not None and master.transport is not None:
        return node.transport < master.transport
    if node.release != master.release:
        return node.release < master.release
    return False if node.version == master.version else None


def refuse_start(step: Step, checks: StartChecks) -> None:
    """Refuse the start *step* if one of the *checks* says that Elasticsearch would.

    :raises Refusal: it would.
    """
    for name, obstacle in OBSTACLES.items():
        if checks[name] == "refused":
            raise Refusal(
                CODES[name],
                f"Deployment '{step.deployment_id}' cannot be started now: {obstacle.what}",
                hint=obstacle.hint,
            )


def unlisted_refusal(deployment_id: str, of_list: t.Collection[StartChecks]) -> Refusal | None:
    """Return why a deployment that a list does not contain is not stopped: it could not be started again.

    *of_list*: the checks of all deployments of the list. Only a list that starts something has made any.
    """
    for name, obstacle in OBSTACLES.items():
        if any(checks[name] == "refused" for checks in of_list):
            return Refusal(
                CODES[name],
                f"Deployment '{deployment_id}' is not in the list. It is not stopped now, because nothing can be "
                f"started in its place: {obstacle.what}",
                hint=obstacle.hint,
            )
    return None


def unread_warning(deployment_id: str, checks: StartChecks) -> tuple[WarningText, ...]:
    """Return the warning about checks that were not made before a stop."""
    unread = [name for name, check in checks.items() if check == "not_read"]
    if not unread:
        return ()
    things = joined([_NAMES[name][0] for name in unread])
    needed = sorted({_NAMES[name][1] for name in unread})
    privileges = f"privilege{'s' if len(needed) > 1 else ''} {joined(needed)}"
    return (
        WarningText(
            f"Whether Elasticsearch takes the start of deployment '{deployment_id}' after the stop is not certain, "
            f"because {things} could not be read. Reading that needs the cluster {privileges}."
        ),
    )
