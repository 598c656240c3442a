# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build assignments from recorded cases, so that their rendering can be compared."""

from __future__ import annotations

import calendar
import re
import time
from typing import Any

from emulator.state import adaptive
from emulator.state.assignment import Assignment, Route, TaskParams
from emulator.state.versions import features
from emulator.wire.values import ByteSize, parse_bytes

_INSTANT = re.compile(r"(.*)T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z")


def nanos(instant: str) -> int:
    """Return epoch nanoseconds of a rendered instant."""
    match = _INSTANT.fullmatch(instant)
    assert match is not None, instant
    seconds = calendar.timegm(time.strptime(f"{match[1]} {match[2]}", "%Y-%m-%d %H:%M:%S"))
    return seconds * 10**9 + int((match[3] or "0").ljust(9, "0"))


def task_params(body: dict[str, Any]) -> TaskParams:
    """Read task parameters from their JSON."""
    size = body.get("cache_size")
    known = {key: body[key] for key in body if key != "cache_size"}
    return TaskParams(**known, cache_size=None if size is None else _exact(size))


def _exact(text: str) -> ByteSize:
    parsed = parse_bytes(text, "cache_size")
    assert parsed.text == text
    return parsed


def assignment(body: dict[str, Any], version: str) -> Assignment:
    """Read an assignment from its JSON."""
    routes = {
        node_id: Route(
            route["current_allocations"], route["target_allocations"], route["routing_state"], route.get("reason")
        )
        for node_id, route in body["routing_table"].items()
    }
    settings = body.get("adaptive_allocations")
    return Assignment(
        task_params(body["task_parameters"]),
        features(version),
        nanos(body["start_time"]),
        routes,
        body["assignment_state"],
        body.get("reason"),
        body["max_assigned_allocations"],
        None if settings is None else adaptive.from_json(settings),
    )
