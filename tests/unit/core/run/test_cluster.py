# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the server is read when a task asks for it, and never by a look at what is known."""

from __future__ import annotations

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import Client
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.cluster import ClusterConnection
from support.emulated_cluster import Emulator


def test_a_look_at_the_server_sends_nothing() -> None:
    with Emulator("9.5.3") as emulator:
        cluster = emulator.connect(Connection(("http://double:9200",)), emulator.clock.sleep)
        with pytest.raises(LookupError, match="read_server"):
            _server = cluster.server
        assert emulator.control("GET", "/requests") == []
        assert cluster.read_server() == cluster.read_server() == cluster.server
        assert [line["path"] for line in emulator.control("GET", "/requests")] == ["/"]


def test_a_connection_that_is_kept_open_forgets_and_stays() -> None:
    class Counting(ClusterConnection):
        forgotten = 0

        def forget(self) -> None:
            self.forgotten += 1

    closed: list[str] = []

    class Closing(Client):
        def close(self) -> None:
            closed.append("closed")

    for kept in (True, False):
        cluster = Counting(Closing(Connection(("http://double:9200",)), lambda _seconds: None))
        if kept:
            cluster.keep_open()
        cluster.close()
        assert cluster.forgotten == 1
    assert closed == ["closed"]


def test_a_connection_sends_nothing_by_itself() -> None:
    cluster = ClusterConnection.connected(Connection(("http://127.0.0.1:9",)), lambda _seconds: None)
    with pytest.raises(LookupError):
        _server = cluster.server
    cluster.close()
