# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test which deployments hang while they start."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.stuck import needs_restart
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.routing import Route

LOADING = (Route("n", "n", "starting", None, None, 2),)


def deployment(state: t.Any, *routes: Route) -> Deployment:
    return Deployment("d", "m", number_of_allocations=2, assignment_state=state, routes=routes)


@pytest.mark.parametrize(
    ("observed", "needed"),
    [
        (deployment("starting", *LOADING), True),
        (deployment("starting"), False),
        (deployment("started"), False),
        (deployment("failed"), True),
        (deployment("stopping"), True),
        (None, False),
    ],
)
def test_what_was_stuck_is_restarted_unless_it_has_come_up(observed: Deployment | None, needed: bool) -> None:
    assert needs_restart(observed) == needed
