# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make secrets that are easy to find again, also in part and encoded."""

from __future__ import annotations

import base64
import random
import re
import typing as t
from collections.abc import Iterable
from pathlib import Path

LETTERS = "bcdfghjkmnpqrstvwxzBCDFGHJKMNPQRSTVWXZ23456789"
SHORT = 8
"""So many characters in a row are a trace. With fewer, any two texts have some in common."""


class Canary(t.NamedTuple):
    """A secret: its ``value``, and ``spelled``, the part that must not be found: most often all of it."""

    name: str
    value: str
    spelled: str

    def traces(self) -> set[str]:
        """Return each short piece of it, as it is and in Base64, at whichever place of a longer text it stands there.

        Letters and digits only: they are the same in JSON, in a URL, in HTML and in Python's own notation.
        """
        encoded = (base64.b64encode(b"-" * ahead + self.spelled.encode()).decode() for ahead in range(3))
        # The first four characters of Base64 also hold what stands before, the last four what stands behind.
        texts = [self.spelled, *(text[4:-4] for text in encoded)]
        runs = [run for text in texts for run in re.findall(r"[A-Za-z0-9]+", text)]
        return {run[at : at + SHORT] for run in runs for at in range(len(run) - SHORT + 1)}


def canary(name: str, before: str = "", behind: str = "") -> Canary:
    """Return a secret of letters and digits, the same each time for one *name*, between other texts."""
    letters = random.Random(name)
    return Canary(name, before + (secret := "".join(letters.choices(LETTERS, k=32))) + behind, secret)


def hits(canaries: Iterable[Canary], texts: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Find canaries: return the name of each, the name of the text, and the place."""
    found = []
    for place, text in texts:
        for each in canaries:
            trace = next((trace for trace in each.traces() if trace in text), None)
            if trace is not None:
                at = text.index(trace)
                found.append((each.name, place, text[max(0, at - 100) : at + 60]))
    return found


def files(folder: Path) -> list[tuple[str, str]]:
    """Return the name and the text of every file below *folder*."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), path.read_text(encoding="utf-8", errors="replace")) for path in paths]
