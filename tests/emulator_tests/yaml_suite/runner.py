# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run suites against an emulator in a process of its own, and count."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import yaml

from emulator_tests.process import Process, running
from emulator_tests.yaml_suite.requests import Requests, Specified, Typed
from emulator_tests.yaml_suite.skips import why_skipped
from emulator_tests.yaml_suite.steps import Failed, Steps
from emulator_tests.yaml_suite.suites import Expected, Step, Suite, find, load

OUTCOMES: Final = ("passed", "listed", "failed", "skipped")
_SPEC: Final = Path("rest-api-spec/src/main/resources/rest-api-spec/api")


@dataclasses.dataclass(frozen=True)
class Result:
    """The outcome of one test; ``listed``: it failed and the list of expected failures says why."""

    name: str
    outcome: str
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Runner:
    """One server, one list of tests that cannot pass."""

    process: Process
    requests: Requests
    expected: Expected
    flavor: str = "default"

    def results(self, path: Path) -> Iterator[Result]:
        """Return every test of a file or a folder."""
        for file in find(path):
            try:
                suite = load(file)
            except (yaml.YAMLError, ValueError) as error:
                yield self._judged(file.stem, f"cannot be read: {error}")
                continue
            for name, steps in suite.tests.items():
                yield self._result(suite, f"{suite.name}/{name}", steps)

    def _result(self, suite: Suite, name: str, steps: Sequence[Step]) -> Result:
        skipped = why_skipped(suite, steps, self.process.first["version"], self.flavor)
        if skipped:
            return Result(name, "skipped", skipped)
        # Real clusters are wiped between two tests.
        self.process.control("POST", "/reset")
        return self._judged(name, _failure(Steps(self.requests), suite, steps))

    def _judged(self, name: str, failure: str | None) -> Result:
        reason = self.expected.reason(name)
        if failure is None:
            return Result(name, "passed") if reason is None else Result(name, "failed", f"passes, but listed: {reason}")
        return Result(name, "failed", failure) if reason is None else Result(name, "listed", f"{reason} ({failure})")


def _failure(steps: Steps, suite: Suite, test: Sequence[Step]) -> str | None:
    """Return the first failure, and its place."""
    found: str | None = None
    for where, listed in (("setup", suite.setup), ("test", test), ("teardown", suite.teardown)):
        if found is not None and where == "test":
            continue
        for number, step in enumerate(listed, 1):
            try:
                steps.run(step)
            except Failed as failed:
                found = found or f"{where}, step {number}: {failed}"
                break
    return found


@contextlib.contextmanager
def started(path: Path, expected: Expected, spec: Path | None = None, *arguments: str) -> Iterator[Runner]:
    """Start a runner with an emulator of its own; the API's specification is searched above the path."""
    flavor = "serverless" if "serverless" in arguments else "default"
    spec = spec or next((found for parent in path.resolve().parents if (found := parent / _SPEC).is_dir()), None)
    with running("--interval", "0.01", *arguments) as process:
        url = process.first["url"]
        yield Runner(process, Specified(url, spec) if spec else Typed(url), expected, flavor)


def counted(results: Sequence[Result]) -> dict[str, dict[str, int]]:
    """Return outcomes by the folder of their suites."""
    counts: dict[str, dict[str, int]] = collections.defaultdict(lambda: dict.fromkeys(OUTCOMES, 0))
    for result in results:
        counts[result.name.split("/")[0]][result.outcome] += 1
    return dict(sorted(counts.items()))
