# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of model aliases, with the rules by which Elasticsearch itself refuses one. Pure."""

from __future__ import annotations

import typing as t

from .._core.errors import CODES, Refusal
from .._core.obstacles import OBSTACLES, licence_warning
from .._core.plan import Plan, Step
from .._core.server import Server
from .._core.warning import WarningText
from .._core.words import joined
from .._ml.existing import models_that_exist
from .._ml.model import Model
from .records import Alias, Desired, Situation


def decide(desired: Desired, current: Situation, server: Server) -> Plan[Alias]:
    """Return the plan that brings an alias into its desired state.

    :raises Refusal: Elasticsearch would refuse it.
    """
    return _delete(desired, current) if desired.state == "absent" else _set(desired, current)


def _set(desired: Desired, current: Situation) -> Plan[Alias]:
    before, after = current.refers_to, Alias(desired.model_alias, str(desired.model_id))
    if before == after:
        return Plan(before, after)
    for rule in RULES:
        rule(desired, current)
    return Plan(
        before,
        after,
        "reassign" if before else "set",
        (Step("set", {**after._asdict(), "reassign": desired.reassign}),),
        (
            *licence_warning("model alias", desired.model_alias, current.licensed),
            *_other_inputs(desired, current),
        ),
    )


def _delete(desired: Desired, current: Situation) -> Plan[Alias]:
    before = current.refers_to
    if before is None:
        return Plan(None, None)
    if desired.model_id not in (None, before.model_id):
        raise Refusal(
            "alias_refers_elsewhere",
            f"Model alias '{before.model_alias}' refers to model '{before.model_id}', and not to '{desired.model_id}'",
            hint="Leave model_id out to delete the alias whatever it refers to.",
        )
    _refuse_in_upgrade_mode(desired, current)
    if current.in_the_way:
        raise Refusal(
            "alias_in_use",
            f"Model alias '{before.model_alias}' is used by {_named(current.in_the_way)}, and Elasticsearch deletes "
            "no alias that one uses",
            hint="Take it out of use first.",
        )
    return Plan(before, None, "delete", (Step("delete", before._asdict()),), _pipelines(desired, current))


# --- the rules of a set, in the order in which Elasticsearch looks at them (around-deployments.md 3) ---


def _refuse_in_upgrade_mode(desired: Desired, current: Situation) -> None:
    """Refuse any change in the upgrade mode, which Elasticsearch asks about before everything else."""
    if current.upgrade_mode:
        raise _obstacle(desired, "upgrade_mode")


def _refuse_unasked_move(desired: Desired, current: Situation) -> None:
    if current.refers_to and not desired.reassign:
        raise Refusal(
            "alias_refers_elsewhere",
            f"Model alias '{desired.model_alias}' refers to model '{current.refers_to.model_id}', and the task would "
            f"move it to '{desired.model_id}'",
            hint="Set reassign to true to move it.",
        )


def _refuse_name_of_model(desired: Desired, current: Situation) -> None:
    if desired.model_alias in current.models:
        raise Refusal(
            "alias_names_model",
            f"'{desired.model_alias}' is the id of a trained model, and no alias can have it",
            hint="Choose another model_alias.",
        )


def _refuse_missing_model(desired: Desired, current: Situation) -> None:
    if desired.model_id not in current.models:
        behind = current.aliases.get(str(desired.model_id))
        there = models_that_exist(str(desired.model_id), sorted(current.models))
        hint = f"Check model_id, or create the model first. {there}"
        raise Refusal(
            "model_missing",
            f"Cannot set model alias '{desired.model_alias}': the cluster has no trained model '{desired.model_id}'",
            hint=f"That is an alias of model '{behind}': name the model itself." if behind else hint,
        )


def _refuse_unlicensed(desired: Desired, current: Situation) -> None:
    if needs_licence(current.models[str(desired.model_id)]) and current.licensed is False:
        raise _obstacle(desired, "licence")


def _refuse_other_task(desired: Desired, current: Situation) -> None:
    old, new = _old_and_new(desired, current)
    if old and None not in (old.task, new.task) and old.task != new.task:
        why = f"its inference task is {new.task}, and that of '{old.model_id}' is {old.task}"
        raise Refusal("model_kind_differs", _cannot_move(desired, old, why), hint=_ANOTHER)


