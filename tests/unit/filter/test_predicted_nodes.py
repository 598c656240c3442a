# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the table of predicted nodes beside those of today."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.filter.predicted_nodes import FilterModule
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
predicted_nodes = FilterModule().filters()["predicted_nodes"]


def test_each_deployment_that_changes_has_a_row() -> None:
    with Emulator("9.5.3") as emulator:
        for name in ("grows", "stops", "stays"):
            emulator.effect("start_deployment", model_id="m", deployment_id=name)
            emulator.settle()
        items: list[Json] = [
            {"deployment_id": "grows", "number_of_allocations": 4},
            {"deployment_id": "stops", "state": "stopped"},
            {"deployment_id": "stays"},
            {"deployment_id": "new", "model_id": "m", "number_of_allocations": 3},
        ]
        planned = emulator.run_many(items, check_mode=True)["deployments"]
        assert predicted_nodes(planned) == [
            "deployment  change  nodes today  nodes after it  certain",
            "----------  ------  -----------  --------------  -------",
            "grows       update  n1 1         n1 3, n2 1      exact",
            "stops       stop    n1 1         none            exact",
            "new         start   none         n2 3            exact",
        ]


def test_what_is_not_known() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d")
        emulator.settle()
        emulator.allow("manage_ml")
        planned = emulator.run(check_mode=True, deployment_id="d", number_of_allocations=4)
        started = emulator.run(check_mode=True, deployment_id="e", model_id="m")
        items = [{"deployment_id": "d", **planned}, {"deployment_id": "e", **started}, {"deployment_id": "f"}]
        rows = predicted_nodes(items, 60)
        assert [row.split() for row in rows[2:]] == [
            ["d", "update", "n1", "1", "n1", "?,", "n2", "?", "bounds"],
            ["e", "start", "none", "n1", "?,", "n2", "?", "bounds"],
        ]


def test_the_nodes_of_today_are_those_before_the_change() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d")
        emulator.settle()
        [before] = [each["routing_table"] for each in emulator.info()["deployments"]]
        planned = emulator.run(check_mode=True, deployment_id="d", number_of_allocations=2)
        real = emulator.run(deployment_id="d", number_of_allocations=2)
        assert planned["routing_table_before"] == real["routing_table_before"] == before
        assert real["routing_table"] != before
        assert emulator.run(deployment_id="e", model_id="m")["routing_table_before"] == {}
        assert emulator.run(deployment_id="f", number_of_allocations=0, model_id="m")["routing_table_before"] is None
