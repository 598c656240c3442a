# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ids that exist, for messages about those that do not. Pure."""

from __future__ import annotations

import difflib
import typing as t

from .._core.warning import WarningText
from .._core.words import first_of
from .model import id_of_import

_OF_PATTERNS = frozenset("*?[")


def ids_among(given: t.Iterable[str]) -> list[str]:
    """Return those of the *given* texts that are ids, and no patterns."""
    return [name for name in given if not _OF_PATTERNS & set(name)]


def absent_warning(
    given: t.Sequence[str], deployment_ids: t.Sequence[str], model_ids: t.Sequence[str]
) -> tuple[WarningText, ...]:
    """Return the warning that no deployments have the ids *given*; none if all of them exist."""
    absent = [name for name in dict.fromkeys(given) if name not in deployment_ids]
    if len(absent) == 1:
        [deployment_id] = absent
        existing = deployments_that_exist(deployment_id, deployment_ids, model_ids)
        return (WarningText(f"Deployment '{deployment_id}' does not exist. {existing}"),)
    meant = dict.fromkeys(filter(None, (_similar(name, deployment_ids) for name in absent)))
    existing = _listed("deployment", deployment_ids, _named(list(meant)))
    return (WarningText(f"Deployments {_named(absent)} do not exist. {existing}"),) if absent else ()


def absent_models_warning(given: t.Sequence[str], models: t.Mapping[str, t.Collection[str]]) -> tuple[WarningText, ...]:
    """Return the warning that no models have the ids or aliases *given*; none if all of them exist.

    *models*: id to aliases.
    """
    names = {name: model_id for model_id, aliases in models.items() for name in (model_id, *aliases)}
    absent = [name for name in dict.fromkeys(given) if name not in names]
    meant = dict.fromkeys(filter(None, (_similar(name, list(names)) for name in absent)))
    existing = _listed("model", sorted(models), _named(list(meant)))
    if len(absent) == 1:
        return (WarningText(f"Model {_named(absent)} does not exist. {existing}"),)
    return (WarningText(f"Models {_named(absent)} do not exist. {existing}"),) if absent else ()


def absent_endpoints_warning(given: t.Sequence[str], endpoint_ids: t.Sequence[str]) -> tuple[WarningText, ...]:
    """Return the warning that no inference endpoints have the ids *given*; none if all of them exist."""
    absent = [name for name in dict.fromkeys(given) if name not in endpoint_ids]
    meant = dict.fromkeys(filter(None, (_similar(name, endpoint_ids) for name in absent)))
    existing = _listed("inference endpoint", endpoint_ids, _named(list(meant)))
    if len(absent) == 1:
        return (WarningText(f"Inference endpoint {_named(absent)} does not exist. {existing}"),)
    return (WarningText(f"Inference endpoints {_named(absent)} do not exist. {existing}"),) if absent else ()


def deployments_that_exist(given: str, deployment_ids: t.Sequence[str], model_ids: t.Sequence[str]) -> str:
    """Return what to say if no deployment has the id *given*."""
    similar = _similar(given, deployment_ids)
    model = None if similar else _similar(given, model_ids)
    return _listed("deployment", deployment_ids, f"'{similar}'" if similar else model and f"the model '{model}'")


def models_that_exist(given: str, model_ids: t.Sequence[str]) -> str:
    """Return what to say if no model has the id *given*."""
    similar = _similar(given, model_ids)
    return _listed("model", model_ids, similar and f"'{similar}'")


def _listed(kind: str, ids: t.Sequence[str], meant: str | None) -> str:
    if len(ids) > 1:
        there = f"The {kind}s are {_named(ids)}."
    else:
        there = f"The only {kind} is {_named(ids)}." if ids else f"There are no {kind}s."
    return there + (f" Did you mean {meant}?" if meant else "")


def _named(ids: t.Sequence[str]) -> str:
    return first_of([f"'{name}'" for name in ids])


def _similar(given: str, ids: t.Sequence[str]) -> str | None:
    """Return the id that is most like *given*, or like what eland makes of it; ``None`` if none is."""
    by_form = {name.lower(): name for name in ids}
    for form in (given.lower(), id_of_import(given)):
        found = difflib.get_close_matches(form, by_form, n=1)
        if found:
            return by_form[found[0]]
    return None
