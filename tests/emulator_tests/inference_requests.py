# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send requests for inference, in short words."""

from __future__ import annotations

from typing import Any

from emulator_tests.api import Answer, Api

Json = dict[str, Any]
ML = "/_ml/trained_models"


def infer(api: Api, name: str = "m", text: Any = "some text", config: Json | None = None, **query: Any) -> Answer:
    """Infer from one text."""
    body: Json = {"docs": [{"input": text}]}
    if config is not None:
        body["inference_config"] = config
    return api.send("POST", f"{ML}/{name}/_infer", body, **query)
