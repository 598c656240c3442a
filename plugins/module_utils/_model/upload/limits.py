# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time that an upload may take, and the pauses before it tries something again."""

from __future__ import annotations

import math
import time
import typing as t

from ..._core.errors import NotReached

PAUSES = (1.0, 2.0, 4.0, 8.0, 10.0, 10.0)
"""Seconds before each further try: together a node that restarts, or a gateway that limits requests, has got time."""


class Limits(t.NamedTuple):
    """``time_left``: seconds that are left of the time limit of the task. ``sleep``: how a pause passes."""

    time_left: t.Callable[[], float] = lambda: math.inf
    sleep: t.Callable[[float], None] = time.sleep

    def refuse_late(self, what: str) -> None:
        """Refuse to go on if the time is over. *what*: a sentence that says what is missing.

        :raises NotReached: it is.
        """
        if self.time_left() <= 0:
            hint = "Run the task again: it goes on. wait_timeout sets how long it may take."
            raise NotReached("upload_incomplete", f"The time for the upload is over. {what} {hint}")

    def allow(self, tries: int) -> bool:
        """Return whether something that has failed *tries* times may be tried again, and then pause first."""
        if tries > len(PAUSES) or self.time_left() <= PAUSES[tries - 1]:
            return False
        self.sleep(PAUSES[tries - 1])
        return True
