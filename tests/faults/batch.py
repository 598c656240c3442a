# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Play the schedules of one seed. Hypothesis draws them, and shrinks one that breaks a law."""

from __future__ import annotations

import dataclasses
import logging
import os

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from faults.play import Endless, Json, Tally, play
from faults.processes import kill
from faults.schedules import schedules

BATCH = 100
"""Schedules of one seed."""
PROCESSES = 2
"""One seed in so many also kills a real process, which takes seconds."""


class Broken(Exception):
    """A schedule broke a law."""


@dataclasses.dataclass
class Outcome:
    """The outcome of a batch.

    ``broken``: the laws that broke. ``schedule``: the smallest that breaks them; ``None`` if the killed process did.
    """

    seed: int
    tally: Tally
    schedule: Json | None = None
    broken: tuple[str, ...] = ()


def batch(number: int) -> Outcome:
    """Play the schedules of one seed; stop at the first that breaks a law, and shrink it."""
    logging.disable(logging.WARNING)  # the client logs each lost connection
    outcome = Outcome(number, Tally())

    @seed(number)
    @settings(
        max_examples=BATCH,
        database=None,
        deadline=None,
        phases=(Phase.generate,) if os.environ.get("NO_SHRINKING") else (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(schedules())
    def judged(schedule: Json) -> None:
        try:
            broken = play(schedule, outcome.tally)
        except (Exception, Endless) as exc:  # whatever was raised, the task returned no result
            broken = [f"{type(exc).__name__}: {exc}"]
        if broken:
            outcome.schedule, outcome.broken = schedule, tuple(broken)
            raise Broken

    try:
        judged()
    except Broken:
        return outcome
    except Flaky:  # report what was found even so
        outcome.broken = (*outcome.broken, "(these laws held when the schedule was played again)")
        return outcome
    outcome.schedule, outcome.broken = None, ()
    if number % PROCESSES == 0:
        outcome.tally.processes += 1
        outcome.broken = tuple(kill(number))
    return outcome
