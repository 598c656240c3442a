# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module that reads inference endpoints."""

from __future__ import annotations

from .._core.options.connection import CONNECTION
from .._core.options.spec import Spec

ENDPOINT_INFO = Spec(
    {
        "inference_id": {"type": "list", "elements": "str", "default": ["*"]},
        "task_type": {"type": "list", "elements": "str", "default": []},
        "service": {"type": "list", "elements": "str", "default": []},
        "gather": {
            "type": "list",
            "elements": "str",
            "choices": ["deployment", "users"],
            "default": ["deployment"],
        },
    },
    ids=("inference_id",),
)

SPEC = CONNECTION.merge(ENDPOINT_INFO)
