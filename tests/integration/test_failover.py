# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test several hosts, a path prefix, retries: a cluster behind load balancers, and after an outage."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import threading
import typing as t
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from support.emulator_process import ONE_NODE, Emulator, emulator
from support.sockets import read, run


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with emulator(*ONE_NODE, "--interval", "0.002") as running:
        yield running


@pytest.fixture
def cluster(server: Emulator) -> Emulator:
    server.control("POST", "/reset")
    server.control("DELETE", "/journal")
    return server


@pytest.fixture
def dead() -> Iterator[str]:
    """Hold an address where nothing answers, for as long as the test runs."""
    with socket.socket() as taken:  # bound, so that no other process gets the port, but not listening
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextlib.contextmanager
def below(prefix: str, target: str) -> Iterator[tuple[str, list[str]]]:
    """Run a reverse proxy that has Elasticsearch below *prefix*, and yield the paths that it was asked for, too."""
    seen: list[str] = []

    class Passing(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.append(self.path)
            if not self.path.startswith(prefix):
                self.send_error(404, "nothing is here")
                return
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            address = urlsplit(target)
            connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
            connection.request(self.command, self.path.removeprefix(prefix), body or None, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name in ("content-type", "x-elastic-product"):
                self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_args: t.Any) -> None:
            """Log nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("dead_first", [True, False])
def test_reading_goes_on_with_the_next_host(cluster: Emulator, dead: str, dead_first: bool) -> None:
    hosts = [dead, cluster.url] if dead_first else [cluster.url, dead]
    for _time in range(3):
        assert read("/", hosts=hosts, request_retries=0)["version"]["number"]


def test_without_a_live_host_each_is_tried_once(dead: str) -> None:
    with pytest.raises(ApiError, match="connection refused"):
        read("/", hosts=[dead, dead.replace("127.0.0.1", "localhost")], request_retries=0)


@pytest.mark.parametrize("dead_first", [True, False])
@pytest.mark.parametrize("retries", [0, 3])
def test_each_write_arrives_once(cluster: Emulator, dead: str, dead_first: bool, retries: int) -> None:
    given: dict[str, t.Any] = {
        "hosts": [dead, cluster.url] if dead_first else [cluster.url, dead],
        "request_retries": retries,
        "model_id": "sentiment",
    }
    results = [
        run(**given),
        run(**given, number_of_allocations=2),
        run(**given, number_of_allocations=3, wait=False),
        run(**given, number_of_allocations=3),
        run(**given, state="restarted"),
        run(**given, state="stopped"),
    ]
    assert [result["operation"] for result in results] == ["start", "update", "update", "none", "restart", "stop"]
    paths = [write["path"].rpartition("/")[2] for write in cluster.writes()]
    assert paths == ["_start", "_update", "_update", "_stop", "_start", "_stop"]
    assert all(write["committed"] for write in cluster.writes())


@pytest.mark.parametrize("dead_first", [True, False])
def test_a_write_whose_answer_was_lost_is_not_sent_again(cluster: Emulator, dead: str, dead_first: bool) -> None:
    lost = {"operation": "start", "when": "after", "do": {"type": "reset"}}
    cluster.control("POST", "/faults", lost)
    hosts = [dead, cluster.url] if dead_first else [cluster.url, dead]
    result = run(hosts=hosts, model_id="sentiment")
    assert result["operation"] == "start", result.get("msg")
    assert [write["path"].rpartition("/")[2] for write in cluster.writes()] == ["_start"]


def test_a_path_prefix_is_kept(cluster: Emulator) -> None:
    with below("/behind/a-gateway", cluster.url) as (address, seen):
        hosts = [f"{address}/behind/a-gateway/"]
        assert run(hosts=hosts, model_id="sentiment")["operation"] == "start"
        assert run(hosts=hosts, model_id="sentiment", state="stopped")["operation"] == "stop"
        assert seen
        assert all(path.startswith("/behind/a-gateway/") for path in seen)
        with pytest.raises(ApiError, match="404"):
            read("/_ml/info", hosts=[address])
    assert len(cluster.writes()) == 2


def test_a_path_prefix_and_another_host(cluster: Emulator, dead: str) -> None:
    with below("/es", cluster.url) as (address, seen):
        assert read("/_ml/info", hosts=[f"{dead}/es", f"{address}/es"])["native_code"]
    assert seen == ["/es/_ml/info"]
