# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the filters that show the health of deployments and inference endpoints."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.filter import health_problems as problems_file
from ansible_collections.mlops.elasticsearch.plugins.filter import health_table as table_file

Json = dict[str, t.Any]
health_problems = problems_file.FilterModule().filters()["health_problems"]
health_table = table_file.FilterModule().filters()["health_table"]
ADAPTIVE = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2}
USAGE = {"requests_last_minute": 120, "rejected_execution_count": 3, "error_count": 1, "timeout_count": 1}


def deployment(name: str, health: str = "ok", reason: str | None = None, **changes: t.Any) -> Json:
    return {
        "deployment_id": name,
        "model_id": name,
        "health": health,
        "health_reason": reason,
        "assignment_state": "started",
        "adaptive_allocations": None,
        "allocations": {"wanted": 2, "running": 1 if health == "degraded" else 2},
        "routing_table": {"x1": {"node_name": "ml-1"}, "x2": {"node_name": None}},
        "usage": USAGE,
        **changes,
    }


def endpoint(name: str, health: str = "ok", reason: str | None = None, uses: Json | None = None) -> Json:
    return {"inference_id": name, "health": health, "health_reason": reason, "deployment": uses}


LOST = endpoint("gone", "lost", "its deployment is gone, and inference requests fail")
FAILED = deployment("search", "failed", "0 of 2 allocations run; node ml-1 failed (no memory).", model_id="elser")


def test_the_table() -> None:
    few = deployment("few", "degraded", "1 of 2 allocations run")
    found = health_table([deployment("fine"), few, FAILED], [LOST, endpoint("e", uses=FAILED), endpoint("f", uses=few)])
    assert found == [
        "deployment      health     running  nodes     requests  rejected  endpoints",
        "(model)                   /desired            last min   /failed",
        "--------------  --------  --------  --------  --------  --------  ---------",
        "none            lost                                              gone",
        "search (elser)  failed         2/2  ml-1, x2       120       3/2  e",
        "few             degraded       1/2  ml-1, x2       120       3/2  f",
        "fine            ok             2/2  ml-1, x2       120       3/2",
        "",
        "Inference endpoint 'gone' is lost: its deployment is gone, and inference requests fail.",
        "  The playbook rescue starts its deployment again.",
        "Deployment 'search' has failed: 0 of 2 allocations run; node ml-1 failed (no memory).",
        "Inference endpoints that need it: 'e'.",
        "  Read the reasons. The playbook rescue starts it again.",
        "Deployment 'few' is degraded: 1 of 2 allocations run. Inference endpoints that need it:",
        "'f'.",
        "  Look at the nodes that it names, and at the room on all of them with the playbook",
        "  capacity.",
    ]


def test_what_is_not_known() -> None:
    unread = deployment("d", usage=None, routing_table=None, allocations={"wanted": 2, "running": None})
    assert health_table([unread])[3].split() == ["d", "ok", "?/2", "?", "?/?"]


def test_only_problems() -> None:
    assert health_table([deployment("fine")], None, True) == []
    [*_titles, row, _empty, _why, _what] = health_table(
        [deployment("fine"), deployment("d", "starting", "x")], [], True
    )
    assert row.split()[:2] == ["d", "starting"]


def test_endpoints_that_say_nothing_are_counted() -> None:
    outside, unused = endpoint("openai", "unknown", "..."), endpoint(".elser", "idle", "...")
    assert health_table([], [outside, outside, unused]) == [
        "Not shown: 2 inference endpoint(s) of services outside of the cluster, of which",
        "Elasticsearch shows nothing.",
        "Not shown: 1 inference endpoint(s) that have not been used yet.",
    ]
    assert health_problems([], [outside, unused]) == []


def test_an_endpoint_of_a_deployment_that_is_not_shown() -> None:
    zero = {"deployment_id": "other", "adaptive_allocations": None}
    found = health_table([], [endpoint("e", "zero", "no allocation runs, and no request wakes it", zero)])
    assert found[3].split() == ["other", "zero", "e"]
    assert found[-1] == "  Give it allocations, for instance with the playbook scale."


@pytest.mark.parametrize(
    ("adaptive", "well"), [(None, False), ({"enabled": False}, False), (ADAPTIVE, True)], ids=["none", "off", "on"]
)
def test_who_sleeps_is_well_if_a_request_wakes_it(adaptive: Json | None, well: bool) -> None:
    asleep = deployment("d", "zero", "no allocation runs", adaptive_allocations=adaptive)
    assert (health_problems([asleep]) == []) == well
    assert (health_problems([], [endpoint("e", "zero", "no allocation runs", asleep)]) == []) == well
    # What is well stands below what is not, whatever its word.
    rows = health_table([asleep, deployment("e", "starting", "x")])[3:5]
    assert [row.split()[0] for row in rows] == ["e", "d"]


def test_a_deployment_that_is_being_stopped() -> None:
    stopping = deployment("d", "degraded", "it is being stopped (client API call)", assignment_state="stopping")
    [problem] = health_problems([stopping])
    assert problem == {
        "kind": "deployment",
        "id": "d",
        "health": "degraded",
        "why": "Deployment 'd' is degraded: it is being stopped (client API call).",
        "what_to_do": "If that is a mistake, wait until it is gone, and start it again.",
    }
    assert "being stopped" in health_table([stopping])[3]


def test_lines_are_no_longer_than_they_may_be() -> None:
    wide = [deployment(f"deployment-{number}", "failed", "x " * 90, model_id="a-model" * 5) for number in range(3)]
    for width in (76, 88, 120):
        assert max(map(len, health_table(wide, [LOST], width=width))) <= max(width, 83)
