# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Enumerations in messages, and requests in summaries."""

from __future__ import annotations

import json
import typing as t

MOST = 10
"""The most names in one message."""


def first_of(names: t.Sequence[str], most: int = MOST, between: str = ", ") -> str:
    """Return the first of *names*, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def quoted_ids(ids: t.Iterable[str]) -> str:
    """Return *ids* in quotation marks, with commas."""
    return ", ".join(f"'{each}'" for each in ids)


def joined(names: t.Sequence[str]) -> str:
    """Return *names* with commas, and with "and" before the last; empty if there are none."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def request_line(call: t.Mapping[str, t.Any]) -> str:
    """Return an entry of ``api_calls`` for a summary, with all that it sends."""
    query = "?" + "&".join(f"{name}={value}" for name, value in call["query"].items()) if call.get("query") else ""
    body = f" {json.dumps(call['body'])}" if call.get("body") else ""
    return f"{call['method']} {call['path']}{query}{body}"