def _refuse_other_type(desired: Desired, current: Situation) -> None:
    old, new = _old_and_new(desired, current)
    if old and old.model_type != new.model_type:
        why = f"its type is {new.model_type}, and that of '{old.model_id}' is {old.model_type}"
        raise Refusal("model_kind_differs", _cannot_move(desired, old, why), hint=_ANOTHER)


def _refuse_undeployed(desired: Desired, current: Situation) -> None:
    old, new = _old_and_new(desired, current)
    if not old or new.model_type != _PYTORCH or current.deployments_of(new.model_id):
        return
    if current.deployments_of(old.model_id):
        why = f"it is not deployed, and '{old.model_id}' is"
        hint = f"Start a deployment of '{new.model_id}' first."
        raise Refusal("model_not_deployed", _cannot_move(desired, old, why), hint=hint)


def _refuse_unallocated(desired: Desired, current: Situation) -> None:
    old, new = _old_and_new(desired, current)
    if not old or new.model_type != _PYTORCH:
        return
    serves = any(found.allocated for found in current.deployments_of(old.model_id).values())
    waiting = [f"'{name}'" for name, found in current.deployments_of(new.model_id).items() if not found.allocated]
    if serves and waiting:
        many = "deployments" if len(waiting) > 1 else "deployment"
        why = f"no node runs its {many} {joined(sorted(waiting))} yet, and '{old.model_id}' is running"
        hint = "Wait until they are started, or stop those that are not needed, and run the task again."
        raise Refusal("model_not_allocated", _cannot_move(desired, old, why), hint=hint)


RULES: t.Sequence[t.Callable[[Desired, Situation], None]] = (
    _refuse_in_upgrade_mode,
    _refuse_unasked_move,
    _refuse_name_of_model,
    _refuse_missing_model,
    _refuse_unlicensed,
    _refuse_other_task,
    _refuse_other_type,
    _refuse_undeployed,
    _refuse_unallocated,
)
_PYTORCH = "pytorch"
_ANOTHER = "Give the model an alias of its own."


def needs_licence(model: Model) -> bool:
    """Return whether the licence must include machine learning for an alias of *model*."""
    return model.license_level != "basic"


def _old_and_new(desired: Desired, current: Situation) -> tuple[Model | None, Model]:
    """Return the model that the alias leaves, if it is still there, and the one to which it goes."""
    old = current.models.get(current.refers_to.model_id) if current.refers_to else None
    return old, current.models[str(desired.model_id)]


def _cannot_move(desired: Desired, old: Model, why: str) -> str:
    alias, new = desired.model_alias, desired.model_id
    return f"Model alias '{alias}' cannot move from model '{old.model_id}' to '{new}': {why}"


def _obstacle(desired: Desired, name: t.Literal["upgrade_mode", "licence"]) -> Refusal:
    obstacle = OBSTACLES[name]
    text = f"Model alias '{desired.model_alias}' cannot be changed now: {obstacle.what}"
    return Refusal(CODES[name], text, hint=obstacle.hint)


# --- warnings ---


def _other_inputs(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return a warning if most input fields differ: Elasticsearch moves the alias, and results may change."""
    old, new = _old_and_new(desired, current)
    if old is None:
        return ()
    half, kept = len(old.field_names) // 2, old.field_names & new.field_names
    if len(old.field_names - new.field_names) <= half and len(kept) >= half:
        return ()
    text = f"The input fields of models '{old.model_id}' and '{new.model_id}' differ: documents may give other results."
    return (WarningText(text),)


def _named(pipelines: t.Sequence[str]) -> str:
    many = "pipelines" if len(pipelines) > 1 else "pipeline"
    named = joined([f"'{name}'" for name in pipelines])
    return f"ingest {many} {named}"


def _pipelines(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return a warning about pipelines that were not read, or that Elasticsearch does not take into account."""
    if current.pipelines:
        text = (
            f"Model alias '{desired.model_alias}' is used by {_named(current.pipelines)}, in places where "
            "Elasticsearch does not look before it deletes an alias, such as on_failure. Inference there will fail."
        )
        return (WarningText(text),)
    if current.pipelines is not None:
        return ()
    text = (
        f"Whether ingest pipelines use model alias '{desired.model_alias}' is left to Elasticsearch: the user may not "
        "read them (that needs the cluster privilege read_pipeline)."
    )
    return (WarningText(text),)
