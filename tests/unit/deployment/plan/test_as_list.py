# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the items that make what runs; ``tests/laws/test_as_list.py`` applies them."""

from __future__ import annotations

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.as_list import as_list
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment


@pytest.mark.parametrize(
    ("number", "flavor", "expected"),
    [
        (2, "default", {"number_of_allocations": 2}),
        (2, "serverless", {}),
        (None, "default", {}),
        (0, "default", {"allow_zero": True}),
    ],
)
def test_the_number_that_a_list_can_ask_for(number: int | None, flavor: str, expected: dict[str, object]) -> None:
    [item] = as_list([Deployment("d", "m", number_of_allocations=number)], Server("9.5.3", flavor, ""))
    assert item == {"deployment_id": "d", "model_id": "m", **expected}
