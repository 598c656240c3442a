# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts that the definition of a model is sent in. Pure."""

from __future__ import annotations

import binascii
import dataclasses
import typing as t

from ..._core.errors import Refusal
from ..._core.sizes import human_size, parse_size

MOST_PARTS = 10_000
"""Elasticsearch takes no more (around-deployments.md 2.3)."""
USUAL_PART = 4 << 20
"""Bytes of a part, unless the file is so large that there would be too many; docs/speed.md says why."""
LARGEST_PART = 64 << 20
"""Bytes of a part: as base64 it is 85 MiB, of 100 that ``http.max_content_length`` allows."""
_STEP = 1 << 20


@dataclasses.dataclass(frozen=True)
class Parts:
    """The parts of a definition of ``size`` bytes, counted from 0; all have ``part_size`` bytes but the last one."""

    size: int
    part_size: int

    @classmethod
    def of(cls, size: int, part_size: int | None = None) -> Parts:
        """Return the parts of *size* bytes: of *part_size* bytes each, or of the usual size if that is ``None``.

        :raises Refusal: no such parts can be sent.
        """
        if size <= 0:
            hint = "Check that it was written completely."
            raise Refusal("invalid_definition", "The definition of the model is empty", hint=hint)
        if size > MOST_PARTS * LARGEST_PART:
            reason = f"The definition of the model has {human_size(size)}, more than {MOST_PARTS} parts can hold"
            raise Refusal("invalid_definition", reason)
        if part_size is None:
            return cls(size, max(USUAL_PART, _round_up(-(-size // MOST_PARTS))))
        _refuse_bad_size(size, part_size)
        return cls(size, part_size)

    @property
    def total(self) -> int:
        return -(-self.size // self.part_size)

    @property
    def last(self) -> int:
        return self.total - 1

    def length(self, number: int) -> int:
        """Return the bytes of one part."""
        return min(self.part_size, self.size - number * self.part_size)

    def body(self, content: bytes) -> bytes:
        """Return the body of the request that sends *content* as one of these parts."""
        end = f'","total_definition_length":{self.size},"total_parts":{self.total}}}'
        return b"".join((b'{"definition":"', binascii.b2a_base64(content, newline=False), end.encode()))

    def as_body(self) -> dict[str, t.Any]:
        """Return what the bodies of all parts have in common."""
        return {"total_definition_length": self.size, "total_parts": self.total}


def part_size_option(text: str | None) -> int | None:
    """Return the bytes that the option ``upload_part_size`` names.

    :raises Refusal: it is no size.
    """
    if text is None:
        return None
    size = parse_size(text)
    if size is None or size <= 0:
        hint = "Write it like 4mb."
        raise Refusal("invalid_value", f"upload_part_size is not a size: '{text}'", hint=hint)
    return size


def _refuse_bad_size(size: int, part_size: int) -> None:
    if not 0 < part_size <= LARGEST_PART:
        reason = f"upload_part_size is {human_size(part_size)}, and must be between 1b and {human_size(LARGEST_PART)}"
        hint = "Elasticsearch refuses larger requests (http.max_content_length)."
        raise Refusal("invalid_value", reason, hint=hint)
    least = -(-size // MOST_PARTS)
    if part_size < least:
        reason = (
            f"With upload_part_size {human_size(part_size)} the definition of {human_size(size)} would have "
            f"{-(-size // part_size)} parts, and Elasticsearch takes no more than {MOST_PARTS}"
        )
        raise Refusal(
            "invalid_value", reason, hint=f"Set it to {human_size(_round_up(least))} or more, or leave it out."
        )


def _round_up(size: int) -> int:
    """Return *size* in whole mebibytes."""
    return -(-size // _STEP) * _STEP
