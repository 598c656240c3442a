# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count the recorded rows that the emulator reproduces, file by file.

``python -m emulator_tests.count`` in ``tests``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from emulator_tests.recordings import files, reason, rows
from emulator_tests.replay import replay

_COLUMNS = ("rows", "rows_x_versions", "passed", "listed", "failed")


def count(names: Iterable[str]) -> dict[str, int]:
    """Count the rows of some recordings; ``failed`` are those that are neither reproduced nor listed, or both."""
    found = dict.fromkeys(_COLUMNS, 0)
    for name in names:
        for row in rows(name):
            found["rows"] += 1
            for version in row.versions:
                found["rows_x_versions"] += 1
                recorded, played = replay(row, version)
                same, listed = recorded == played, reason(row, version) is not None
                found["failed" if same == listed else "passed" if same else "listed"] += 1
    return found


def main() -> int:
    """Print the table; return 1 if anything is neither reproduced nor listed."""
    total = dict.fromkeys(_COLUMNS, 0)
    lines = [["file", *_COLUMNS]]
    for name in files():
        found = count([name])
        total = {column: total[column] + found[column] for column in _COLUMNS}
        lines.append([name, *(str(found[column]) for column in _COLUMNS)])
    lines.append(["total", *(str(total[column]) for column in _COLUMNS)])
    for name, *numbers in lines:
        sys.stdout.write(f"{name:20}" + "".join(f"{number:>17}" for number in numbers) + "\n")
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
