# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The privileges that the writes of a deployment need."""

from __future__ import annotations

import typing as t

from ..._core.run.privileges import INFERENCE, Allowing
from ..records.step import Step

_ML = "manage_ml"
_DEPLOYMENT = "cluster:admin/xpack/ml/trained_models/deployment"
ALLOWING: Allowing = {
    "start a deployment": (_ML, INFERENCE, f"{_DEPLOYMENT}/start"),
    "stop a deployment": (_ML, INFERENCE, f"{_DEPLOYMENT}/stop"),
    "update a deployment": (_ML, f"{_DEPLOYMENT}/update"),
    "update an inference endpoint": (INFERENCE, "cluster:admin/xpack/inference/update"),
}


def writes_of(steps: t.Iterable[Step]) -> set[str]:
    """Return the keys of *steps* in :data:`ALLOWING`."""
    return {
        f"{step.kind} a deployment" if step.endpoint_type is None else "update an inference endpoint" for step in steps
    }
