# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what a task reads of a cluster before it plans an alias."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator

UPGRADE_MODE, LICENCE = "/_ml/info", "/_xpack"


def looked_at(emulator: Emulator, **options: t.Any) -> set[str]:
    """Run the task, and return which of the two conditions of a cluster it has read."""
    emulator.forget()
    result = emulator.run_alias(model_alias="a", **options)
    assert not result.get("failed"), result["msg"]
    return {request["path"] for request in emulator.control("GET", "/requests")} & {UPGRADE_MODE, LICENCE}


@pytest.mark.parametrize(
    ("flavor", "to_set", "to_delete"),
    [("default", {UPGRADE_MODE, LICENCE}, {UPGRADE_MODE}), ("serverless", set(), set())],
)
def test_a_serverless_project_has_no_upgrade_mode_and_no_licence(
    flavor: str, to_set: set[str], to_delete: set[str]
) -> None:
    with Emulator("9.5.2", flavor=flavor) as emulator:
        assert looked_at(emulator, model_id="m") == to_set
        assert looked_at(emulator, model_id="m") == set()
        assert looked_at(emulator, state="absent") == to_delete
