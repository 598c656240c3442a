# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of an endpoint that is to be deleted. Pure."""

from __future__ import annotations

import typing as t

from .._consumers.mappings import Indices
from .._consumers.records import Pipelines, UsedBy
from .._core.http.schema import list_of, object_with, text
from .._ml.endpoint import Endpoint

DRY_RUN = object_with(pipelines=list_of(text), indexes=list_of(text))
"""Of the answer to the dry run of a deletion."""


def users_in_dry_run(answer: t.Mapping[str, t.Any], attached: tuple[str, ...] | None) -> UsedBy:
    """Return the users that Elasticsearch names in the *answer* to a dry run, with endpoints that are *attached*."""
    pipelines, indices = (tuple(sorted(answer.get(name) or ())) for name in ("pipelines", "indexes"))
    return UsedBy(attached, pipelines, (), indices)


def users_by_reading(
    inference_id: str, attached: tuple[str, ...] | None, pipelines: Pipelines | None, indices: Indices | None
) -> UsedBy:
    """Return the users among what was read; ``None`` may not be read."""
    return UsedBy(attached, _naming(inference_id, pipelines), (), _naming(inference_id, indices))


def attached_to(inference_id: str, endpoints: t.Iterable[Endpoint] | None) -> tuple[str, ...] | None:
    """Return the other endpoints that use the deployment of this one, which goes with it."""
    if endpoints is None:
        return None
    return tuple(
        sorted(
            each.inference_id
            for each in endpoints
            if each.deployment_id == inference_id and each.inference_id != inference_id
        )
    )


def _naming(inference_id: str, found: t.Mapping[str, frozenset[str]] | None) -> tuple[str, ...] | None:
    return None if found is None else tuple(sorted(name for name, ids in found.items() if inference_id in ids))
