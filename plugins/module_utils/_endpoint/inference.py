# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One tiny inference through an endpoint, to see that it answers. Pure."""

from __future__ import annotations

import typing as t

from .._core.http.client import Request
from .._core.http.schema import ANY
from .._ml.endpoint import Endpoint
from .._ml.inference import TEXT
from .steps import endpoint_path

ANSWER = ANY
_BODIES: t.Mapping[str, dict[str, t.Any]] = {
    "text_embedding": {"input": [TEXT]},
    "sparse_embedding": {"input": [TEXT]},
    "completion": {"input": [TEXT]},
    "rerank": {"query": TEXT, "input": [TEXT]},
}
"""Task type to the body that it takes. Those of other types are not known, or their answer is a stream of events."""


def to_request(endpoint: Endpoint) -> Request | None:
    """Return the request of an inference; ``None`` for a task that has none of this form."""
    body = _BODIES.get(endpoint.task_type)
    return None if body is None else Request("POST", endpoint_path(endpoint.task_type, endpoint.inference_id), {}, body)
