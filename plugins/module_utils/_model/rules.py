# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules by which Elasticsearch, or the task, refuses to create or to delete a model, in their order. Pure."""

from __future__ import annotations

import typing as t

from .._consumers.words import listed_users
from .._core.errors import CODES, Refusal
from .._core.obstacles import OBSTACLES, licence_warning
from .._core.server import Server
from .._core.warning import WarningText
from .._core.words import quoted_ids
from .records import Desired, Situation
from .users import option_of

_MANAGED = "lang_ident_model_1"
"""The model that machine learning itself needs."""


def refuse_creation(desired: Desired, current: Situation) -> None:
    """Refuse to create a model where Elasticsearch would.

    :raises Refusal: it would.
    """
    for rule in CREATION:
        rule(desired, current)


def refuse_removal(desired: Desired, current: Situation, server: Server) -> None:
    """Refuse to delete a model where Elasticsearch would, or that has users.

    :raises Refusal: it would, or there are users.
    """
    _refuse_in_upgrade_mode(desired, current)
    if desired.model_id == _MANAGED:
        raise Refusal(
            "model_required",
            f"Model '{desired.model_id}' cannot be deleted: machine learning itself needs it",
            hint="Leave it alone.",
        )
    users = listed_users(current.users)
    if users and not desired.may_break:
        raise Refusal(
            "model_in_use",
            f"Model '{desired.model_id}' is used by {users}, and the task would delete it",
            hint=f"Take it out of use first, or set {option_of(desired)}: then the task stops the deployments, the "
            "aliases go with the model, and the others stop working.",
        )


def _refuse_in_upgrade_mode(desired: Desired, current: Situation) -> None:
    """Refuse any change in the upgrade mode, which Elasticsearch asks about before everything else."""
    if current.upgrade_mode:
        raise _obstacle(desired, "upgrade_mode")


def _refuse_unlicensed(desired: Desired, current: Situation) -> None:
    if current.licensed is False:
        raise _obstacle(desired, "licence")


def _refuse_alias(desired: Desired, current: Situation) -> None:
    if current.alias_of:
        raise Refusal(
            "model_id_taken",
            f"'{desired.model_id}' is an alias of model '{current.alias_of}', and no model can have that id",
            hint="Choose another model_id.",
        )


def _refuse_deployment(desired: Desired, current: Situation) -> None:
    """Refuse the id of a deployment of another model; a deployment without its model counts, too."""
    named = current.deployments.get(desired.model_id)
    if named is not None and (named != desired.model_id or current.stored is None):
        raise Refusal(
            "model_id_taken",
            f"'{desired.model_id}' is the id of a deployment of model '{named}', and no model can have that id",
            hint="Choose another model_id, or stop the deployment.",
        )


def _refuse_tag(desired: Desired, current: Situation) -> None:
    tagged = [other.model_id for other in current.others if desired.model_id in other.tags]
    if tagged:
        raise Refusal(
            "model_id_taken",
            f"'{desired.model_id}' is a tag of model {quoted_ids(tagged)}, and no model can have that id",
            hint="Choose another model_id.",
        )


def _refuse_tags(desired: Desired, current: Situation) -> None:
    tags = (current.upload.config.get("tags") if current.upload else None) or ()
    taken = sorted({other.model_id for other in current.others} & set(tags))
    if taken:
        raise Refusal(
            "model_id_taken",
            f"The tags of model '{desired.model_id}' have ids of other models: {quoted_ids(taken)}",
            hint="Choose other tags in its configuration.",
        )


CREATION: t.Sequence[t.Callable[[Desired, Situation], None]] = (
    _refuse_in_upgrade_mode,
    _refuse_unlicensed,
    _refuse_alias,
    _refuse_deployment,
    _refuse_tag,
    _refuse_tags,
)
"""In the order in which Elasticsearch asks (around-deployments.md 2.1)."""


def _obstacle(desired: Desired, name: t.Literal["upgrade_mode", "licence"]) -> Refusal:
    obstacle = OBSTACLES[name]
    text = f"Model '{desired.model_id}' cannot be changed now: {obstacle.what}"
    return Refusal(CODES[name], text, hint=obstacle.hint)


def unread_licence(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return a warning if the user may not read the licence, which a creation needs."""
    return licence_warning("model", desired.model_id, current.licensed)
