# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a field that uses an inference endpoint."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.spec import Spec
from .records import Desired

SPEC = CONNECTION.merge(
    Spec(
        {
            "index": {"type": "str", "required": True},
            "field": {"type": "str", "required": True},
            "inference_id": {"type": "str", "required": True},
            "create": {"type": "bool", "default": False},
        },
        ids=("index", "field", "inference_id"),
    )
)

_INDEX = re.compile(r"""[^\\/*?"<>| ,#:A-Z_+-][^\\/*?"<>| ,#:A-Z]*""")
"""What Elasticsearch takes as the name of one index, or of an alias."""
_FIELD = re.compile(r"[^.\s]+(\.[^.\s]+)*")
_ENDPOINT = re.compile(r"[a-z0-9_.-]+")
"""What Elasticsearch takes as the id of an inference endpoint, those of its own included. A mapping takes anything."""


def desired(params: t.Mapping[str, t.Any]) -> Desired:
    """Return what validated options ask for.

    :raises Refusal: a name is missing, or is none.
    """
    inference_id = params["inference_id"]
    for name in ("index", "field", "inference_id"):
        if not params[name]:
            raise Refusal("incomplete_options", f"{name} has no value", hint="A variable may be empty.")
    index, field = params["index"], params["field"]
    if index in (".", "..") or not _INDEX.fullmatch(index):
        hint = "It takes no patterns, no list and no uppercase letters, and does not begin with '_', '-' or '+'."
        raise Refusal("invalid_value", f"index '{index}' is not the name of an index", hint=hint)
    if not _FIELD.fullmatch(field):
        hint = "It takes a name, or names with dots between them for a field within objects."
        raise Refusal("invalid_value", f"field '{field}' is not the name of a field", hint=hint)
    if not _ENDPOINT.fullmatch(inference_id):
        hint = "It takes lowercase letters, digits, '-', '_' and '.', and no pattern and no list."
        raise Refusal("invalid_value", f"inference_id '{inference_id}' is not the id of an endpoint", hint=hint)
    return Desired(index, field, inference_id, params["create"])
