# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Play Elasticsearch's public YAML tests against the emulator: ``python -m emulator_tests.yaml_suite PATH``.

PATH is a file, a folder of tests or a checkout of elastic/elasticsearch-clients-tests or elastic/elasticsearch. Nothing
of these is kept here. What cannot pass is listed in ``expected.json``, with a reason; it is an error if it passes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from emulator_tests.yaml_suite.runner import OUTCOMES, Result, counted, started
from emulator_tests.yaml_suite.suites import Expected

EXPECTED: Final = Path(__file__).with_name("expected.json")


def main(arguments: list[str] | None = None) -> int:
    """Run, print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m emulator_tests.yaml_suite", description=__doc__)
    parser.add_argument("path", type=Path, help="a file, a folder, or a checkout")
    parser.add_argument("--version", default="9.5.3", help="the server to play")
    parser.add_argument("--flavor", default="default", choices=["default", "serverless"])
    parser.add_argument("--spec", type=Path, help="rest-api-spec JSON files; else elasticsearch-py's typed methods")
    parser.add_argument("--expected", type=Path, default=EXPECTED, help="tests that cannot pass, with reasons")
    parser.add_argument("--failures", action="store_true", help="print only what failed")
    given = parser.parse_args(arguments)
    emulator = ("--version", given.version, "--flavor", given.flavor)
    results: list[Result] = []
    with started(given.path, Expected.read(given.expected), given.spec, *emulator) as runner:
        for result in runner.results(given.path):
            results.append(result)
            if result.outcome == "failed" or not given.failures:
                print(f"{result.outcome:8}{result.name}" + (f": {result.text}" if result.text else ""), flush=True)
    print()
    for folder, counts in counted(results).items():
        print(f"{folder}: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES))
    totals = {outcome: sum(result.outcome == outcome for result in results) for outcome in OUTCOMES}
    print(", ".join(f"{number} {outcome}" for outcome, number in totals.items()))
    return 1 if totals["failed"] or not results else 0


if __name__ == "__main__":
    raise SystemExit(main())
