# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schemas of the answers that tell who uses a deployment."""

from __future__ import annotations

import typing as t

from .._core.http.schema import ANY, Misshapen, Shape, record, rows, shallow, table, text, whole
from .._ml.schemas import ADAPTIVE

_OF_ENDPOINT = record(
    "task_type",
    inference_id=text,
    model_id=text,
    task_type=text,
    service=text,
    service_settings=record(
        deployment_id=text,
        model_id=text,
        num_allocations=whole,
        num_threads=whole,
        adaptive_allocations=ADAPTIVE,
    ),
)


def _endpoint(value: t.Any) -> None:
    _OF_ENDPOINT(value)
    if not (value.get("inference_id") or value.get("model_id")):
        raise Misshapen("is missing", "inference_id")


ENDPOINTS = record(endpoints=rows(_endpoint), models=rows(_endpoint))


def _pipelines(value: t.Any) -> None:
    table(ANY)(value)
    try:
        shallow(value)
    except Misshapen as exc:
        raise exc.within("an ingest pipeline") from None


PIPELINES: Shape = _pipelines
