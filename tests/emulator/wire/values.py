# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write time values, byte sizes, booleans and numbers as Elasticsearch does.

Source: server-behaviour.md 0, 2.1 and 2.3; the ``start_request`` records for the texts.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import re
from typing import Final

from . import errors

_TIME_UNITS: Final = (
    ("nanos", 1),
    ("micros", 1_000),
    ("ms", 1_000_000),
    ("s", 10**9),
    ("m", 60 * 10**9),
    ("h", 3600 * 10**9),
    ("d", 86400 * 10**9),
)
_BYTE_UNITS: Final = (("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("t", 1 << 40), ("p", 1 << 50))
_LONG: Final = re.compile(r"[+-]?\d+")
_DOUBLE: Final = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?)[dDfF]?", re.ASCII)
INT_MAX: Final = 2**31 - 1
INT_MIN: Final = -(2**31)
LONG_MAX: Final = 2**63 - 1
LONG_MIN: Final = -LONG_MAX - 1
_MOST_DIGITS: Final = 1000


@dataclasses.dataclass(frozen=True)
class TimeValue:
    """A duration in nanoseconds with the unit it was given in; ``-1`` means none."""

    nanos: int
    text: str

    @property
    def seconds(self) -> float:
        """Return the duration in seconds."""
        return self.nanos / 1e9

    def __str__(self) -> str:
        """Return it as messages show it: the largest unit that gives at least one, at most one decimal."""
        if self.nanos < 0:
            return "-1"
        for unit, size in reversed(_TIME_UNITS):
            if self.nanos >= size:
                return _one_decimal(self.nanos, size) + unit
        return "0s"


@dataclasses.dataclass(frozen=True)
class ByteSize:
    """A number of bytes with the exact text that the assignment shows; ``given`` is kept for a deprecation warning."""

    bytes: int
    text: str
    fractional: bool = False
    given: str = ""

    def human(self) -> str:
        """Return it as ``_stats`` shows it: cut to one decimal."""
        return human_bytes(self.bytes)


def _one_decimal(amount: int, size: int) -> str:
    tenths = amount * 10 // size
    return f"{tenths // 10}" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10}"


def human_bytes(amount: int) -> str:
    """Return ``253.3mb``: cut, not rounded; a zero decimal is dropped."""
    for suffix, size in reversed(_BYTE_UNITS):
        if amount >= size:
            # Java divides as doubles: the largest long reads 8192pb, one more than it is.
            return _one_decimal(int(float(amount)), size) + suffix + "b"
    return f"{amount}b"


def parse_time(text: str, setting: str) -> TimeValue:
    """Read a time value; raise ``ApiError`` with Elasticsearch's text otherwise."""
    normal = text.strip().lower()
    for unit, size in _TIME_UNITS:
        if not normal.endswith(unit) or (unit in ("s", "m") and _has_longer_unit(normal, unit)):
            continue
        return TimeValue(_time_number(text, normal, unit, setting) * size, normal)
    if re.fullmatch("-0*1", normal):
        return TimeValue(-1, "-1")
    if re.fullmatch("0+", normal):
        return TimeValue(0, "0s")
    raise errors.illegal_argument(f"{_no_time(text, setting)}: unit is missing or unrecognized")


def _long(digits: str) -> int | None:
    """Return what Java's ``parseLong`` reads; ``None`` for anything else, numbers out of range included."""
    if len(digits) > _MOST_DIGITS or not _LONG.fullmatch(digits):
        return None
    number = int(digits)
    return number if -LONG_MAX - 1 <= number <= LONG_MAX else None


def _no_time(text: str, setting: str) -> str:
    return f"failed to parse setting [{setting}] with value [{text}] as a time value"


def _has_longer_unit(normal: str, unit: str) -> bool:
    return unit == "s" and normal.endswith(("nanos", "micros", "ms"))


def _time_number(text: str, normal: str, unit: str, setting: str) -> int:
    digits = normal[: -len(unit)].strip()
    number = _long(digits)
    if number is not None:
        if number < 0 and number != -1:
            raise errors.illegal_argument(f"{_no_time(text, setting)}: negative durations are not supported")
        return number
    cause = errors.number_format(digits)
    if _DOUBLE.fullmatch(digits):
        raise errors.illegal_argument(f"failed to parse [{text}], fractional time values are not supported", cause)
    raise errors.illegal_argument(_no_time(text, setting), cause)


