# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that several threads may write with one client, and that large contents are sent as they are."""

from __future__ import annotations

import threading
import typing as t
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from elastic_transport import ApiResponseMeta, BaseNode, ConnectionTimeout, HttpHeaders
from elastic_transport._node._base import NodeApiResponse
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ReadTimeoutError

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import MEDIA_TYPE, Client, Request
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.transport import CONNECTIONS
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.send import MOST_AT_ONCE
from support.odd_servers import serving, telling

Json = dict[str, t.Any]
HEADERS = {
    "x-elastic-product": "Elasticsearch",
    "content-type": "application/json",
    "warning": '299 Elasticsearch-9.5.3 "is deprecated"',
}


def client_of(answer: t.Callable[[str], None]) -> tuple[Client, list[Json]]:
    """Return a client whose node calls *answer* with the path of each request, and what the node got."""
    got: list[Json] = []

    class Node(BaseNode):
        def perform_request(
            self,
            method: str,
            target: str,
            body: bytes | None = None,
            headers: HttpHeaders | None = None,
            request_timeout: t.Any = None,
        ) -> NodeApiResponse:
            got.append({"target": target, "body": body, "headers": headers, "request_timeout": request_timeout})
            answer(target)
            meta = ApiResponseMeta(
                node=self.config, duration=0.0, http_version="1.1", status=200, headers=HttpHeaders(HEADERS)
            )
            return NodeApiResponse(meta, b"{}")

        def close(self) -> None:
            """Close nothing."""

    return Client(Connection(("http://es:9200",)), node_class=Node), got


def test_a_large_content_is_sent_as_it_is() -> None:
    client, got = client_of(lambda path: None)
    content = b'{"definition":"AAAA"}'
    assert client.write("send", Request("PUT", "/part", {}), content=content) == {}
    assert got[0]["body"] is content
    assert got[0]["headers"]["content-type"] == MEDIA_TYPE


def test_each_thread_has_its_own_time() -> None:
    both = threading.Barrier(2)

    def late(_path: str) -> None:
        both.wait(10)
        raise ConnectionTimeout("late") from ReadTimeoutError(ConnectionPool("es"), "", "Read timed out.")

    client, got = client_of(late)

    def write(seconds: float) -> str:
        time.seconds = seconds
        with pytest.raises(ApiError) as failed:
            client.write("send", Request("PUT", f"/{seconds}", {}), content=b"{}")
        return str(failed.value)

    class Time(threading.local):
        seconds = 0.0

    time = Time()
    with client.within(lambda: time.seconds), ThreadPoolExecutor(2) as pool:
        messages = list(pool.map(write, (30.0, 7.0)))
    assert {request["target"]: request["request_timeout"] for request in got} == {"/30.0": 30.0, "/7.0": 7.0}
    assert ["within 30 seconds" in messages[0], "within 7 seconds" in messages[1]] == [True, True]


def test_warnings_of_servers_stay_silent_and_those_of_others_do_not() -> None:
    """The filters of Python are those of all threads: the first request must not end the silence of the second."""
    both, first_ended = threading.Barrier(2), threading.Event()

    def answer(path: str) -> None:
        both.wait(10)
        if path == "/second":
            first_ended.wait(10)

    client, _got = client_of(answer)

    def write(path: str) -> None:
        client.write("send", Request("PUT", path, {}), content=b"{}")
        first_ended.set()

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write, ("/first", "/second")))
        assert warnings.filters == before
        warnings.warn("of others", stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["of others"]


def test_the_client_has_a_connection_for_each_part_under_way() -> None:
    assert MOST_AT_ONCE <= CONNECTIONS
    with serving(telling({})) as port:
        client = Client(Connection((f"http://127.0.0.1:{port}",)))
        client.read("look", "/")
        (node,) = client._client.transport.node_pool.all()
        assert t.cast("t.Any", node).pool.pool.maxsize == CONNECTIONS
        client.close()
