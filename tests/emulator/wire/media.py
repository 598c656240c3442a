# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Negotiate media types: the request's, and the answer's.

Source: server-behaviour.md 0; rows about ``Accept`` and ``Content-Type`` (recorded-answers.md 1).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Final

from ..state.versions import Features
from . import errors

JSON: Final = "json"
YAML: Final = "yaml"
_TOKEN: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_FORMATS: Final = {
    "application/json": JSON,
    "application/x-ndjson": JSON,
    "application/vnd.elasticsearch+json": JSON,
    "application/vnd.elasticsearch+x-ndjson": JSON,
    "application/yaml": YAML,
    "application/vnd.elasticsearch+yaml": YAML,
}
_MOST_DIGITS: Final = 9
_VERSIONED: Final = "application/vnd.elasticsearch+"


@dataclasses.dataclass(frozen=True)
class MediaType:
    """One parsed header value."""

    name: str
    compatible_with: int | None
    raw: str

    @property
    def format(self) -> str | None:
        """Return ``json``, ``yaml`` or ``None``, which the emulator does not write."""
        return _FORMATS.get(self.name)


@dataclasses.dataclass(frozen=True)
class Negotiated:
    """The outcome of both headers."""

    content_type: MediaType | None
    response_format: str
    response_type: str
    rest_api_version: int


def _headers_error(names: str, cause: errors.ApiError) -> errors.ApiError:
    return errors.ApiError(400, "media_type_header_exception", f"Invalid media-type value on headers [{names}]", cause)


def _parse(text: str | None, header: str) -> MediaType | None:
    """Parse a header; ``None`` if it is absent or accepts anything."""
    if text is None or not text.strip():
        return None
    parts = [part.strip() for part in text.split(",")]
    parsed = [_parse_one(part, text, header) for part in parts]
    if len(parsed) > 1:
        # Browsers and the JavaScript client send lists: the first type that is known counts.
        return next((each for each in parsed if each.format is not None), None)
    return None if parsed[0].name == "*/*" else parsed[0]


def _parse_one(text: str, whole: str, header: str) -> MediaType:
    name, *parameters = text.lower().split(";")
    halves = name.strip().split("/")
    if len(halves) != 2 or not all(_TOKEN.fullmatch(half) for half in halves):
        raise _headers_error(header, errors.illegal_argument(f"invalid media-type [{whole}]"))
    version = None
    for parameter in parameters:
        key, separator, value = parameter.strip().partition("=")
        if parameter.strip() and not separator:
            raise _headers_error(header, errors.illegal_argument(f"invalid parameters for header [{whole}]"))
        if key == "compatible-with" and value.isdecimal():
            if len(value) > _MOST_DIGITS:
                raise _headers_error(header, errors.number_format(value))
            version = int(value)
    return MediaType(name.strip(), version, whole)


@functools.lru_cache(maxsize=256)
def negotiate(accept: str | None, content_type: str | None, has_body: bool, version: Features) -> Negotiated:
    """Read both headers; raise what the server raises before it reads the path."""
    desired = _parse(accept, "Accept")
    sent = _parse(content_type, "Content-Type")
    _check_versions(desired, sent, accept, content_type, has_body, version)
    response_format, response_type = _response(desired, sent)
    spoken = desired.compatible_with if desired is not None and desired.compatible_with is not None else version.major
    return Negotiated(sent, response_format, response_type, spoken)


def _response(desired: MediaType | None, sent: MediaType | None) -> tuple[str, str]:
    if desired is None:
        if sent is not None and sent.format == YAML:
            return YAML, "application/yaml"
        return JSON, "application/json"
    if desired.format is None or not desired.name.startswith(_VERSIONED):
        return (YAML, "application/yaml") if desired.format == YAML else (JSON, "application/json")
    suffix = "" if desired.compatible_with is None else f";compatible-with={desired.compatible_with}"
    return desired.format, f"{_VERSIONED}{desired.format}{suffix}"


def _check_versions(
    desired: MediaType | None,
    sent: MediaType | None,
    accept: str | None,
    content_type: str | None,
    has_body: bool,
    version: Features,
) -> None:
    current, previous = version.accepted_compatibility
    asked = desired.compatible_with if desired is not None else None
    given = sent.compatible_with if sent is not None else None
    _check_known("Accept", asked, accept, current, previous)
    if not has_body:
        return
    _check_known("Content-Type", given, content_type, current, previous)
    both = f"Accept={accept}, Content-Type={content_type}"
    rule = "A compatible version is required on both Content-Type and Accept headers"
    rule += " if either one has requested a compatible version"
    if (asked or current) != (given or current):
        raise _mismatch(f"{rule} and the compatible versions must match. {both}")
    if (asked is None) != (given is None):
        raise _mismatch(f"{rule}. {both}")


def _check_known(header: str, number: int | None, raw: str | None, current: int, previous: int) -> None:
    if number is not None and number not in (current, previous):
        raise _mismatch(
            f"{header} version must be either version {current} or {previous}, but found {number}. {header}={raw}"
        )


def _mismatch(reason: str) -> errors.ApiError:
    return _headers_error("Content-Type, Accept", errors.status(400, reason))