def parse_bytes(text: str, setting: str) -> ByteSize:
    """Read a byte size; raise ``ApiError`` with Elasticsearch's text otherwise."""
    lower = text.lower().strip()
    for suffix, size in _BYTE_UNITS:
        for ending in (suffix, suffix + "b"):
            if lower.endswith(ending):
                return _sized(text, lower, ending, suffix + "b", size, setting)
    if lower.endswith("b"):
        return _plain_bytes(text, lower, setting)
    if lower == "-1":
        return ByteSize(-1, "-1")
    if lower == "0":
        return ByteSize(0, "0")
    raise errors.parse_failure(
        f"failed to parse setting [{setting}] with value [{text}] as a size in bytes: unit is missing or unrecognized"
    )


def _plain_bytes(text: str, lower: str, setting: str) -> ByteSize:
    digits = lower[:-1].strip()
    amount = _long(digits)
    if amount is None:
        raise errors.parse_failure(
            f"failed to parse setting [{setting}] with value [{text}]", errors.number_format(digits)
        )
    if amount < -1:
        cause = errors.illegal_argument(f"Values less than -1 bytes are not supported: {text}")
        raise errors.parse_failure(f"failed to parse setting [{setting}] with value [{text}] as a size in bytes", cause)
    return ByteSize(amount, str(amount) if amount <= 0 else f"{amount}b")


def _sized(text: str, lower: str, ending: str, unit: str, size: int, setting: str) -> ByteSize:
    digits = lower[: -len(ending)].strip()
    number = _long(digits)
    if number is not None:
        if 0 <= number * size <= LONG_MAX:
            return ByteSize(number * size, f"{number}{unit}")
        rule = "less than -1" if number < 0 else f"greater than {LONG_MAX}"
        cause = errors.illegal_argument(f"Values {rule} bytes are not supported: {number}{unit}")
        raise errors.parse_failure(f"failed to parse setting [{setting}] with value [{text}] as a size in bytes", cause)
    if _DOUBLE.fullmatch(digits):
        # Java cuts what no long can hold.
        amount = int(min(max(float(digits.rstrip("dDfF")) * size, -LONG_MAX), LONG_MAX))
        return ByteSize(amount, f"{amount}b", fractional=True, given=text)
    raise errors.parse_failure(f"failed to parse setting [{setting}] with value [{text}]", errors.number_format(digits))


def parse_boolean(text: str) -> bool:
    """Read ``true`` or ``false`` and nothing else."""
    if text in ("true", "false"):
        return text == "true"
    raise errors.illegal_argument(f"Failed to parse value [{text}] as only [true] or [false] are allowed.")


def parse_int_parameter(text: str, name: str) -> int:
    """Read an ``int`` query parameter: strict, unlike body fields."""
    if _long(text) is not None and INT_MIN <= int(text) <= INT_MAX:
        return int(text)
    raise errors.illegal_argument(
        f"Failed to parse int parameter [{name}] with value [{text}]", errors.number_format(text)
    )


def coerce_int(text: str) -> int:
    """Read a string in a number field: as a floating-point number, then cut."""
    stripped = text.strip()
    if not stripped:
        raise errors.ApiError(400, "number_format_exception", "empty String")
    if not _DOUBLE.fullmatch(stripped):
        raise errors.number_format(text)
    number = float(stripped.rstrip("dDfF"))
    if number > INT_MAX or number < INT_MIN:
        raise errors.illegal_argument(f"Value [{text}] is out of range for an integer")
    return int(number)


def coerce_long(text: str) -> int:
    """Read a string in a field for a ``long``: as a decimal number, then cut; Java words it unlike ``int``."""
    plain = _DOUBLE.fullmatch(text) and text[-1] not in "dDfF"
    number = decimal.Decimal(text) if plain else decimal.Decimal("NaN")
    if number.is_nan() or not LONG_MIN <= number <= LONG_MAX:
        raise errors.illegal_argument(f'For input string: "{text}"')
    return int(number)


def instant_text(nanos: int) -> str:
    """Return epoch nanoseconds as Java's ``Instant`` prints them: 0, 3, 6 or 9 decimals."""
    seconds, fraction = divmod(nanos, 10**9)
    base = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    if fraction == 0:
        return base + "Z"
    if fraction % 1_000_000 == 0:
        return f"{base}.{fraction // 1_000_000:03d}Z"
    if fraction % 1_000 == 0:
        return f"{base}.{fraction // 1_000:06d}Z"
    return f"{base}.{fraction:09d}Z"


def millis_text(millis: int) -> str:
    """Return epoch milliseconds as ``?human`` shows them: always three decimals."""
    seconds, fraction = divmod(millis, 1000)
    base = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{base}.{fraction:03d}Z"
