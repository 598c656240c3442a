# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare a planner with recorded cases, and say which differ.

Usage: see --help. Exit status 1 if a case differs, 2 if something is wrong with what is given.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
TREE = TESTS.parent / ".build/tree"

OLDEST, NEWEST = (8, 8), (10, 0)
"""The versions whose rules are known: from the first, and before the second."""


def use_paths() -> None:
    """Import the emulator from here, and the collection under the name that Ansible gives it."""
    link = TREE / "ansible_collections/mlops/elasticsearch"
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to("../../../..", target_is_directory=True)
    sys.path[:0] = [path for path in (str(TREE), str(TESTS)) if path not in sys.path]


def version(text: str) -> tuple[int, ...]:
    """Return a version of Elasticsearch as numbers."""
    if not re.fullmatch(r"\d+(\.\d+)*", text):
        raise argparse.ArgumentTypeError(f"{text} is not a version such as 8.18 or 9.1.1")
    numbers = tuple(int(number) for number in text.split("."))
    if not OLDEST <= (*numbers, 0)[:2] < NEWEST:
        raise argparse.ArgumentTypeError(f"{text} has no rules: they are known from 8.8 to 9 (planner.md 10)")
    return numbers


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m planner_cases", description="Compare a planner with recorded cases."
    )
    parser.add_argument("planner", choices=["emulator", "collection"], help="which planner answers")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recorded cases, one a line")
    parser.add_argument("--show", type=int, metavar="N", help="print at most N of the cases that differ")
    parser.add_argument("--version", type=version, default="8.18", help="of Elasticsearch (default: 8.18)")
    options = parser.parse_args()
    use_paths()
    # Each has `compare(cases, version)`, and is imported only now that its imports are found.
    cases = importlib.import_module("planner_cases.cases")
    planner = importlib.import_module(f"planner_cases.{options.planner}")
    try:
        found = {path: list(cases.read_all([path])) for path in options.files}
    except cases.BadFile as wrong:
        print(wrong, file=sys.stderr)
        return 2
    for path in [path for path, rows in found.items() if not rows]:
        print(f"{path}: has no cases", file=sys.stderr)
    rows = [case for each in found.values() for case in each]
    report = planner.compare(rows, options.version)
    print(report.text(options.show, len(rows)))
    return 1 if report.differing else 0


if __name__ == "__main__":
    sys.exit(main())
