# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write answers: JSON, pretty JSON, YAML, ``filter_path``.

Source: server-behaviour.md 0; forms from recorded-answers.md 1.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any, Final

_MISSING: Final = object()


_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)


def compact(body: Any) -> bytes:
    """Return one line without blanks."""
    return _COMPACT.encode(body).encode(errors="replace")


def pretty(body: Any) -> bytes:
    """Render ``?pretty``: two blanks, a blank on both sides of the colon, a newline at the end."""
    return (_pretty(body, "") + "\n").encode(errors="replace")


def _pretty(body: Any, indent: str) -> str:
    inner = indent + "  "
    if isinstance(body, dict):
        if not body:
            return "{ }"
        entries = [
            f"{inner}{json.dumps(key, ensure_ascii=False)} : {_pretty(value, inner)}" for key, value in body.items()
        ]
        return "{\n" + ",\n".join(entries) + f"\n{indent}}}"
    if isinstance(body, list):
        if not body:
            return "[ ]"
        return "[\n" + ",\n".join(f"{inner}{_pretty(value, inner)}" for value in body) + f"\n{indent}]"
    return json.dumps(body, ensure_ascii=False)


def yaml(body: Any) -> bytes:
    """Render block style, texts in double quotes."""
    if not body and isinstance(body, (dict, list)):
        return f"--- {json.dumps(body)}\n".encode()
    return ("---\n" + _yaml_block(body, "")).encode(errors="replace")


def _yaml_block(body: Any, indent: str) -> str:
    lines = []
    if isinstance(body, dict):
        for key, value in body.items():
            if isinstance(value, dict) and value:
                lines.append(f"{indent}{key}:\n{_yaml_block(value, indent + '  ')}")
            elif isinstance(value, list) and value:
                lines.append(f"{indent}{key}:\n{_yaml_block(value, indent)}")
            else:
                lines.append(f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}\n")
    else:
        for value in body:
            text = (
                _yaml_block(value, indent + "  ")
                if value and isinstance(value, (dict, list))
                else f"{json.dumps(value, ensure_ascii=False)}\n"
            )
            lines.append(f"{indent}- {text.lstrip()}")
    return "".join(lines)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn names with dots into objects in objects."""
    body: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = name.split(".")
        inner = body
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return body


def filtered(body: Any, expression: str) -> Any:
    """Apply ``filter_path``: keep what the patterns name, without what the patterns with a minus name."""
    patterns = [pattern.strip() for pattern in expression.split(",") if pattern.strip()]
    includes = [_split(pattern) for pattern in patterns if not pattern.startswith("-")]
    excludes = [_split(pattern[1:]) for pattern in patterns if pattern.startswith("-")]
    if includes:
        kept = _include(body, includes)
        body = {} if kept is _MISSING else kept
    if excludes:
        kept = _exclude(body, excludes)
        body = {} if kept is _MISSING else kept
    return body


def _split(pattern: str) -> tuple[str, ...]:
    """Split names at dots; a backslash in front of a dot keeps it."""
    marked = pattern.replace("\\.", "\0")
    return tuple(part.replace("\0", ".") for part in marked.split("."))


@functools.lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    """Return a pattern in which a star stands for anything; nothing else is special."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def _step(patterns: list[tuple[str, ...]], key: str) -> tuple[bool, list[tuple[str, ...]]]:
    """Return whether a pattern ends at ``key``, and what is left of those that go on."""
    rest: list[tuple[str, ...]] = []
    for pattern in patterns:
        if pattern[0] == "**":
            rest.append(pattern)
            if len(pattern) == 1:
                return True, []
            pattern = pattern[1:]
        if _glob(pattern[0]).fullmatch(key):
            if len(pattern) == 1:
                return True, []
            rest.append(pattern[1:])
    return False, rest


def _include(body: Any, patterns: list[tuple[str, ...]]) -> Any:
    if isinstance(body, list):
        kept = [value for value in (_include(each, patterns) for each in body) if value is not _MISSING]
        return kept if kept else _MISSING
    if not isinstance(body, dict):
        return _MISSING
    found = {}
    for key, value in body.items():
        whole, rest = _step(patterns, key)
        part = value if whole else (_include(value, rest) if rest else _MISSING)
        if part is not _MISSING:
            found[key] = part
    return found if found else _MISSING


def _exclude(body: Any, patterns: list[tuple[str, ...]]) -> Any:
    if isinstance(body, list):
        return [value for value in (_exclude(each, patterns) for each in body) if value is not _MISSING]
    if not isinstance(body, dict) or not body:
        return body
    found = {}
    for key, value in body.items():
        whole, rest = _step(patterns, key)
        part = _MISSING if whole else (_exclude(value, rest) if rest else value)
        if part is not _MISSING:
            found[key] = part
    return found if found else _MISSING
