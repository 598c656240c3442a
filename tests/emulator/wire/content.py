# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decode bodies that are compressed, or in YAML.

The HTTP settings of the public reference (``http.compression``); the recorded answers to YAML and gzip.
"""

from __future__ import annotations

import gzip
import importlib
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from . import errors

_CODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.decompress,
    "x-gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "x-deflate": zlib.decompress,
}


def decompressed(body: bytes, coding: str) -> bytes | None:
    """Return the plain body; ``None`` if it is broken. An unknown coding is left alone."""
    decode = _CODINGS.get(coding.strip().lower())
    if decode is None or not body:
        return body
    try:
        return decode(body)
    except (OSError, EOFError, zlib.error):
        return None


def json_of_yaml(body: bytes) -> bytes:
    """Turn YAML into JSON; places in complaints are then those of the JSON."""
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise errors.illegal_argument("the double reads YAML only where PyYAML is installed") from None
    try:
        # Jackson knows no dates: what is no number, boolean or null stays a text.
        return json.dumps(yaml.safe_load(body), default=str).encode()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        text = str(getattr(error, "problem", None) or "malformed YAML")
        cause = errors.ApiError(400, "marked_y_a_m_l_exception", text)
        raise errors.ApiError(400, "x_content_parse_exception", f"[{line}:{column}] {text}", cause) from None
