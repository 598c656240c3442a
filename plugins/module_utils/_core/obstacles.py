# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conditions of a cluster that refuse each start of machine learning, as kinds of errors."""

from __future__ import annotations

import typing as t

from .errors import CODES, ErrorKind
from .warning import WarningText


class Obstacle(t.NamedTuple):
    """``what``: the condition. ``until`` completes "when ..."."""

    what: str
    until: str

    @property
    def hint(self) -> str:
        """Return what to do about it."""
        return f"Run the task again when {self.until}."


OBSTACLES: t.Mapping[ErrorKind, Obstacle] = {
    "upgrade_mode": Obstacle(
        "the upgrade mode of machine learning is on", "the upgrade mode of machine learning is off"
    ),
    "licence": Obstacle(
        "the licence of the cluster does not include machine learning, or has expired",
        "there is a licence that includes machine learning, or a trial",
    ),
    "versions": Obstacle(
        "the nodes of the cluster have several versions, and Elasticsearch starts nothing during an upgrade",
        "all nodes are upgraded",
    ),
}
"""In the order in which Elasticsearch asks (server-behaviour.md 3.1 rows 2b to 4)."""

OBSTACLE_CODES = frozenset(CODES[kind] for kind in OBSTACLES)


def licence_warning(noun: str, resource_id: str, licensed: bool | None) -> tuple[WarningText, ...]:
    """Return a warning if the user may not read the licence that a resource needs. *licensed*: what was read."""
    if licensed is not None:
        return ()
    text = (
        f"Whether the licence allows {noun} '{resource_id}' is left to Elasticsearch: the user may not read it (that "
        "needs the cluster privilege monitor)."
    )
    return (WarningText(text),)
