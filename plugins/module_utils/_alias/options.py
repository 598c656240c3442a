# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a model alias."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.facts import facts
from .._core.options.spec import Spec
from .._ml.model import require_one_id
from .._ml.predictions import PREDICTIONS
from .records import Desired

ALIAS = Spec(
    {
        "model_alias": {"type": "str", "required": True},
        "model_id": {"type": "str"},
        "reassign": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
    required_if=(("state", "present", ("model_id",)),),
    ids=("model_alias", "model_id"),
)

SPEC = CONNECTION.merge(ALIAS).merge(facts("elasticsearch_ml_aliases")).merge(PREDICTIONS)

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z])?")
"""What Elasticsearch takes (server-behaviour.md 10)."""


def desired(params: t.Mapping[str, t.Any]) -> Desired:
    """Return what validated options ask for.

    :raises Refusal: no version of Elasticsearch accepts it.
    """
    alias, model_id = str(params["model_alias"] or ""), params["model_id"] or None
    if not _NAME.fullmatch(alias):
        raise Refusal(
            "invalid_value",
            f"model_alias '{alias}' is not a name for an alias",
            hint="It takes lowercase letters, digits, '-', '_' and '.'. It begins with a letter or a digit, and ends "
            "with a letter.",
        )
    if model_id is None and params["state"] == "present":
        raise Refusal("incomplete_options", "model_alias is given without model_id", hint="A variable may be empty.")
    require_one_id("model_id", model_id)
    if alias == model_id:
        raise Refusal(
            "invalid_value", f"model_alias and model_id are both '{alias}'", hint="An alias needs a name of its own."
        )
    return Desired(alias, model_id, params["reassign"], params["state"])
