# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is certain to refuse a start, and what is not certain (server-behaviour.md 3.1 rows 2b to 4)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import CODES, Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.obstacles import OBSTACLES
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.start_conditions import (
    NO_CHECKS,
    judge,
    refuse_start,
    unread_warning,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.start_conditions import (
    NodeVersion,
    StartConditions,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.step import Step

NEW, OLD = NodeVersion("9.5.3", 9_185_0_00), NodeVersion("9.4.3", 9_112_0_00)
PATCH = NodeVersion("9.5.2", 9_185_0_00)
LATER_PATCH = NodeVersion("9.5.4", 9_185_0_01)


def server(version: str, flavor: str = "default") -> Server:
    return Server(version, flavor, "")


VERSIONS: dict[str, tuple[tuple[NodeVersion, ...], NodeVersion | None, str]] = {
    "all the same": ((NEW, NEW), None, "ok"),
    "an older node": ((NEW, OLD), NEW, "refused"),
    "the master is the oldest": ((NEW, OLD), OLD, "ok"),
    "an older patch with the same transport version": ((NEW, PATCH), NEW, "ok"),
    "a patch with a transport version of its own": ((NEW, LATER_PATCH), LATER_PATCH, "refused"),
    "no master": ((NEW, OLD), None, "not_read"),
    "a minor without transport versions": (
        (NodeVersion("9.4.3"), NodeVersion("9.5.3")),
        NodeVersion("9.5.3"),
        "refused",
    ),
    "an older master without transport versions": (
        (NodeVersion("9.4.3"), NodeVersion("9.5.3")),
        NodeVersion("9.4.3"),
        "ok",
    ),
    "patches without transport versions": (
        (NodeVersion("9.5.2"), NodeVersion("9.5.3")),
        NodeVersion("9.5.3"),
        "not_read",
    ),
    "any difference before 8.10": ((NodeVersion("8.9.1"), NodeVersion("8.9.2")), NodeVersion("8.9.1"), "refused"),
    "a master before 8.2": ((NodeVersion("8.1.3"), NodeVersion("8.2.0")), NodeVersion("8.1.3"), "ok"),
}


@pytest.mark.parametrize("name", VERSIONS)
def test_versions_of_the_nodes(name: str) -> None:
    nodes, master, expected = VERSIONS[name]
    for order in (nodes, nodes[::-1]):
        assert judge(StartConditions(order, master), server("9.5.3"))["versions"] == expected


def test_the_form_of_a_transport_version() -> None:
    assert NodeVersion.from_api({"version": "9.5.3", "transport_version": 9185000}) == NodeVersion("9.5.3", 9185000)
    assert NodeVersion.from_api({"version": "9.5.3", "transport_version": "9.5-name"}) == NodeVersion("9.5.3")


@pytest.mark.parametrize(("read", "expected"), [(True, "ok"), (False, "refused"), (None, "not_read")])
def test_licence_and_upgrade_mode(read: bool | None, expected: str) -> None:
    mode = None if read is None else not read
    checks = judge(StartConditions(None, None, read, mode), server("9.5.3"))
    assert checks == {"versions": "not_read", "licence": expected, "upgrade_mode": expected}


def test_what_a_server_does_not_ask() -> None:
    assert judge(StartConditions((NEW, OLD), NEW), server("8.1.3"))["versions"] is None
    assert set(judge(StartConditions(), server("8.11.0", "serverless")).values()) == {None}


def test_the_first_obstacle_is_the_servers() -> None:
    names = list(OBSTACLES)
    for number, name in enumerate(names):
        checks: dict[str, t.Any] = {**NO_CHECKS, **dict.fromkeys(names[number:], "refused")}
        with pytest.raises(Refusal) as caught:
            refuse_start(Step("start", "d"), checks)
        assert caught.value.code == CODES[name]
        assert "'d' cannot be started now" in str(caught.value)
    refuse_start(Step("start", "d"), NO_CHECKS)


def test_the_warning_names_what_was_not_read_and_the_privileges() -> None:
    assert unread_warning("d", NO_CHECKS) == ()
    [one] = unread_warning("d", {**NO_CHECKS, "licence": "not_read"})
    assert "because the licence could not be read. Reading that needs the cluster privilege monitor." in one
    [some] = unread_warning("d", {**NO_CHECKS, "licence": "not_read", "upgrade_mode": "not_read"})
    assert "because the licence and upgrade mode could not be read. " in some
    assert some.endswith("Reading that needs the cluster privileges monitor and monitor_ml.")
