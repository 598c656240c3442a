# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schemas of the answers about consumers."""

from __future__ import annotations

import typing as t

from .._core.http.schema import ANY, Schema, SchemaError, boolean, map_of, max_depth, object_with


def _each_of(what: str, deepest: int) -> Schema:
    """Return the schema of an object of objects, none of which is nested too deeply."""

    def check(value: t.Any) -> None:
        map_of(ANY)(value)
        try:
            max_depth(value, deepest)
        except SchemaError as exc:
            raise exc.within(what) from None

    return check


PIPELINES = _each_of("an ingest pipeline", 50)
MAPPINGS = _each_of("a mapping", 200)
INDEX_RIGHTS = object_with(index=map_of(object_with(view_index_metadata=boolean)))
