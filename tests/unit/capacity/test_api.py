# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is read of a cluster's capacity, how often, and with which privileges."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.api import (
    STATE_FIELDS,
    STATE_PATH,
    CapacityReader,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.records import Capacity
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.schemas import STATE_NODES
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
NODES = ("n1=4,8gb,a", "n2=7.5,16gb,b")
MEMORY, SETTINGS = "/_ml/memory/_stats", "/_cluster/settings"


def reader_on(emulator: Emulator) -> tuple[CapacityReader, Json | None]:
    """Return a reader, and the cluster state that it is given."""
    cluster = emulator.connected()
    client = cluster._client
    try:
        state = client.read("read the state", STATE_PATH, {"filter_path": ",".join(STATE_FIELDS)})
    except ApiError:
        state = None
    emulator.forget()
    return CapacityReader(client, lambda: cluster.server), state


def paths(emulator: Emulator) -> list[str]:
    return [request["path"] for request in emulator.control("GET", "/requests")]


def test_it_is_read_once() -> None:
    with Emulator("9.1.0", NODES) as emulator:
        reader, state = reader_on(emulator)
        STATE_NODES((state or {})["nodes"])
        found = reader.read(state)
        assert found.missing == ()
        assert [(node.name, node.cores(1), node.ml_memory, node.attributes["zone"]) for node in found.nodes] == [
            ("n1", 4, 8 << 30, "a"),
            ("n2", 8, 16 << 30, "b"),
        ]
        assert sorted(paths(emulator)) == [SETTINGS, MEMORY]
        assert reader.read(state) == found
        assert len(paths(emulator)) == 2
        reader.forget()
        assert reader.read(state) == found
        assert len(paths(emulator)) == 4


def test_the_settings_are_not_asked_for_in_vain() -> None:
    with Emulator("9.1.0", NODES) as emulator:
        emulator.allow("monitor_ml")
        reader, state = reader_on(emulator)
        assert state is None
        found = reader.read(state)
        assert paths(emulator) == [MEMORY]
        assert {missing.what for missing in found.missing} == {"zones", "shutdowns", "settings", "routing_table"}
        assert {missing.privilege for missing in found.missing} == {"monitor"}
        assert [node.memory for node in found.nodes] == [(8 << 30) - (30 << 20), (16 << 30) - (30 << 20)]


def test_versions_without_memory_statistics_are_not_asked() -> None:
    with Emulator("8.1.0", NODES) as emulator:
        reader, state = reader_on(emulator)
        found = reader.read(state)
        assert paths(emulator) == [SETTINGS]
        assert [(missing.what, missing.privilege) for missing in found.missing] == [("memory", None)]


def test_serverless_is_not_asked() -> None:
    with Emulator("9.1.0", NODES, flavor="serverless") as emulator:
        reader, state = reader_on(emulator)
        found: Capacity = reader.read(state)
        assert paths(emulator) == []
        assert found.nodes == ()
        assert found.lacks("memory")
        assert found.lacks("zones")


def test_an_answer_that_is_none_fails() -> None:
    with Emulator("9.1.0", NODES) as emulator:
        reader, state = reader_on(emulator)
        emulator.fault("memory", {"type": "answer", "status": 200, "body": {"nodes": {"n1": {"roles": ["ml"]}}}})
        with pytest.raises(ApiError) as caught:
            reader.read(state)
        assert caught.value.kind == "answer"
