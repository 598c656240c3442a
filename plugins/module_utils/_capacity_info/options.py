# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module that reads the room on the nodes."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.spec import Spec
from .._core.sizes import parse_size
from .._deployment.options import fleet
from .._ml.model import require_one_id
from .._ml.settings import SETTINGS

Params = t.Mapping[str, t.Any]
_NAMES = ("model_id", "model_bytes")

CAPACITY = Spec(
    {
        "fit": {
            "type": "list",
            "elements": "dict",
            "options": {
                "model_id": {"type": "str"},
                "model_bytes": {"type": "str"},
                **{
                    name: {**SETTINGS[name].option, "default": SETTINGS[name].default}
                    for name in ("threads_per_allocation", "priority")
                },
            },
            "required_one_of": [list(_NAMES)],
            "mutually_exclusive": [list(_NAMES)],
        },
        "deployments": {**fleet.DEPLOYMENTS.argument_spec["deployments"], "required": False},
    },
    ids=fleet.DEPLOYMENTS.ids,
    never_empty=fleet.DEPLOYMENTS.never_empty,
)

SPEC = CONNECTION.merge(CAPACITY)


@dataclasses.dataclass(frozen=True)
class FitRequest:
    """A question: how many allocations of a model have room. ``model_id`` ``None``: a model that is not there yet."""

    model_id: str | None
    model_bytes: int | None
    threads_per_allocation: int
    priority: str


def fit_requests(params: Params) -> list[FitRequest]:
    """Return the questions that validated options ask.

    :raises Refusal: a value is wrong.
    """
    return [_fit_request(item, f"fit[{index}].") for index, item in enumerate(params["fit"] or ())]


def _fit_request(item: Params, within: str) -> FitRequest:
    require_one_id(f"{within}model_id", item["model_id"])
    given = item["model_bytes"]
    size = None if given is None else int(given) if given.isdecimal() else parse_size(given)
    if given is not None and (size is None or size <= 0):
        raise Refusal(
            "invalid_value",
            f"{within}model_bytes '{given}' is not the size of a model",
            hint="Give a number of bytes, or a size such as 418mb.",
        )
    return FitRequest(item["model_id"], size, item["threads_per_allocation"], item["priority"])


def list_params(params: Params) -> Params:
    """Return the options of a dry run of the list that is to be judged: it refuses nothing for lack of room."""
    defaults = {name: option.get("default") for name, option in fleet.SPEC.argument_spec.items()}
    items = [{**item, "preflight": "warn"} for item in params["deployments"]]
    return {**defaults, **params, "deployments": items, "preflight": "warn", "fact_name": ""}
