# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state that earlier tasks of a dry run would have left, and the places that are predicted of allocations."""

from __future__ import annotations

import dataclasses
import types
import typing as t

from ..._capacity.records import Missing
from ..._ml.endpoint import Endpoint
from ..._ml.predicted_deployment import PredictedDeployments
from ..._ml.predictions import PredictedModel

Json = dict[str, t.Any]
_NOTHING: t.Mapping[str, t.Any] = types.MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Places:
    """The certainty of predicted nodes: the result key ``prediction``.

    ``kind``: ``None`` if nothing can be said. ``missing``: what could not be read. ``reasons``: why it is not exact.
    """

    kind: t.Literal["exact", "bounds"] | None
    missing: tuple[Missing, ...] = ()
    reasons: tuple[str, ...] = ()

    def as_result(self) -> Json:
        return {
            "kind": self.kind,
            "missing": [each.as_result() for each in self.missing],
            "reasons": list(self.reasons),
        }


class Predictions(t.NamedTuple):
    """The state that earlier tasks of a dry run would have left. ``aliases``: to their models, ``None`` if deleted.

    ``moved``: the ids of other deployments, whose places they would have changed. ``models`` and ``endpoints`` that are
    ``None`` would be deleted. ``upgrade_mode``: ``None`` if they would have left it as it is.
    """

    deployments: PredictedDeployments = _NOTHING
    aliases: t.Mapping[str, str | None] = _NOTHING
    moved: frozenset[str] = frozenset()
    models: t.Mapping[str, PredictedModel | None] = _NOTHING
    endpoints: t.Mapping[str, Endpoint | None] = _NOTHING
    upgrade_mode: bool | None = None


NO_PREDICTIONS = Predictions()
