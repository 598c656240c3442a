# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turns of inferences between two polls: slow ones must not keep the other deployments of a task from being polled."""

from __future__ import annotations

import math

SECONDS = 5.0
"""Seconds that inferences may take between two polls; the last one may take longer."""
FIRST_PATIENCE = 2.0
LONGEST_PATIENCE = 10.0
"""Seconds that the first inference of a deployment may take, and any: as long as Elasticsearch itself waits."""


class Turns:
    """The deployments that may be asked between two polls: the longest waiting of those that missed a turn first."""

    def __init__(self) -> None:
        self._left = SECONDS
        self._count = 0
        self._asked: dict[str, int] = {}
        """Deployment to the number of its last inference."""
        self._patience: dict[str, float] = {}
        self._whys: dict[str, str] = {}
        self._first: set[str] = set()
        self._missed: set[str] = set()

    def begin_round(self) -> None:
        """Begin again after a poll."""
        self._left, self._first, self._missed = SECONDS, self._missed, set()

    def may_ask(self, deployment_id: str) -> bool:
        """Return whether it is the turn of a deployment."""
        longest_waiting = min((self._asked.get(each, 0) for each in self._first), default=math.inf)
        is_turn = self._left > 0 and self._asked.get(deployment_id, 0) <= longest_waiting
        if not is_turn:
            self._missed.add(deployment_id)
        return is_turn

    def patience(self, deployment_id: str) -> float:
        """Return the seconds that an inference may take: few at first, because the others of the task wait."""
        return self._patience.get(deployment_id, FIRST_PATIENCE)

    def why(self, deployment_id: str) -> str:
        """Return why the last inference has no answer; empty if there was none yet."""
        return self._whys.get(deployment_id, "")

    def note(self, deployment_id: str, seconds: float, why: str = "") -> None:
        """Note an inference of a deployment, how long it took, and *why* it has no answer."""
        self._patience[deployment_id] = min(2 * self.patience(deployment_id), LONGEST_PATIENCE)
        self._whys[deployment_id] = why
        self._left -= seconds
        self._count += 1
        self._asked[deployment_id] = self._count
        self._first.discard(deployment_id)
