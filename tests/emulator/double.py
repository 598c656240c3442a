# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double as a whole: cluster, clock, journal, faults, security."""

from __future__ import annotations

from .control import effects
from .control.faults import Fault, Faults
from .control.journal import Journal
from .security.accounts import User
from .state.clock import DEFAULT_INTERVAL, Clock
from .state.cluster import Cluster, Config


class Double:
    """Everything that the two ports share. Used from one event loop only."""

    def __init__(
        self, config: Config, mode: str = "auto", interval: float = DEFAULT_INTERVAL, *, alone: bool = False
    ) -> None:
        self._begin = (config, mode, interval, alone)
        self._build()

    def reset(self, config: Config | None = None) -> None:
        """Back to the beginning, or to another one."""
        self.clock.close()
        if config is not None:
            self._begin = (config, *self._begin[1:])
        self._build()

    def _build(self) -> None:
        config, mode, interval, alone = self._begin
        self.cluster = Cluster(config)
        self.clock = Clock(self.cluster, mode, interval, alone=alone)
        self.journal = Journal()
        self.faults = Faults()
        self.user: User | None = None
        self.read_only = False

    def apply(self, fault: Fault) -> None:
        """The effect that a fault carries."""
        effects.apply(self.cluster, fault.do["effect"])
