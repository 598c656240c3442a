# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run programs that end with the test that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

Text = t.TypeVar("Text", str, bytes)


@contextlib.contextmanager
def ended_with_the_block(process: subprocess.Popen[Text]) -> Iterator[None]:
    """Ask the *process* to end when the block does; if it does not within a minute, end it."""
    with process:  # closes its pipes
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            finally:
                process.kill()  # does nothing to one that has ended
                process.wait()


def kill_with_children(process: subprocess.Popen[Text]) -> None:
    """End the *process* and all that come from it with SIGKILL.

    The group of the process is not enough: Ansible's workers have sessions of their own. One that lives on would send
    its requests to whichever server of another test takes the port next.
    """
    for pid in _family(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(timeout=30)


def _family(pid: int) -> list[int]:
    shown = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, shown.splitlines())}
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def finished(
    command: t.Sequence[str], env: t.Mapping[str, str], timeout: float, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end without any input. Its output includes its standard error."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
