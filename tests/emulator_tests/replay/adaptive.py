# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay settings of adaptive allocations."""

from __future__ import annotations

from typing import Any

from emulator.state import adaptive as settings_of
from emulator.state.adaptive import RESET, AdaptiveSettings
from emulator.state.requests import parse_update
from emulator.state.versions import features
from emulator.wire import errors
from emulator.wire.xcontent import Parser
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome


def _settings(triple: Any) -> AdaptiveSettings:
    return RESET if triple == "RESET_PLACEHOLDER" else AdaptiveSettings(*triple)


def _raw(settings: AdaptiveSettings) -> list[Any]:
    return [settings.enabled, settings.minimum, settings.maximum]


def _parsed(body: str, version: str) -> dict[str, Any]:
    try:
        settings = settings_of.read(Parser(body.encode(), features(version)))
    except errors.ApiError as error:
        return {"status": error.status, "json": error.body()}
    complaints = settings.complaints()
    shown: dict[str, Any] = errors.validation(complaints).body() if complaints else settings.as_json()
    return {
        "json": shown,
        "enabled": settings.enabled,
        "min": settings.minimum,
        "max": settings.maximum,
        "validation": complaints or None,
    }


def _merge(case: dict[str, Any]) -> dict[str, Any]:
    base, update = _settings(case["base"]), _settings(case["update"])
    merged = base.merge(update)
    return {
        "result": merged.as_json(),
        "raw": _raw(merged),
        "equals_base": merged == base,
        "validation": merged.complaints() or None,
    }


def _wire(case: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the settings as read from the wire.

    The placeholder becomes an equal object that is not the placeholder.
    """
    before = parse_update(case["body"].encode(), "dep", features(version)).adaptive
    assert before is not None
    after = AdaptiveSettings(*_raw(before))
    return {
        "before_is_placeholder": before is RESET,
        "after_is_placeholder": after is RESET,
        "after": _raw(after),
        "after_equals_placeholder": after == RESET,
    }


def adaptive(row: Row, version: str) -> Outcome:
    """Replay adaptive settings: parsing, merging, the placeholder of a reset."""
    key, value = row.data["key"], row.data["value"]
    if key == "present":
        return value, features(version).adaptive
    if key == "placeholder":
        return value, RESET.as_json()
    if key == "equals":
        return value, [{**case, "equal": _settings(case["a"]) == _settings(case["b"])} for case in value]
    # A missing update would be a NullPointerException; no request leads there.
    value = [case for case in value if "error" not in case]
    played = [_case(key, case, version) for case in value]
    return [
        {name: case[name] for name in part if name in case} for case, part in zip(value, played, strict=True)
    ], played


def _case(key: str, case: dict[str, Any], version: str) -> dict[str, Any]:
    if key == "parse":
        return _parsed(case["body"], version)
    return _merge(case) if key == "merge" else _wire(case, version)
