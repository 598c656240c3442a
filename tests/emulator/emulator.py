# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the emulator together: cluster, clock, journal, faults, security."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .control import effect_targets, effects
from .control.faults import Fault, Faults
from .control.journal import Journal
from .control.temporary import TemporaryStates
from .state.clock import DEFAULT_INTERVAL, Clock
from .state.cluster import Cluster, Config

_NAMED: Final[Mapping[str, tuple[effect_targets.Effect, effect_targets.Effect | None]]] = {
    "master_lost": ({"do": "lose_master"}, {"do": "elect_master"}),
    "scaler_tick": ({"do": "scaler_tick"}, None),
}
"""Faults that are effects under a shorter name, and what ends them."""


class Emulator:
    """Everything that the two ports share; used from one event loop only."""

    def __init__(
        self, config: Config, mode: str = "auto", interval: float = DEFAULT_INTERVAL, *, alone: bool = False
    ) -> None:
        self._begin = (config, mode, interval, alone)
        self.address = "127.0.0.1:9200"
        """The address of the API, as the nodes publish it."""
        self._build()

    def reset(self, config: Config | None = None) -> None:
        """Return to the beginning, or to another one."""
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
        self.temporary = TemporaryStates()
        self.cluster.round_listeners.append(self.temporary.round_begins)
        self.read_only = False
        self._freezers = 0
        self._unfrozen = (mode, False)

    def apply(self, fault: Fault) -> Any:
        """Do what a fault does to the cluster; return the result."""
        do, before = fault.do, fault.when == "before"
        if fault.type == "node_lost":
            node = effect_targets.node(self.cluster, do)
            self.cluster.remove_node(node.id)
            self.temporary.begin(lambda: self.cluster.add_node(node), do, now=before)
            return {"applied": True}
        if fault.type == "frozen_clock":
            self._freeze()
            self.temporary.begin(self._thaw, do, now=before)
            return {"applied": True}
        effect, back = _NAMED.get(fault.type) or (do["effect"], do.get("back"))
        result = effects.apply(self.cluster, effect)
        if back is not None:
            self.temporary.begin(lambda: self._undo(fault, back), do, now=before)
        return result

    def _undo(self, fault: Fault, back: effect_targets.Effect) -> None:
        """End a temporary state; if its target is gone, the fault's results say so."""
        try:
            effects.apply(self.cluster, back)
        except effects.IMPOSSIBLE as error:
            fault.results.append({"applied": False, "reason": str(error)})

    def _freeze(self) -> None:
        """Stop rounds and time; the first freezer keeps the previous mode."""
        self._freezers += 1
        if self._freezers == 1:
            self._unfrozen = (self.clock.mode, self.cluster.now.frozen)
            self.clock.mode = "manual"
            self.cluster.now.freeze()

    def _thaw(self) -> None:
        self._freezers -= 1
        if self._freezers == 0:
            self.clock.mode, frozen = self._unfrozen
            self.cluster.now.freeze(frozen)
            self.cluster.publish()
