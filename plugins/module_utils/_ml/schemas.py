# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schemas of answers that several resources read."""

from __future__ import annotations

import typing as t

from .._core.http.schema import (
    ANY,
    Schema,
    SchemaError,
    boolean,
    epoch_millis,
    integer,
    list_of,
    map_of,
    max_depth,
    object_with,
    text,
)
from .endpoint import IN_CLUSTER
from .model import MEMORY_FIGURES
from .settings import SCHEMAS

ADAPTIVE = object_with(enabled=boolean, min_number_of_allocations=integer, max_number_of_allocations=integer)

MODELS = object_with(
    count=integer,
    trained_model_configs=list_of(
        object_with(
            "model_id",
            model_id=text,
            model_type=text,
            fully_defined=boolean,
            license_level=text,
            inference_config=object_with(),
            input=object_with(field_names=list_of(text)),
            metadata=object_with(model_aliases=list_of(text)),
        )
    ),
)


def deployment_stats(node: t.Mapping[str, Schema], **more: Schema) -> Schema:
    """Return the schema of a deployment in ``_stats``. *node*, *more*: what is read beside what each read takes."""
    status = {"allocation_count": integer, "target_allocation_count": integer, "state": text}
    on_node = object_with(
        node=map_of(object_with(name=text)),
        routing_state=object_with(routing_state=text, reason=text),
        number_of_allocations=integer,
        **node,
    )
    return object_with(
        deployment_id=text,
        model_id=text,
        **SCHEMAS,
        adaptive_allocations=ADAPTIVE,
        state=text,
        reason=text,
        start_time=epoch_millis,
        allocation_status=object_with(*status, **status),
        nodes=list_of(on_node),
        **more,
    )


_ROUTE = object_with(routing_state=text, reason=text, current_allocations=integer, target_allocations=integer)
_TASK_PARAMETERS: dict[str, Schema] = {
    "deployment_id": text,
    "model_id": text,
    **SCHEMAS,
    **dict.fromkeys(("model_bytes", *MEMORY_FIGURES), integer),
}
ASSIGNMENT = object_with(
    "task_parameters",
    task_parameters=object_with("model_id", **_TASK_PARAMETERS),
    routing_table=map_of(_ROUTE),
    max_assigned_allocations=integer,
    adaptive_allocations=ADAPTIVE,
    assignment_state=text,
    allocation_state=text,
    reason=text,
    start_time=text,
)
ASSIGNMENTS = map_of(ASSIGNMENT)

_ENDPOINT = object_with(
    "task_type",
    inference_id=text,
    model_id=text,
    task_type=text,
    service=text,
    service_settings=ANY,
    task_settings=ANY,
    chunking_settings=ANY,
)
_SETTINGS_IN_CLUSTER = object_with(
    service_settings=object_with(
        deployment_id=text,
        model_id=text,
        num_allocations=integer,
        num_threads=integer,
        adaptive_allocations=ADAPTIVE,
    )
)


def _endpoint(value: t.Any) -> None:
    _ENDPOINT(value)
    if not (value.get("inference_id") or value.get("model_id")):
        raise SchemaError("is missing", "inference_id")
    if value.get("service") in IN_CLUSTER:
        _SETTINGS_IN_CLUSTER(value)
    max_depth(value)


ENDPOINTS = object_with(endpoints=list_of(_endpoint), models=list_of(_endpoint))
