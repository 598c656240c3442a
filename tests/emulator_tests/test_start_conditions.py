# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test rolling upgrades and upgrade mode (server-behaviour.md 3.1 rows 2b and 4, around-deployments.md 5.4)."""

from __future__ import annotations

from typing import Any

import pytest

from .api import Api

WITHIN = "Cannot start model deployment [m] while cluster upgrade is in progress."
OLD_TEXT = "Cannot start a new model deployment as not all nodes are on version {}. All nodes must be the same version"
UPGRADE_MODE = "Cannot perform {} action while upgrade mode is enabled"


def mixed(version: str, nodes: dict[str, int], value: Any) -> Api:
    api = Api(version, nodes, "eager")
    api.effect("set_setting", name="mixed_versions", value=value)
    return api


@pytest.mark.parametrize(
    ("version", "value", "refusal"),
    [
        ("9.5.3", True, WITHIN),
        ("9.0.1", True, WITHIN),
        ("9.5.3", "patch", None),
        ("8.10.0", True, WITHIN),
        ("8.9.2", True, OLD_TEXT.format("8.9.2")),
        ("8.9.2", "patch", OLD_TEXT.format("8.9.2")),
        ("8.9.0", "patch", None),
        ("8.2.0", True, OLD_TEXT.format("8.2.0")),
        ("8.1.3", True, None),
        ("8.0.0", True, None),
    ],
)
@pytest.mark.parametrize("nodes", [{"n1": 4}, {"n1": 4, "n2": 4}])
def test_a_start_during_a_rolling_upgrade(version: str, value: Any, refusal: str | None, nodes: dict[str, int]) -> None:
    api = mixed(version, nodes, value)
    answer = api.start()
    assert (answer.status, None if refusal is None else answer.reason) == (200 if refusal is None else 403, refusal)


@pytest.mark.parametrize("nodes", [{"n1": 4}, {"n1": 4, "n2": 4}])
def test_the_nodes_show_their_versions(nodes: dict[str, int]) -> None:
    api = mixed("9.5.3", nodes, True)
    shown = api.send("GET", "/_nodes").body["nodes"]
    [master] = api.send("GET", "/_nodes/_master").body["nodes"].values()
    assert {node["version"] for node in shown.values()} == {"9.5.3", "9.4.3"}
    assert master["version"] == "9.5.3"
    assert min(node["transport_version"] for node in shown.values()) < master["transport_version"]
    same = mixed("9.5.3", nodes, "patch").send("GET", "/_nodes").body["nodes"].values()
    assert len({node["version"] for node in same}) == 2
    assert len({node["transport_version"] for node in same}) == 1


def test_upgrade_mode() -> None:
    api = Api(clock="eager")
    api.started()
    assert api.send("POST", "/_ml/set_upgrade_mode", enabled="true").body == {"acknowledged": True}
    assert api.send("GET", "/_ml/info").body["upgrade_mode"] is True
    start = "cluster:admin/xpack/ml/trained_models/deployment/start"
    again = api.start()
    assert (again.status, again.reason) == (429, UPGRADE_MODE.format(start))
    assert api.send("DELETE", "/_ml/trained_models/m").reason == UPGRADE_MODE.format(
        "cluster:admin/xpack/ml/inference/delete"
    )
    assert api.update(number_of_allocations=2).status == 200
    assert api.stop().status == 200
    assert api.send("POST", "/_ml/set_upgrade_mode", enabled="false").status == 200
    assert api.start().status == 200


def test_an_upgrade_leaves_what_is_deployed_as_it_is() -> None:
    """Test it with a queue that is longer than the newer version allows (server-behaviour.md 1.1 and 7 item 8)."""
    api = Api("8.16.0")
    before = api.started(queue_capacity=500_000)
    api.effect("upgrade_server", version="9.5.3")
    assert api.send("GET", "/").body["version"]["number"] == "9.5.3"
    assert api.assignment() == before
    refused = api.start(deployment_id="longer", queue_capacity=500_000)
    assert (refused.status, "must be less than 100000" in refused.reason) == (400, True)
    with pytest.raises(ValueError, match="9.1.10 is older than 9.5.3"):
        api.effect("upgrade_server", version="9.1.10")
