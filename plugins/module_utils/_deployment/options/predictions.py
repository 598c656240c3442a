# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Predictions: the state that earlier tasks of a dry run would have left."""

from __future__ import annotations

import typing as t

from ..._core.run.predictions import Predicted
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._ml.predicted_deployment import ENTRY, predicted_deployments
from ..._ml.predictions import (
    predicted_aliases,
    predicted_endpoints,
    predicted_trained_models,
    predicted_upgrade_mode,
)
from ..records.prediction import Predictions


def predictions(params: t.Mapping[str, t.Any], server: Server) -> Predictions:
    """Return what earlier tasks of the dry run would have changed on *server*.

    :raises Refusal: the option has what no fact has.
    """
    found = Predicted(params, "deployments", ENTRY).on(server)
    return Predictions(
        predicted_deployments(params, server),
        predicted_aliases(params, server),
        frozenset(name for entry in found.values() for name in entry.get("moved") or ()),
        predicted_trained_models(params, server),
        predicted_endpoints(params, server),
        predicted_upgrade_mode(params, server),
    )


def not_followed(params: t.Mapping[str, t.Any], server: Server, deployment_id: str) -> tuple[WarningText, ...]:
    """Return a warning if an earlier task of the dry run may have changed the deployment on *server* or elsewhere."""
    return Predicted(params, "deployments", ENTRY).not_followed(deployment_id, "deployment", server)
