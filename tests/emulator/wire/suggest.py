# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Suggest near names for unknown fields and parameters (``did you mean``).

Elasticsearch scores with Lucene's Levenshtein distance, 1 - edits / length of the longer text, and takes what is
above one half; best first, then by name (``update_request`` and ``rest_layer`` records).
"""

from __future__ import annotations

from collections.abc import Iterable


def _edits(left: str, right: str) -> int:
    previous = list(range(len(right) + 1))
    for row, a in enumerate(left, 1):
        current = [row]
        for column, b in enumerate(right, 1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (a != b)))
        previous = current
    return previous[-1]


def near(unknown: str, candidates: Iterable[str]) -> list[str]:
    """Return candidates that resemble ``unknown``, best first."""
    scored = []
    for candidate in set(candidates):
        longest = max(len(unknown), len(candidate))
        if longest == 0:
            continue
        score = 1 - _edits(unknown, candidate) / longest
        if score > 0.5:
            scored.append((-score, candidate))
    return [candidate for _score, candidate in sorted(scored)]


def did_you_mean(unknown: str, candidates: Iterable[str]) -> str:
    """Return the tail of an unknown-field complaint, or nothing."""
    found = near(unknown, candidates)
    if not found:
        return ""
    words = f"[{found[0]}]" if len(found) == 1 else f"any of [{', '.join(found)}]"
    return f" did you mean {words}?"
