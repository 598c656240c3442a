# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape of each answer, as far as anything is read out of it."""

from __future__ import annotations

from ..._core.http.schema import Shape, moment, number, record, rows, table, text, whole
from ..._ml.schemas import ADAPTIVE

SERVER = record(version=record(number=text, build_flavor=text), cluster_name=text, cluster_uuid=text)
INFO = record(native_code=record(version=text))
RIGHTS = record(username=text, cluster=record())

_STATE = record(routing_state=text, reason=text)
_COUNTERS = dict.fromkeys(
    (
        "number_of_allocations",
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
    whole,
)
_NODE = record(
    node=table(record(name=text)),
    routing_state=_STATE,
    start_time=moment,
    last_access=moment,
    average_inference_time_ms=number,
    average_inference_time_ms_last_minute=number,
    **_COUNTERS,
)
_SETTINGS: dict[str, Shape] = {
    "deployment_id": text,
    "model_id": text,
    "number_of_allocations": whole,
    "model_threads": whole,
    "threads_per_allocation": whole,
    "inference_threads": whole,
    "priority": text,
    "queue_capacity": whole,
    "cache_size": text,
}
_DEPLOYMENT = record(
    **_SETTINGS,
    adaptive_allocations=ADAPTIVE,
    state=text,
    reason=text,
    start_time=moment,
    allocation_status=record(
        "allocation_count",
        "target_allocation_count",
        "state",
        allocation_count=whole,
        target_allocation_count=whole,
        state=text,
    ),
    nodes=rows(_NODE),
    peak_throughput_per_minute=whole,
    error_count=whole,
    rejected_execution_count=whole,
    timeout_count=whole,
)
_ROW = record("model_id", model_id=text, model_size_stats=record(model_size_bytes=whole), deployment_stats=_DEPLOYMENT)
STATS = record(count=whole, trained_model_stats=rows(_ROW))

_ROUTE = record(routing_state=text, reason=text, current_allocations=whole, target_allocations=whole)
_ASSIGNMENT = record(
    "task_parameters",
    task_parameters=record("model_id", **_SETTINGS, model_bytes=whole),
    routing_table=table(_ROUTE),
    adaptive_allocations=ADAPTIVE,
    assignment_state=text,
    allocation_state=text,
    reason=text,
    start_time=text,
)
_ASSIGNMENTS = table(_ASSIGNMENT)
STATE = record(metadata=record(trained_model_assignment=_ASSIGNMENTS, trained_model_allocation=_ASSIGNMENTS))
WRITTEN = record(assignment=_ASSIGNMENT, allocation=_ASSIGNMENT)

NODES = record(nodes=table(record(attributes=table(text))))
_OF_A_KIND = record(xpack=record(ml=record()))
CLUSTER_SETTINGS = record(transient=_OF_A_KIND, persistent=_OF_A_KIND, defaults=_OF_A_KIND)
