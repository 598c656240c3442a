# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of an endpoint that is to be deleted. Pure."""

from __future__ import annotations

import typing as t

from .._consumers.records import Consumers, UsedBy
from .._consumers.users import endpoint_users
from .._core.http.schema import list_of, object_with, text
from .._ml.endpoint import Endpoint

DRY_RUN = object_with(pipelines=list_of(text), indexes=list_of(text))
"""Of the answer to the dry run of a deletion."""


def users_in_dry_run(stored: Endpoint, answer: t.Mapping[str, t.Any], endpoints: tuple[Endpoint, ...] | None) -> UsedBy:
    """Return the users that Elasticsearch names in the *answer* to a dry run, with the *endpoints* that it leaves out.

    These use the deployment of the endpoint, which goes with it.
    """
    pipelines, indices = (tuple(sorted(answer.get(name) or ())) for name in ("pipelines", "indexes"))
    found = endpoint_users(stored, Consumers(endpoints))
    return found._replace(ingest_pipelines=pipelines, semantic_text_indices=indices)
