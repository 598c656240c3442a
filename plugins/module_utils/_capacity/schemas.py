# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schemas of the answers about capacity, as far as they are read."""

from __future__ import annotations

import math
import re
import typing as t

from .._core.http.schema import Schema, SchemaError, integer, list_of, map_of, object_with, text
from .._core.sizes import parse_size
from .records import MACHINE_MEMORY, PROCESSORS


def _text_that(fits: t.Callable[[str], t.Any], what: str) -> Schema:
    """Return the schema of a text that *fits*, which a message calls *what*."""

    def check(value: t.Any) -> None:
        text(value)
        if value is not None and not fits(value):
            raise SchemaError(f"is not {what}")

    return check


def _is_amount(value: str) -> bool:
    try:
        return 0 <= float(value) < math.inf
    except ValueError:
        return False


def byte_count(value: t.Any) -> None:
    """Check a number of bytes."""
    integer(value)
    if value is not None and value < 0:
        raise SchemaError("is negative")


def _limit(value: t.Any) -> None:
    """Check the most memory of a node: -1 where Elasticsearch could not tell (server-behaviour.md 5.1)."""
    byte_count(None if value == -1 else value)


def byte_size(value: t.Any) -> None:
    """Check a size, which the specification shows as a number of bytes or as a text."""
    (_size if isinstance(value, str) else byte_count)(value)


def text_or_list(value: t.Any) -> None:
    """Check a setting that takes a list: Elasticsearch shows it as it was set, as a list or as one text."""
    (list_of(text) if isinstance(value, list) else text)(value)


def attributes(value: t.Any) -> None:
    """Check the attributes of a node."""
    _ALL_ATTRIBUTES(value)
    _ML_ATTRIBUTES(value)


_amount = _text_that(_is_amount, "a number in a text")
_whole = _text_that(re.compile(r"[0-9]{1,18}").fullmatch, "a whole number in a text")
_scale = _text_that(re.compile(r"[1-9][0-9]{0,8}").fullmatch, "a whole number above 0 in a text")
_size = _text_that(lambda value: parse_size(value) is not None, "a size")
_ALL_ATTRIBUTES = map_of(text)
_ML_ATTRIBUTES = object_with(**dict.fromkeys(PROCESSORS, _amount), **{MACHINE_MEMORY: _whole})

_BYTES = (
    "max_in_bytes",
    "anomaly_detectors_in_bytes",
    "data_frame_analytics_in_bytes",
    "native_inference_in_bytes",
)
_MEMORY = object_with("ml", ml=object_with(*_BYTES, **{**dict.fromkeys(_BYTES, byte_count), _BYTES[0]: _limit}))
MEMORY_STATS = object_with(
    _nodes=object_with(failed=integer),
    nodes=map_of(
        object_with("roles", "mem", name=text, roles=list_of(text), attributes=attributes, mem=_MEMORY),
    ),
)

STATE_NODES = map_of(object_with(name=text, version=text, roles=list_of(text), attributes=attributes))
"""``nodes`` of the cluster state, which show no roles and no version in old releases."""
NODE_SHUTDOWN = object_with(nodes=map_of(object_with()))
"""``metadata.node_shutdown`` of the cluster state: one entry for each node that shuts down."""

_ML = object_with(max_lazy_ml_nodes=_whole, max_ml_node_size=_size, allocated_processors_scale=_scale)
_CLUSTER = object_with(routing=object_with(allocation=object_with(awareness=object_with(attributes=text_or_list))))
_SETTINGS = object_with(xpack=object_with(ml=_ML), cluster=_CLUSTER)
SETTINGS = object_with(transient=_SETTINGS, persistent=_SETTINGS, defaults=_SETTINGS)
