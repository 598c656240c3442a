# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schemas of the answers about deployments, as far as they are read.

Those about the cluster and the user are in ``_core/run/schemas.py``, those about models and consumers in
``_ml/schemas.py`` and ``_consumers/schemas.py``.
"""

from __future__ import annotations

from ..._capacity.cluster_state import ASSIGNMENT_KEYS
from ..._capacity.schemas import byte_size
from ..._core.http.schema import epoch_millis, integer, list_of, map_of, number, object_with, text
from ..._ml.model import MEMORY_FIGURES
from ..._ml.schemas import ASSIGNMENT, ASSIGNMENTS, deployment_stats

_COUNTERS = dict.fromkeys(
    (
        "model_threads",
        "threads_per_allocation",
        "inference_count",
        "inference_cache_hit_count",
        "number_of_pending_requests",
        "throughput_last_minute",
        "peak_throughput_per_minute",
        "error_count",
        "rejected_execution_count",
        "timeout_count",
    ),
    integer,
)
_DEPLOYMENT = deployment_stats(
    {
        "start_time": epoch_millis,
        "last_access": epoch_millis,
        "average_inference_time_ms": number,
        "average_inference_time_ms_last_minute": number,
        "average_inference_process_memory_rss_bytes": byte_size,
        **_COUNTERS,
    },
    **dict.fromkeys(
        ("peak_throughput_per_minute", "error_count", "rejected_execution_count", "timeout_count"), integer
    ),
)
_ROW = object_with(
    "model_id",
    model_id=text,
    model_size_stats=object_with(model_size_bytes=integer, **dict.fromkeys(MEMORY_FIGURES, integer)),
    deployment_stats=_DEPLOYMENT,
)
STATS = object_with(count=integer, trained_model_stats=list_of(_ROW))

ASSIGNED = object_with(metadata=object_with(**dict.fromkeys(ASSIGNMENT_KEYS, ASSIGNMENTS)))
"""The schema of a cluster state without its nodes."""
WRITTEN = object_with(assignment=ASSIGNMENT, allocation=ASSIGNMENT)

NODES = object_with(nodes=map_of(object_with(version=text, roles=list_of(text), os=object_with(arch=text))))
