# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The users of a model that is to be deleted. Pure."""

from __future__ import annotations

from .._consumers.users import ModelUsers
from .._consumers.words import listed, unreadable
from .._core.warning import WarningText
from .._core.words import quoted_ids
from .records import Desired, Situation


def references_model(users: ModelUsers) -> bool:
    """Return whether Elasticsearch would refuse to delete the model because of a pipeline, or the user cannot know."""
    return users.used_by.ingest_pipelines is None or bool(users.used_by.ingest_pipelines)


def option_of(desired: Desired) -> str:
    """Return the option that lets the task take a model from its users, with the value for that."""
    return "force to true" if desired.state == "absent" else "on_referenced to force"


def users_warnings(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return warnings about the users that lose the model, and about those that cannot be read."""
    users, name = current.users, desired.model_id
    found = [unreadable(kind) for kind in users.used_by.unread]
    if users.deployments:
        again = "" if desired.state == "absent" else ", and the task does not start them again"
        found.append(f"The task stops all deployments of model '{name}' ({quoted_ids(users.deployments)}){again}.")
    if users.used_by.model_aliases:
        found.append(f"With model '{name}' go its aliases {quoted_ids(users.used_by.model_aliases)}.")
    others = listed(users.used_by._replace(model_aliases=()))
    if others:
        found.append(f"Without model '{name}' these do not work: {others}.")
    return tuple(map(WarningText, found))
