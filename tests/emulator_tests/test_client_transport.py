# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test elasticsearch-py's transport against the emulator, used as the collection uses it: plain requests by path.

Compression, kept connections, what is repeated by itself and what comes of it, and the exceptions of the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import elasticsearch
import pytest
from elastic_transport import Urllib3HttpNode
from elasticsearch import Elasticsearch

from emulator_tests.process import Process, running

MODELS: Final = "/_ml/trained_models"
START: Final = f"{MODELS}/m/deployment/_start"
STATS: Final = f"{MODELS}/m/_stats"
MEDIA: Final = "application/vnd.elasticsearch+json; compatible-with=8"
READ: Final = {"accept": MEDIA}
WRITE: Final = {"accept": MEDIA, "content-type": MEDIA}

pytestmark = pytest.mark.filterwarnings("ignore::elasticsearch.ElasticsearchWarning")


@pytest.fixture(scope="module", params=["8.19.21", "9.5.3"])
def process(request: pytest.FixtureRequest) -> Iterator[Process]:
    with running("--version", request.param, "--model", "m=1000") as found:
        yield found


@pytest.fixture
def server(process: Process) -> Process:
    """Reset the emulator for each test."""
    process.control("POST", "/reset")
    return process


Connect = Callable[..., Elasticsearch]


@pytest.fixture
def connect(server: Process) -> Iterator[Connect]:
    """Yield clients, closed in the end."""
    clients = []

    def made(**options: Any) -> Elasticsearch:
        clients.append(Elasticsearch(server.first["url"], request_timeout=30, **options))
        return clients[-1]

    yield made
    for client in clients:
        client.close()


def plant(server: Process, do: dict[str, Any], **aim: Any) -> None:
    server.control("POST", "/faults", {"do": do, **aim})


def asked(server: Process, path: str) -> list[dict[str, Any]]:
    """Return the requests of a path, without the greetings."""
    return [line for line in server.control("GET", "/requests") if line["path"] == path]


def test_compression(server: Process, connect: Connect) -> None:
    """Test server-behaviour.md 0: a compressed body is read; the answer is compressed for who takes it."""
    client = connect(http_compress=True)
    body = {"number_of_allocations": 2, "queue_capacity": 7, "cache_size": "1mb", "priority": "normal"}
    answer = client.perform_request("POST", START, headers=WRITE, body=body)
    assert answer.body["assignment"]["task_parameters"]["queue_capacity"] == 7
    assert answer.meta.headers["content-encoding"] == "gzip"
    (line,) = asked(server, START)
    assert (line["headers"]["content-encoding"], line["headers"]["accept-encoding"]) == ("gzip", "gzip")


def test_connections_are_kept(server: Process, connect: Connect) -> None:
    """Test server-behaviour.md 0: one connection serves reads, writes and refusals, one after the other."""
    client = connect()
    client.perform_request("POST", START, headers=WRITE, body={"number_of_allocations": 1})
    for _turn in range(20):
        client.perform_request("GET", STATS, headers=READ)
        with pytest.raises(elasticsearch.NotFoundError):
            client.perform_request("GET", f"{MODELS}/none", headers=READ)
    (node,) = client.transport.node_pool.all()
    assert isinstance(node, Urllib3HttpNode)
    assert (node.pool.num_connections, node.pool.num_requests) == (1, 41)


@pytest.mark.parametrize("do", ["bad_gateway", "service_unavailable", "gateway_timeout", "too_many_requests"])
def test_reads_are_repeated(server: Process, connect: Connect, do: str) -> None:
    """Test server-behaviour.md 7 item 13: a gateway's answer is repeated by default, and then the real answer comes."""
    plant(server, {"type": do}, operation="stats", times=2)
    assert connect().perform_request("GET", STATS, headers=READ).body["count"] == 1
    assert [line["status"] for line in asked(server, STATS)][-1] == 200
    assert len(asked(server, STATS)) == 3


def test_repeated_until_tries_are_used_up(server: Process, connect: Connect) -> None:
    """Test server-behaviour.md 7 item 13: the last answer becomes the exception, with its text, be it HTML."""
    plant(server, {"type": "bad_gateway", "by": "nginx"}, operation="stats", times=-1)
    with pytest.raises(elasticsearch.ApiError) as caught:
        connect(max_retries=2).perform_request("GET", STATS, headers=READ)
    assert caught.value.meta.status == 502
    assert "<html>" in str(caught.value.body)
    assert len(asked(server, STATS)) == 3


