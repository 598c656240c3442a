# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of trained models. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import Difference, Refusal
from .._core.plan import Plan, Step
from .._core.server import Server
from .._core.warning import WarningText
from .._ml.model import OUR_METADATA, Model
from .aims import aim_of, differences
from .compare import is_verified
from .packages import config_of_package, refuse_early_server
from .records import Desired, Situation, StoredModel
from .rules import refuse_creation, refuse_removal, unread_licence
from .steps import create_step, removal_steps, upload_step
from .users import users_warnings


def decide(desired: Desired, current: Situation, server: Server) -> Plan[StoredModel]:
    """Return the plan that brings a model into its desired state.

    :raises Refusal: the task may not do that, or Elasticsearch would refuse it.
    """
    if desired.state == "present":
        refuse_early_server(desired, server)
    aim = aim_of(desired, current)
    if aim == "delete":
        return _delete(desired, current, server)
    if aim == "none":
        warnings = (
            *_unverified(desired, current),
            *_unread_download(desired, current),
            *_alias_stays(desired, current),
        )
        return Plan(current.stored, _awaited(desired, current), warnings=warnings)
    if aim == "resume":
        return _resume(desired, current)
    if aim == "recreate":
        return _recreate(desired, current, server)
    refuse_creation(desired, current)
    after = _after(desired, current)
    return Plan(None, after, aim, _creation(desired, current), _creation_warnings(desired, current))


def _awaited(desired: Desired, current: Situation) -> StoredModel | None:
    """Return the model at the end of a task that changes nothing, but waits for a download."""
    stored = current.stored
    return _completed(stored) if stored and stored.is_packaged and desired.wait.wait else stored


def _delete(desired: Desired, current: Situation, server: Server) -> Plan[StoredModel]:
    refuse_removal(desired, current, server)
    steps = removal_steps(desired, current, server)
    return Plan(current.stored, None, "delete", steps, users_warnings(desired, current))


def _recreate(desired: Desired, current: Situation, server: Server) -> Plan[StoredModel]:
    if desired.replace == "never":
        raise _not_replaced(desired, current)
    refuse_removal(desired, current, server)
    refuse_creation(desired, current)
    steps = (*removal_steps(desired, current, server), *_creation(desired, current))
    warnings = (*users_warnings(desired, current), *_creation_warnings(desired, current))
    return Plan(current.stored, _after(desired, current), "recreate", steps, warnings)


def _resume(desired: Desired, current: Situation) -> Plan[StoredModel]:
    refuse_creation(desired, current)
    stored, upload = t.cast("StoredModel", current.stored), t.cast("t.Any", current.upload)
    steps = (upload_step(desired, upload),)
    return Plan(stored, _completed(stored), "resume", steps, unread_licence(desired, current))


def _creation(desired: Desired, current: Situation) -> tuple[Step, ...]:
    if current.upload is None:
        return (Step("download", {"model_id": desired.model_id}),)
    return (create_step(desired, current.upload), upload_step(desired, current.upload))


def _after(desired: Desired, current: Situation) -> StoredModel:
    """Return the model as it would be, as far as that is known before."""
    upload = current.upload
    if upload is None:
        config = config_of_package(desired.model_id)
        # Without a wait it is not known whether a later task finds the model complete.
        return StoredModel(Model.from_api({**config, "fully_defined": desired.wait.wait or None}), config, True)
    metadata = {**(upload.config.get("metadata") or {}), OUR_METADATA: upload.metadata}
    config = {
        "model_id": desired.model_id,
        "model_size_bytes": upload.definition_bytes,
        **upload.config,
        "model_type": "pytorch",
        "metadata": metadata,
    }
    return StoredModel(Model.from_api({**config, "fully_defined": True}), config, True)


def _completed(stored: StoredModel) -> StoredModel:
    return dataclasses.replace(stored, model=dataclasses.replace(stored.model, fully_defined=True), is_complete=True)


def _not_replaced(desired: Desired, current: Situation) -> Refusal:
    """Return why a model that is there cannot become what the task asks for."""
    found = differences(current)
    if found:
        return Refusal(
            "model_differs",
            f"Model '{desired.model_id}' is there and differs, and Elasticsearch cannot change a model",
            found,
            hint=f"Use another model_id, or {_REPLACE}.",
        )
    if desired.files is None:
        return Refusal(
            "download_failed",
            f"The download of model '{desired.model_id}' has failed: its definition is not complete, and nothing "
            f"downloads it{_as_notified(current)}",
            hint=f"To download it again, {_REPLACE}.",
        )
    return Refusal(
        "model_incomplete",
        f"Model '{desired.model_id}' is not complete, and no task of this collection has begun it: which parts it has, "
        "and of which file, is not known",
        hint=f"Finish the upload with what began it, or {_REPLACE}.",
    )


_REPLACE = "set replace to recreate"


def _as_notified(current: Situation) -> str:
    return f". Elasticsearch says: {current.notification}" if current.notification else ""


# --- warnings ---


def _creation_warnings(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    return (*unread_licence(desired, current), *_unknown_variant(desired), *_unseen_mirror(desired, current))


def _unknown_variant(desired: Desired) -> tuple[WarningText, ...]:
    if desired.is_variant_known:
        return ()
    text = (
        f"Which variant the ML nodes can run is not known: there are none, or the user may not read them (that needs "
        f"the cluster privilege monitor). The task takes '{desired.model_id}', which all nodes can run."
    )
    return (WarningText(text),)


def _unseen_mirror(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return a warning if the task was to look into the repository of packages, and cannot."""
    if current.mirror == "fine":
        return ()
    if current.mirror == "files":
        text = (
            f"Whether model '{desired.model_id}' is in the repository was not checked: it is a folder on the nodes. "
            "Each master-eligible node needs the files."
        )
        return (WarningText(text),)
    text = (
        f"Whether model '{desired.model_id}' is in the repository was not checked: which one the cluster has cannot be "
        "read (that needs the cluster privilege monitor)."
    )
    return (WarningText(text),)


def _unverified(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return a warning if a definition could be compared by its size only."""
    if current.upload is None or current.stored is None or is_verified(current.stored):
        return ()
    text = (
        f"Model '{desired.model_id}' was not uploaded by this collection: its configuration and the size of its "
        "definition are as desired, and the contents of the definition are not known."
    )
    return (WarningText(text),)


def _unread_download(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return a warning if it is not known whether Elasticsearch still downloads a model that is not complete."""
    if current.shows_downloads or current.begun:
        return ()
    text = (
        f"Model '{desired.model_id}' is not complete, and whether Elasticsearch still downloads it cannot be read "
        "(that needs the cluster privilege monitor)."
    )
    return (WarningText(text),)


def _alias_stays(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return a warning if the task would delete a model, and names an alias of it."""
    if desired.state == "present" or current.alias_of is None:
        return ()
    resource_id = current.alias_of
    text = f"'{desired.model_id}' is an alias of model '{resource_id}', which stays. Name the model to delete it."
    return (WarningText(text),)


def not_changeable(current: Situation | None) -> list[dict[str, t.Any]]:
    """Return the result key ``differences``: what no API can change, also where the task replaces the model."""
    found: t.Sequence[Difference] = differences(current) if current else ()
    return [each._asdict() for each in found]
