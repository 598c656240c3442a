# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the recorded rows, and the list of those that are not reproduced."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "recorded"
LISTED = Path(__file__).resolve().parent / "not_reproduced.json"


@dataclasses.dataclass(frozen=True)
class Row:
    """One recorded line; ``key`` is its file and line number."""

    file: str
    number: int
    data: dict[str, Any]

    @property
    def key(self) -> str:
        """Return ``http:14``."""
        return f"{self.file}:{self.number}"

    @property
    def versions(self) -> list[str]:
        """Return the versions in which it was recorded; a request was sent to one node."""
        if "kind" in self.data:
            return ["8.19.21"] if self.data["kind"] == "service" else self._planned_in
        return list(self.data["versions"]) if "versions" in self.data else [self.node.partition("+")[0].split()[0]]

    @property
    def _planned_in(self) -> list[str]:
        """Return a version for each set of rules that has answered a plan (recorded-answers.md 3.2).

        That a deployment has no allocations is unknown to 8.8 to 8.11. What the newest rules throw was not recorded.
        """
        case, versions = self.data, ["8.18.0"]
        if "older" in case and "lost" not in case:
            versions.insert(0, "8.11.4")
        if "unsettled" not in case and "error" not in case:
            versions.append("9.5.3")
        return versions

    @property
    def node(self) -> str:
        """Return the node that a request was sent to: its version, and what was special about it."""
        return str(self.data.get("node", ""))


def files() -> list[str]:
    """Return the recordings: ``http``, the files in ``classes``, then plans and decisions."""
    return ["http", *_stems("classes"), *_stems("planner"), "assignment_service"]


def _stems(folder: str) -> list[str]:
    return sorted(path.stem for path in (FOLDER / folder).glob("*.jsonl"))


@functools.cache
def rows(file: str) -> tuple[Row, ...]:
    """Return all rows of a recording."""
    folders = (FOLDER, FOLDER / "classes", FOLDER / "planner")
    path = next(path for folder in folders if (path := folder / f"{file}.jsonl").is_file())
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(Row(file, number, json.loads(line)) for number, line in enumerate(lines, 1))


def every_row() -> list[tuple[Row, str]]:
    """Return every row with every version that it names."""
    return [(row, version) for file in files() for row in rows(file) for version in row.versions]


def listed_pairs() -> list[tuple[str, str]]:
    """Return the list as it is written, duplicates included."""
    return list(json.loads(LISTED.read_text(encoding="utf-8"), object_pairs_hook=list))


@functools.cache
def not_reproduced() -> dict[str, str]:
    """Return the reason by row key, or by row key and version (``rest_layer:11-8.10.0``)."""
    return dict(listed_pairs())


def reason(row: Row, version: str) -> str | None:
    """Return why the row is not reproduced in this version, if it is not."""
    return not_reproduced().get(row.key) or not_reproduced().get(f"{row.key}-{version}")
