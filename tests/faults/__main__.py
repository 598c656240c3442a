# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Play random schedules of faults, races and kills, and judge each by the laws.

A schedule that breaks a law is made as small as possible, and printed with the command that plays it again.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import itertools
import json
import math
import multiprocessing
import os
import random
import sys
import time
import typing as t
from pathlib import Path

from faults.batch import BATCH, Outcome, batch
from faults.play import Json, Tally, play
from faults.processes import kill

COMMAND = "PYTHONPATH=tests .venv/test/bin/python -m faults"


def main(given: t.Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to play (10)")
    parser.add_argument("--seeds", type=int, help=f"play so many seeds instead, {BATCH} schedules each")
    parser.add_argument("--seed", type=int, help="begin with this seed; the next ones follow (a random one)")
    parser.add_argument(
        "--at-once", type=int, default=os.cpu_count() or 1, help="how many processes to use (one for each core)"
    )
    parser.add_argument("--replay", metavar="SCHEDULE", help="play this one schedule: JSON, or a file with it")
    parser.add_argument("--kill", type=int, metavar="SEED", help="kill the real process of this one seed")
    chosen = parser.parse_args(given)
    if chosen.replay:
        return report(play(_schedule(chosen.replay), Tally()))
    if chosen.kill is not None:
        return report(kill(chosen.kill))
    first = random.SystemRandom().randrange(1 << 32) if chosen.seed is None else chosen.seed
    seeds = itertools.count(first) if chosen.seeds is None else range(first, first + chosen.seeds)
    print(f"seeds from {first}: {BATCH} schedules each", flush=True)
    return run(seeds, math.inf if chosen.seeds else chosen.minutes * 60, chosen.at_once)


def run(seeds: t.Iterable[int], seconds: float, at_once: int) -> int:
    """Play one batch for each of *seeds*, until there are no more, or *seconds* have passed."""
    end, tally, failed = time.monotonic() + seconds, Tally(), 0
    batches = iter(seeds)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(at_once, mp_context=context) as pool:
        running = {pool.submit(batch, each) for each in itertools.islice(batches, at_once)}
        while running:
            over, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for each in over:
                outcome = each.result()
                tally.add(outcome.tally)
                failed += show(outcome)
                if time.monotonic() < end and not failed:
                    running |= {pool.submit(batch, each) for each in itertools.islice(batches, 1)}
    counted = ", ".join(f"{number} {name}" for name, number in dataclasses.asdict(tally).items())
    print(f"{counted}; {failed} broke a law")
    return 1 if failed else 0


def show(outcome: Outcome) -> bool:
    """Print the schedule that broke a law, and return whether there is one."""
    if not outcome.broken:
        return False
    print(f"seed {outcome.seed}:")
    for law in outcome.broken:
        print(f"  {law}")
    replay = f"--kill {outcome.seed}" if outcome.schedule is None else f"--replay '{json.dumps(outcome.schedule)}'"
    print(f"  {COMMAND} {replay}", flush=True)
    return True


def _schedule(given: str) -> Json:
    text = given if given.startswith("{") else Path(given).read_text()
    return t.cast("Json", json.loads(text))


def report(broken: t.Sequence[str]) -> int:
    """Print the laws that broke, and return the exit code."""
    print("\n".join(broken) or "no law broke")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
