# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plant each fault of tests/mutants/faults.yml in a copy of the checkout, and check that the fast tests catch it.

Usage: PYTHONPATH=tests python -m mutants.run [--record] [part of a fault's name ...]

A fault changes `plugins` by one believable slip. If it cannot be planted, or the tests cannot even be collected with
it, its rows have to be corrected.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mutants.planting import NotPlanted, Row, plant, read_faults, record

ROOT = Path(__file__).resolve().parent.parent.parent
FAST = ("tests/unit", "tests/laws")
AT_ONCE = 2
# A fault may well be a loop that never ends; without one the fast tests take minutes on a busy machine.
SECONDS = 900

TESTS_FAILED = 1  # pytest's exit codes
NO_TESTS = 5


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The end of one fault: ``caught``, ``survived`` or ``broken`` (its rows have to be corrected).

    ``detail``: the test that failed first, or what went wrong.
    """

    name: str
    verdict: str
    detail: str
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="run only faults with one of these in their name")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout, if not this one")
    parser.add_argument("--record", action="store_true", help="write into the table which test caught each fault")
    chosen = parser.parse_args()
    faults = read_faults(chosen.root)
    faults = {name: rows for name, rows in faults.items() if not chosen.names or any(p in name for p in chosen.names)}
    if not faults:
        print("no faults")
        return 1
    outcomes = []
    for outcome in run_all(chosen.root, faults):
        print(f"{outcome.verdict:8}  {outcome.seconds:5.1f} s  {outcome.name}  {outcome.detail}", flush=True)
        outcomes.append(outcome)
    caught = sum(outcome.verdict == "caught" for outcome in outcomes)
    print(f"{caught} caught, {len(outcomes) - caught} not caught")
    if chosen.record:
        tests = {outcome.name: outcome.detail.partition("[")[0] for outcome in outcomes if "::" in outcome.detail}
        record(tests, chosen.root)
    return 0 if caught == len(outcomes) else 1


def run_all(root: Path, faults: dict[str, list[Row]]) -> Iterator[Outcome]:
    """Try the checkout as it is, then, if that is green, all *faults* in their order."""
    sound = run_one(root, "(no fault)", [])
    if sound.verdict != "survived":
        yield dataclasses.replace(sound, verdict="broken", detail=f"the tests fail without a fault: {sound.detail}")
        return
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(lambda fault: run_one(root, *fault), faults.items())


def run_one(root: Path, name: str, rows: list[Row]) -> Outcome:
    """Run the fast tests on a copy of the checkout with the fault that *rows* make."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy_checkout(root, Path(folder))
        verdict, detail = try_fault(rows, Path(folder))
    return Outcome(name, verdict, detail, time.monotonic() - start)


def try_fault(rows: list[Row], folder: Path) -> tuple[str, str]:
    """Return a verdict on the fault that *rows* make in the copy in *folder*, with its reason."""
    try:
        plant(rows, folder)
    except NotPlanted as exc:
        return "broken", str(exc)
    known = rows[0].caught_by if rows else ""
    verdict, detail = run_tests(folder, known) if known else ("", "")
    return (verdict, detail) if verdict == "caught" else run_tests(folder, *FAST)


def copy_checkout(root: Path, folder: Path) -> None:
    """Copy all files of the checkout that git does not ignore, as they are now."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
    for path in listed.split("\0"):
        if path and ((root / path).is_file() or (root / path).is_symlink()):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, folder / path, follow_symlinks=False)  # a link leads to the fault, too


def run_tests(folder: Path, *tests: str) -> tuple[str, str]:
    """Return a verdict with the first of *tests* that failed, or with what went wrong."""
    # The copy's tests/conftest.py finds the copy; a path to the checkout itself must not come before.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
    environment["NO_SHRINKING"] = "1"  # one failure is enough
    there = [test for test in tests if (folder / test.partition("::")[0]).exists()]
    if not there:
        return "broken", "no tests"
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *there]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return "caught", f"no end within {SECONDS} s"
    failed = re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    if done.returncode == TESTS_FAILED and failed:
        return "caught", failed[1]
    if done.returncode == 0:
        return "survived", ""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return "broken", "no tests" if done.returncode == NO_TESTS else lines[-1]


if __name__ == "__main__":
    sys.exit(main())
