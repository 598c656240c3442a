# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start an emulator for the tests of a file; add up the figures of a run, also when several processes share it."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import pytest

from emulator_tests import schedule_counts
from emulator_tests.process import Process, running

_SUM: collections.Counter[str] = collections.Counter()


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    """Start one emulator for each file."""
    with running("--model", "m") as found:
        yield found


@pytest.fixture
def server(process: Process) -> Process:
    """Reset the emulator for each test, with one allocation of ``m`` started."""
    process.control("POST", "/reset")
    assert process.api("POST", "/_ml/trained_models/m/deployment/_start")[0] == 200
    process.control("DELETE", "/journal")
    return process


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of this process to the one that started it."""
    sent = getattr(session.config, "workeroutput", None)
    if sent is None:
        _SUM.update(schedule_counts.COUNTED)
    else:
        sent["schedules"] = dict(schedule_counts.COUNTED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of another process that has ended."""
    _SUM.update(getattr(node, "workeroutput", {}).get("schedules", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write one line, if schedules ran."""
    if _SUM:
        terminalreporter.write_line("invariants: " + ", ".join(f"{count} {name}" for name, count in _SUM.items()))
