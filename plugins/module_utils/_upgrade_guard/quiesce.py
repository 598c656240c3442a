# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stops before an upgrade or a maintenance. Pure."""

from __future__ import annotations

import typing as t

from .._core.patterns import matches
from .._core.words import joined
from .found import Found

Json: t.TypeAlias = "dict[str, t.Any]"


def quiesce(record: Json, found: Found, options: Json) -> Json:
    """Return the ``items`` that stop what *options* ask for, and whether to turn the upgrade mode on.

    Only what is in *record* is stopped: the rest could not be restored.
    """
    asked = options["quiesce"]
    chosen = [name for name in sorted(found.deployments) if _is_chosen(name, found, options)]
    known = {each["deployment_id"] for each in record["deployments"]}
    return {
        "items": [stop(name, options) for name in chosen if name in known],
        "upgrade_mode": asked["upgrade_mode"] and found.upgrade_mode is False,
        "refused": [*_unknown_nodes(asked["nodes"], found), *_no_mode(asked, found)],
        "not_recorded": [name for name in chosen if name not in known],
    }


def _is_chosen(name: str, found: Found, options: Json) -> bool:
    asked = options["quiesce"]
    if asked["mode"] not in ("stop_all", "stop_nodes") or matches(name, options["except"]):
        return False
    return asked["mode"] == "stop_all" or any(_is_on(node, asked["nodes"]) for node in found.routes[name])


def _is_on(node: tuple[str, str], patterns: t.Sequence[str]) -> bool:
    """Return whether the id or the name of *node* matches."""
    return any(matches(each, patterns) for each in node if each)


def stop(name: str, options: Json) -> Json:
    """Return the item of the list that stops a deployment."""
    pending = options["finish_pending_work"]
    return {
        "deployment_id": name,
        "state": "stopped",
        "on_referenced": options["on_referenced"],
        **({} if pending is None else {"finish_pending_work": pending}),
    }


def _unknown_nodes(patterns: t.Sequence[str], found: Found) -> t.Iterator[str]:
    """Yield a refusal for each pattern that no node matches, which may be a mistake in writing."""
    nodes = {node for table in found.routes.values() for node in table} | set(found.nodes)
    names = joined(sorted({name or node_id for node_id, name in nodes})) or "none"
    for pattern in patterns:
        if not any(_is_on(node, [pattern]) for node in nodes):
            yield f"quiesce.nodes has {pattern}, and no ML node has this name or id. There are: {names}."


def _no_mode(asked: Json, found: Found) -> t.Iterator[str]:
    if asked["upgrade_mode"] and found.upgrade_mode is None:
        yield "The upgrade mode is asked for, and this Elasticsearch has none that a user can set."
