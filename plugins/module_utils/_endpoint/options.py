# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of an inference endpoint."""

from __future__ import annotations

import typing as t

from .._core.durations import seconds
from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.facts import facts
from .._core.options.secrets import secrets
from .._core.options.spec import Spec
from .._core.run.long_work import WaitPolicy
from .._core.words import joined
from .._ml.model import require_one_id
from .._ml.predictions import PREDICTIONS
from .records import Desired
from .values import checked_secrets, cleaned, refuse_misplaced_secrets

ENDPOINT = Spec(
    {
        "inference_id": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "task_type": {"type": "str"},
        "service": {"type": "str"},
        "service_settings": {"type": "dict"},
        "task_settings": {"type": "dict"},
        "chunking_settings": {"type": "dict"},
        "secrets": {"type": "dict", "no_log": True},
        "secrets_version": {"type": "str", "no_log": False},
        "secrets_state_file": {"type": "path", "no_log": False},
        "replace": {"type": "str", "choices": ["never", "recreate"], "default": "never"},
        "on_referenced": {"type": "str", "choices": ["fail", "force"], "default": "fail"},
        "force": {"type": "bool", "default": False},
        "on_adaptive": {"type": "str", "choices": ["fail", "skip", "override"], "default": "fail"},
        "wait": {"type": "bool", "default": True},
        "wait_for": {
            "type": "str",
            "choices": ["started", "fully_allocated", "answering"],
            "default": "fully_allocated",
        },
        "allow_zero": {"type": "bool", "default": False},
        "wait_timeout": {"type": "raw", "default": 600},
        "wait_sleep": {"type": "raw", "default": 2},
    },
    ids=("inference_id",),
)

SPEC = CONNECTION.merge(ENDPOINT).merge(facts("elasticsearch_ml_endpoints")).merge(PREDICTIONS)

_SETTINGS = ("service_settings", "task_settings", "chunking_settings")
Params = t.Mapping[str, t.Any]


def desired(params: Params) -> Desired:
    """Return what validated options ask for.

    :raises Refusal: no version of Elasticsearch accepts it, or options contradict each other.
    """
    inference_id = str(params["inference_id"] or "")
    if not inference_id:
        raise Refusal("invalid_value", "inference_id has no value", hint="Give the id of an endpoint.")
    require_one_id("inference_id", inference_id, "inference endpoint")
    refuse_shown_secrets(params)
    present = params["state"] == "present"
    settings = {name: cleaned(params[name] or {}) for name in _SETTINGS}
    found = Desired(
        inference_id,
        params["state"],
        (params["task_type"] or "").strip().lower() or None,
        (params["service"] or "").strip() or None,
        **settings,
        secrets=checked_secrets(params["secrets"]),
        secrets_version=params["secrets_version"] or None,
        secrets_state_file=params["secrets_state_file"] or None,
        replace=params["replace"],
        may_break=params["on_referenced"] == "force" if present else params["force"],
        on_adaptive=params["on_adaptive"],
        wait=WaitPolicy(
            params["wait"] and present,
            seconds("wait_timeout", params["wait_timeout"], zero=True),
            seconds("wait_sleep", params["wait_sleep"]),
        ),
        wait_for=params["wait_for"],
        allow_zero=params["allow_zero"],
    )
    if present:
        _refuse_half_version(found)
        _refuse_two_places(found)
    return found


def refuse_shown_secrets(params: Params) -> None:
    """Refuse secrets in options that are shown, before anything else is done with them.

    :raises Refusal: there are some; the message has their names alone.
    """
    for name in _SETTINGS:
        refuse_misplaced_secrets(name, params.get(name))
    given = checked_secrets(params.get("secrets"))
    version = str(params.get("secrets_version") or "")
    if given and any(text in version for text in secrets({"secrets": given})):
        raise Refusal(
            "misplaced_secret",
            "secrets_version has one of the secrets in it",
            hint="Choose any other text that changes when they do: it is shown, and kept in secrets_state_file.",
        )


def _refuse_half_version(desired: Desired) -> None:
    """Refuse a version of secrets without the file that keeps it, the file without a version, both without secrets."""
    given = {
        "secrets_version": desired.secrets_version,
        "secrets_state_file": desired.secrets_state_file,
        "secrets": desired.secrets,
    }
    has = [name for name, value in given.items() if value]
    missing = [name for name, value in given.items() if not value]
    if missing and has not in ([], ["secrets"]):
        raise Refusal(
            "incomplete_options",
            f"{joined(has)} {'are' if len(has) > 1 else 'is'} given without {joined(missing)}",
            hint="Secrets are sent again if their version differs from the one in the file. A variable may be empty.",
        )


def _refuse_two_places(desired: Desired) -> None:
    both = sorted(desired.secrets.keys() & desired.service_settings.keys())
    both = [name for name in both if not isinstance(desired.secrets[name], dict)]
    if both:
        raise Refusal(
            "conflicting_options",
            f"{joined(both)} {'are' if len(both) > 1 else 'is'} given in service_settings and in secrets",
            hint="Give each setting once.",
        )
