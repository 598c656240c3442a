# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the tests that use the client with the oldest and the newest releases of elasticsearch-py, and print a table.

Releases are pinned in ``tests/emulator_tests/clients/releases.json`` and installed beside each other, below ``.cache``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from emulator_tests.clients import install  # noqa: E402

OLDEST_MAJOR: Final = 8
CLIENTS: Final = [each for each in install.RELEASES[install.ALONE] if int(each.split(".")[0]) >= OLDEST_MAJOR]
SUITE: Final = (
    "tests/unit",
    "tests/laws",
    *(f"tests/integration/test_{name}.py" for name in ("scenarios", "ways_in", "proxies", "failover")),
    *(f"tests/integration/test_{name}.py" for name in ("error_table", "repetitions", "privileges")),
)
SERVERS: Final = ("8.0", "8.9", "8.16", "8.19", "9.5")
"""The servers that each client must be tried with. The table also shows others that the tests play."""

Counts = Mapping[str, Mapping[str, int]]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this release; may be repeated")
    parser.add_argument("--processes", default="auto", help="how many tests to run at once")
    parser.add_argument("tests", nargs="*", default=SUITE, help="run these instead of the suite")
    given = parser.parse_args(arguments)
    sound = True
    found: dict[str, Counts] = {}
    for client in given.client or CLIENTS:
        folder = install.installed(install.ALONE, client)
        if isinstance(folder, str):
            sys.exit(f"elasticsearch {client} cannot be installed: {folder}")
        print(f"elasticsearch {client}", flush=True)
        status, found[client] = try_one(client, folder, given.tests, given.processes)
        sound = sound and status == 0
    print(matrix(found))
    missing = [f"{client} with {server}" for client in found for server in SERVERS if server not in found[client]]
    if missing and tuple(given.tests) == SUITE:
        sys.exit(f"never tried: {', '.join(missing)}")
    return 0 if sound else 1


def try_one(client: str, folder: Path, tests: Sequence[str], processes: str) -> tuple[int, Counts]:
    """Run the tests with a client, and return the status of pytest and the counts by server."""
    with tempfile.TemporaryDirectory() as place:
        counts = Path(place) / "counts.json"
        counts.write_text("{}", encoding="utf-8")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(folder), str(TESTS))),
            "CLIENT_VERSION": install.version(client),
            "CLIENT_COUNTS": str(counts),
        }
        command = [sys.executable, "-m", "pytest", "-q", "-n", processes, "--dist", "worksteal"]
        done = subprocess.run(
            [*command, "-p", "clients.counting", "-p", "no:cacheprovider", *tests],
            cwd=TESTS.parent,
            env=environment,
            check=False,
        )
        return done.returncode, by_minor(json.loads(counts.read_text(encoding="utf-8")))


def by_minor(counts: Counts) -> Counts:
    """Add up the counts of each minor version, such as ``8.19`` for ``8.19.21``."""
    found: dict[str, dict[str, int]] = {}
    for version, outcomes in counts.items():
        minor = found.setdefault(".".join(version.split(".")[:2]), {})
        for outcome, number in outcomes.items():
            minor[outcome] = minor.get(outcome, 0) + number
    return found


def matrix(found: Mapping[str, Counts]) -> str:
    """Return the table: one line for each client, one column for each server, with tests that passed and failed."""
    played = {server for counts in found.values() for server in counts} - {"all"}
    servers = sorted(played, key=lambda server: [int(part) for part in server.split(".")])
    rows = [["client", *servers, "all tests"]]
    rows += [
        [client, *(cell(counts.get(server, {})) for server in (*servers, "all"))] for client, counts in found.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def cell(outcomes: Mapping[str, int]) -> str:
    others = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items() if outcome != "passed")
    return ", ".join(filter(None, (str(outcomes.get("passed", 0)), others)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
