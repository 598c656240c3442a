# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schemas of what several resources read."""

from __future__ import annotations

from .._core.http.schema import flag, record, rows, text, whole

ADAPTIVE = record(enabled=flag, min_number_of_allocations=whole, max_number_of_allocations=whole)

MODELS = record(
    count=whole,
    trained_model_configs=rows(
        record(
            "model_id",
            model_id=text,
            model_type=text,
            fully_defined=flag,
            metadata=record(model_aliases=rows(text)),
        )
    ),
)
