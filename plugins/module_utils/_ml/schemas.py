# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schemas of answers that several resources read."""

from __future__ import annotations

from .._core.http.schema import boolean, integer, list_of, object_with, text

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
