# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choose the rules of a version of Elasticsearch (planner.md 10)."""

from __future__ import annotations

import dataclasses

Version = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Rules:
    """The rules that a version plans by.

    ``one_figure``: one estimate stands for a deployment's memory whatever its allocations. ``counts_current``: what
    runs on a node counts where more allocations are charged (planner.md 1.1). ``elser``: how ids of ELSER's models
    begin. ``elser_by_deployment``: the planner looks for that in the deployment's id. ``observes_memory``: memory that
    was observed counts, which is not known here. ``others``: rules that the version may follow instead.
    """

    one_figure: bool = False
    counts_current: bool = True
    elser: tuple[str, ...] = (".elser_model_1", ".elser_model_2")
    elser_by_deployment: bool = False
    observes_memory: bool = False
    others: tuple[Rules, ...] = ()

    @property
    def certain(self) -> bool:
        """Return whether the version follows these rules without doubt."""
        return not self.others and not self.observes_memory

    @classmethod
    def of(cls, version: Version | None) -> Rules:
        """Return the rules of a version, such as ``(8, 18, 0)``; ``None`` if it is not known."""
        if version is None:
            return dataclasses.replace(NEWER, others=(SETTLED, OLDER))
        release = (*version, 0, 0)[:3]
        if release < (8, 11, 0):
            return dataclasses.replace(OLDER, elser=OLDER.elser[:1])
        if release < (8, 12, 0):
            return OLDER
        if release < (8, 16, 0):
            return dataclasses.replace(SETTLED, others=(OLDER, NEWER))
        if release < (8, 19, 1) or (9, 0, 0) <= release < (9, 1, 1):
            return SETTLED
        return dataclasses.replace(NEWER, others=(SETTLED,), observes_memory=release >= (9, 6, 0))


OLDER = Rules(one_figure=True)
SETTLED = Rules(elser_by_deployment=True)
NEWER = Rules(counts_current=False)