@pytest.mark.parametrize(("statuses", "tries"), [((500,), 2), ((503,), 1)])
def test_only_listed_statuses_are_repeated(
    server: Process, connect: Connect, statuses: tuple[int, ...], tries: int
) -> None:
    """Test that ``retry_on_status`` decides, not the emulator."""
    plant(server, {"type": "answer", "status": 500, "body": {"error": "x"}}, operation="stats")
    client = connect(retry_on_status=statuses, max_retries=1)
    if tries == 2:
        assert client.perform_request("GET", STATS, headers=READ).meta.status == 200
    else:
        with pytest.raises(elasticsearch.ApiError):
            client.perform_request("GET", STATS, headers=READ)
    assert len(asked(server, STATS)) == tries


def test_a_repeated_start_meets_itself(server: Process, connect: Connect) -> None:
    """Test server-behaviour.md 0: a start whose answer a gateway lost is sent again by default, and is then refused."""
    plant(server, {"type": "bad_gateway"}, operation="start", when="after")
    with pytest.raises(elasticsearch.BadRequestError) as caught:
        connect().perform_request("POST", START, headers=WRITE, body={})
    reason = "Could not start model deployment because an existing deployment with the same id [m] exist"
    assert caught.value.body["error"]["reason"] == reason
    assert [entry["committed"] for entry in server.control("GET", "/journal")] == [True, False]


def test_writes_are_sent_once_without_retries(server: Process, connect: Connect) -> None:
    """Test server-behaviour.md 7 item 13: as the collection sends writes."""
    plant(server, {"type": "gateway_timeout"}, operation="start", when="after")
    with pytest.raises(elasticsearch.ApiError) as caught:
        connect(max_retries=0).perform_request("POST", START, headers=WRITE, body={})
    assert caught.value.meta.status == 504
    (entry,) = server.control("GET", "/journal")
    assert entry["committed"] is True


@pytest.mark.parametrize("do", ["drop", "reset"])
def test_lost_connections(server: Process, connect: Connect, do: str) -> None:
    """Test that a lost connection is repeated on a new one, and is a connection error if it is lost each time."""
    plant(server, {"type": do}, operation="stats")
    client = connect(max_retries=1)
    assert client.perform_request("GET", STATS, headers=READ).meta.status == 200
    plant(server, {"type": do}, operation="stats", times=-1)
    with pytest.raises(elasticsearch.ConnectionError):
        client.perform_request("GET", STATS, headers=READ)
    server.control("DELETE", "/faults")
    assert client.perform_request("GET", STATS, headers=READ).meta.status == 200


def test_no_answer_in_time(server: Process, connect: Connect) -> None:
    """Test the client's own time limit; the server goes on serving others."""
    plant(server, {"type": "hang"}, operation="stats")
    client = connect(max_retries=0)
    with pytest.raises(elasticsearch.ConnectionTimeout):
        client.options(request_timeout=0.2).perform_request("GET", STATS, headers=READ)
    assert client.perform_request("GET", STATS, headers=READ).meta.status == 200


def test_half_an_answer(server: Process, connect: Connect) -> None:
    """Test JSON that ends too early."""
    plant(server, {"type": "truncate"}, operation="stats")
    with pytest.raises(elasticsearch.SerializationError):
        connect(max_retries=0).perform_request("GET", STATS, headers=READ)


def test_another_product(server: Process, connect: Connect) -> None:
    """Test server-behaviour.md 0: without its header it is not Elasticsearch."""
    plant(server, {"type": "no_product"}, operation="stats")
    with pytest.raises(elasticsearch.UnsupportedProductError):
        connect(max_retries=0).perform_request("GET", STATS, headers=READ)


def test_capacity_is_repeated_too(server: Process, connect: Connect) -> None:
    """Test server-behaviour.md 7 item 17.

    The client cannot tell a full cluster from a rate limit, and asks again for nothing.
    """
    with pytest.raises(elasticsearch.ApiError) as caught:
        connect(max_retries=2).perform_request("POST", START, headers=WRITE, body={"number_of_allocations": 999})
    assert caught.value.meta.status == 429
    assert len(asked(server, START)) == 3
