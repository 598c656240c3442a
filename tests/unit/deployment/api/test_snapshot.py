# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what one read of the deployments shows."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.snapshot import Snapshot

Json = dict[str, t.Any]
ROW: Json = {"model_id": "row", "deployment_stats": {"deployment_id": "d", "model_id": "m"}}


def test_a_deployment_belongs_to_the_model_that_its_statistics_name() -> None:
    found = Snapshot([ROW], misreports=False)
    assert found.lookup("m").other_deployments == ("d",)
    assert found.lookup("row") == (None, (), True)


def test_a_predicted_stop_is_found_whatever_id_the_row_has() -> None:
    found = Snapshot([ROW], misreports=False, predictions={"d": None})
    assert list(found) == []
    assert found.lookup("m") == (None, (), True)
