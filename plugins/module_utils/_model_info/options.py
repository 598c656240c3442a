# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module that reads models."""

from __future__ import annotations

from .._core.options.connection import CONNECTION
from .._core.options.spec import Spec

GATHER = ("definition", "references", "config")

MODEL_INFO = Spec(
    {
        "model_id": {"type": "list", "elements": "str", "default": ["*"]},
        "tags": {"type": "list", "elements": "str", "default": []},
        "gather": {
            "type": "list",
            "elements": "str",
            "choices": list(GATHER),
            "default": ["definition", "references"],
        },
    },
    ids=("model_id",),
)

SPEC = CONNECTION.merge(MODEL_INFO)
