# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the lines about what a task did to a deployment."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.filter.deployment_summary import FilterModule, deployment_summary

Json = dict[str, t.Any]
CALL = {"method": "POST", "path": "/_ml/x/_update", "query": {}, "body": {"number_of_allocations": 3}}
ROUTE = {"node_name": "ml-1", "routing_state": "started", "current_allocations": 3, "target_allocations": 3}
REAL: Json = {
    "changed": True,
    "operation": "update",
    "skipped_because": None,
    "diff": {
        "before": {"number_of_allocations": 1, "adaptive_allocations": {"enabled": True}, "priority": "low"},
        "after": {"number_of_allocations": 3, "adaptive_allocations": None, "priority": "normal"},
    },
    "api_calls": [CALL, {**CALL, "path": "/_ml/x/_stop", "query": {"force": "true"}, "body": None}],
    "routing_table": {"n1": ROUTE, "n0": {**ROUTE, "node_name": None, "routing_state": "failed"}},
    "prediction": None,
    "allocations": {"running": 3, "wanted": 4},
}


def test_what_was_done() -> None:
    assert FilterModule().filters()["deployment_summary"](REAL, "x") == [
        "Deployment x: update",
        'Adaptive allocations: {"enabled": true} -> none',
        "Number of allocations: 1 -> 3",
        "Priority: low -> normal",
        'Request: POST /_ml/x/_update {"number_of_allocations": 3}',
        "Request: POST /_ml/x/_stop?force=true",
        "Node n0: failed, allocations: 3",
        "Node ml-1: started, allocations: 3",
        "Running: 3 of 4",
    ]


def test_what_would_be_done() -> None:
    predicted = {
        **{name: REAL[name] for name in ("changed", "operation", "allocations")},
        "prediction": {"kind": "bounds"},
        "routing_table": {"n1": ROUTE, "n2": {**ROUTE, "node_name": "ml-2", "target_allocations": None}},
        "routing_table_before": {"n1": {**ROUTE, "current_allocations": 1}},
    }
    assert deployment_summary(predicted, "x", dry_run=True) == [
        "Deployment x: update (dry run, nothing was sent)",
        "Node ml-1: allocations: 1 -> 3",
        "Node ml-2: allocations: 0 -> not certain",
    ]


@pytest.mark.parametrize("routes", [None, {}])
def test_why_nothing_was_done(routes: t.Any) -> None:
    empty = {"diff": None, "routing_table": routes, "routing_table_before": None, "allocations": None}
    skipped = {**empty, "operation": "none", "skipped_because": "it is adaptive"}
    assert deployment_summary(skipped, "x") == ["Deployment x: unchanged", "Skipped because it is adaptive"]
    failed = {**empty, "failed": True, "operation": "none", "msg": "No."}
    assert deployment_summary(failed, "x") == ["Deployment x: failed", "No."]


def test_refused_variables_have_no_deployment() -> None:
    refused = {"failed": True, "msg": "deployment_id is missing.", "answers": {}}
    assert deployment_summary(refused, None, True) == [
        "No deployment: failed (dry run, nothing was sent)",
        "deployment_id is missing.",
    ]
