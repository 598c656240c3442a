# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what becomes of the dry run of a list."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.plan_result import plan_result

Json = dict[str, t.Any]
REFUSED = {"capacity": "refused"}


def item(name: str, number: int, *targets: int | None, kind: str | None = "exact", **changes: t.Any) -> Json:
    return {
        "deployment_id": name,
        "allocations": {"wanted": number},
        "routing_table": {f"n{place}": {"target_allocations": target} for place, target in enumerate(targets)},
        "routing_source": "cluster_state",
        "prediction": {"kind": kind, "missing": [], "reasons": [f"reason of {name}"]},
        "start_checks": {"capacity": "ok"},
        **changes,
    }


@pytest.mark.parametrize(
    ("items", "fits", "kind"),
    [
        ([], True, "exact"),
        ([item("a", 3, 1, 2)], True, "exact"),
        ([item("a", 3, 1, 1)], False, "exact"),
        ([item("a", 3, 1, 2), item("b", 1)], False, "exact"),
        ([item("a", 3, 1, 2), item("b", 1, 1, kind="bounds")], None, "bounds"),
        ([item("a", 3, 2), item("b", 1, 1, kind="bounds")], False, "bounds"),
        ([item("a", 3, 3), item("b", 1, None, kind=None)], None, None),
        ([item("a", 0, allocations={"wanted": 0})], True, "exact"),
        ([item("a", 1, kind=None, start_checks=REFUSED)], False, "exact"),
        ([item("a", 1, kind=None, start_checks=REFUSED), item("b", 1, 1, kind="bounds")], False, "bounds"),
        ([item("a", 1, 1, start_checks={})], True, "exact"),
        ([item("a", 1, 1, prediction=None)], True, "exact"),
        ([item("a", 1, None, prediction=None)], None, None),
        ([item("a", 1, prediction=None, routing_source="prediction")], None, None),
        ([item("a", 0, allocations=None)], None, "exact"),
    ],
)
def test_whether_it_fits(items: list[Json], fits: bool | None, kind: str | None) -> None:
    found = plan_result({"deployments": items}, [])
    assert (found["fits"], found["kind"]) == (fits, kind)


WARNINGS = [
    "Deployment 'c' does not exist.",
    "The ML nodes may have room for none of the allocations of deployment 'b'.",
]


def test_each_deployment() -> None:
    found = plan_result({"deployments": [item("a", 3, 1, 1), item("b", 2, 2, kind="bounds")]}, WARNINGS)
    assert [
        (each["deployment_id"], each["wanted"], each["placed"], each["missing"]) for each in found["deployments"]
    ] == [
        ("a", 3, 2, 1),
        ("b", 2, None, None),
    ]
    unsaid = "1 of the 3 allocations of deployment 'a' would have no place."
    assert found["reasons"] == [WARNINGS[1], unsaid, "reason of a", "reason of b"]
