# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse, merge, validate and render settings of adaptive allocations.

Source: server-behaviour.md 6 and 10; ``adaptive`` records.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from ..wire import object_parser
from ..wire.object_parser import ObjectParser
from ..wire.xcontent import Parser

UNSET: Final = -1
"""The value of a JSON null: clears a bound when merged, is stored as it is otherwise."""


@dataclasses.dataclass(frozen=True)
class AdaptiveSettings:
    """``None`` means not given; ``enabled`` not given reads as false."""

    enabled: bool | None = None
    minimum: int | None = None
    maximum: int | None = None

    @property
    def is_enabled(self) -> bool:
        """Return whether the scaler owns the number of allocations."""
        return self.enabled is True

    def as_json(self) -> dict[str, Any]:
        """Return them as assignments and ``_stats`` show them."""
        body: dict[str, Any] = {"enabled": self.is_enabled}
        if self.minimum is not None:
            body["min_number_of_allocations"] = self.minimum
        if self.maximum is not None:
            body["max_number_of_allocations"] = self.maximum
        return body

    def merge(self, update: AdaptiveSettings) -> AdaptiveSettings:
        """Merge field by field: absent keeps, -1 clears, a value sets."""
        return AdaptiveSettings(
            self.enabled if update.enabled is None else update.enabled,
            _merged(self.minimum, update.minimum),
            _merged(self.maximum, update.maximum),
        )

    def complaints(self) -> list[str]:
        """Return the messages of validation."""
        low = self.minimum is not None and self.minimum < 0 and self.minimum != UNSET
        high = self.maximum is not None and self.maximum < 1 and self.maximum != UNSET
        found = []
        if low:
            found.append("[min_number_of_allocations] must be a non-negative integer or null")
        if high:
            found.append("[max_number_of_allocations] must be a positive integer or null")
        if self._crossed() and not low and not high:
            found.append("[min_number_of_allocations] must not be larger than [max_number_of_allocations]")
        return found

    def _crossed(self) -> bool:
        if self.minimum is None or self.maximum is None or UNSET in (self.minimum, self.maximum):
            return False
        return self.minimum > self.maximum


RESET: Final = AdaptiveSettings(False, UNSET, UNSET)
"""A JSON null for the whole object: "remove the settings".

The server recognises it by identity, and so does the emulator (server-behaviour.md 7 item 5).
"""


def _merged(old: int | None, new: int | None) -> int | None:
    if new is None:
        return old
    return None if new == UNSET else new


_PARSER: Final = ObjectParser(
    "autoscaling_settings",
    [
        object_parser.boolean("enabled"),
        object_parser.integer_or_null("min_number_of_allocations", UNSET),
        object_parser.integer_or_null("max_number_of_allocations", UNSET),
    ],
)


def read(parser: Parser) -> AdaptiveSettings:
    """Read settings at the current token."""
    values = _PARSER.parse(parser).values
    return AdaptiveSettings(
        values.get("enabled"), values.get("min_number_of_allocations"), values.get("max_number_of_allocations")
    )


def from_json(body: dict[str, Any]) -> AdaptiveSettings:
    """Read settings from plain JSON, as control requests give them."""
    return AdaptiveSettings(
        body.get("enabled"),
        _bound(body, "min_number_of_allocations"),
        _bound(body, "max_number_of_allocations"),
    )


def _bound(body: dict[str, Any], name: str) -> int | None:
    if name not in body:
        return None
    return UNSET if body[name] is None else int(body[name])
