# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the plans of a rollback; ``tests/unit/deployment/apply/test_rollback.py`` applies them."""

from __future__ import annotations

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.plan import Plan
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.rollback import refuse_if_changed
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment


def test_what_another_client_changed_is_not_rolled_back() -> None:
    before = Deployment("d", "m", number_of_allocations=2)
    plan = Plan(before, before, "rollback")
    assert refuse_if_changed(plan, before) is plan
    with pytest.raises(Refusal, match="was changed by another client") as caught:
        refuse_if_changed(plan, Deployment("d", "m", number_of_allocations=3))
    assert caught.value.code == "conflict"
