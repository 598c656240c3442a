# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test slow, wrong and strange servers, gateways and proxies on real sockets: which is named, and how soon."""

from __future__ import annotations

import json
import socket
import ssl
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError, ErrorKind
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http import client as clients
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import Client, Request
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client_errors import Transient
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from support import odd_servers as odd

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Elastic-Product: Elasticsearch\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n"
)
WELL = odd.telling({"cluster_name": "c"})


def stalling(before: bytes) -> odd.Act:
    """Say *before*, and then nothing until the other side gives up."""

    def act(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(before)
        odd.silent(connection)

    return act


def address(port: int, scheme: str = "http") -> str:
    return f"{scheme}://{odd.LOOPBACK}:{port}"


def asked(*hosts: str, write: bool = False, **options: t.Any) -> t.Any:
    options = {"request_retries": 0, **options}
    client = Client(Connection(hosts, **options), lambda _seconds: None)
    try:
        return client.write("change", Request("POST", "/path", {}, {"a": 1})) if write else client.read("look", "/path")
    finally:
        client.close()


def failed(*hosts: str, **options: t.Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        asked(*hosts, **options)
    return caught.value


STALLS = {
    "at once": b"",
    "within a line": b"HTTP/1.1 ",
    "within the headers": b"HTTP/1.1 200 OK\r\n",
    "within the answer": HEAD % 400 + b"{",
    "within a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
}


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("what", STALLS)
def test_no_silence_is_longer_than_request_timeout(what: str, write: bool) -> None:
    with odd.serving(stalling(STALLS[what])) as port:
        error = failed(address(port), request_timeout=0.2, write=write)
    assert error.kind == "timeout"
    assert f"no answer from {address(port)} within 0.2 seconds" in str(error)


WAYS: dict[str, dict[str, t.Any]] = {
    "plain": {},
    "TLS": {"validate_certs": False},
    "TLS, pinned": {"ca_fingerprint": "ab" * 32},
    "a proxy": {"proxy": ""},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_task_whose_time_is_up_waits_no_longer_in_any_handshake(way: str) -> None:
    with odd.serving(odd.silent) as port:
        host = address(port, "http" if way == "plain" else "https")
        options = {**WAYS[way], **({"proxy": address(port)} if way == "a proxy" else {})}
        client = Client(Connection((host,), request_retries=0, request_timeout=60, **options))
        began = time.monotonic()
        with pytest.raises(ApiError), client.within(lambda: 0.2, shortest_read=0.1):
            client.read("look", "/path")
        client.close()
    assert time.monotonic() - began < 20


def keeping(first: int, then: odd.Act) -> odd.Act:
    """Answer the *first* requests of one kept connection, in two parts with pauses, and then do *then*."""

    def act(connection: socket.socket) -> None:
        for _each in range(first):
            if not connection.recv(65536):
                return
            time.sleep(0.1)
            connection.sendall(HEAD.replace(b"Connection: close\r\n", b"") % 2)
            time.sleep(0.075)
            connection.sendall(b"{}")
        then(connection)

    return act


def test_each_request_has_the_whole_time() -> None:
    with odd.serving(keeping(3, odd.closing)) as port:
        client = Client(Connection((address(port),), request_retries=0, request_timeout=0.4))
        try:
            assert [client.read("look", "/") for _each in range(3)] == [{}, {}, {}]
        finally:
            client.close()


def test_a_request_on_a_kept_connection_has_its_own_time() -> None:
    with odd.serving(keeping(1, odd.silent)) as port:
        client = Client(Connection((address(port),), request_retries=0, request_timeout=60))
        assert client.read("look", "/") == {}
        began = time.monotonic()
        with pytest.raises(ApiError) as caught, client.within(lambda: 0.2, shortest_read=0.1):
            client.read("look", "/")
        client.close()
    assert caught.value.kind == "timeout"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("seconds", [1e7, 1e10, 1e18, 1e300])
def test_a_very_long_time_is_no_error(seconds: float) -> None:
    with odd.serving(WELL) as port:
        assert asked(address(port), request_timeout=seconds) == {"cluster_name": "c"}


def test_the_host_that_failed_is_named_alone() -> None:
    with odd.serving(odd.silent) as hanging, odd.refusing() as refusing:
        error = failed(address(hanging), address(refusing), request_timeout=0.3)
        assert f"no connection to {address(refusing)}: connection refused" in str(error)
        assert str(hanging) not in str(error)
        error = failed(address(refusing), address(hanging), request_timeout=0.3)
        assert f"no answer from {address(hanging)} within" in str(error)
        assert str(refusing) not in str(error)


def test_so_is_the_host_whose_answer_is_strange() -> None:
    with odd.refusing() as refusing, odd.serving(odd.answering("404 Not Found", "<h1>No</h1>")) as page:
        assert f"the server at {address(page)} answered 404" in str(failed(address(refusing), address(page)))


def test_a_host_may_be_named_twice() -> None:
    with odd.serving(WELL) as port:
        assert asked(address(port), address(port)) == {"cluster_name": "c"}


def socks(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"\x05\x00")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "act",
    [
        odd.closing,
        odd.resetting,
        odd.silent,
        socks,
        lambda connection: None,
        odd.answering("403 Forbidden", "<h1>No</h1>"),
    ],
    ids=["closing", "resetting", "silent", "socks", "at once", "403"],
)
def test_a_proxy_that_fails_is_named(scheme: str, act: odd.Act) -> None:
    with odd.serving(act) as port:
        sentence = str(failed(f"{scheme}://es.invalid:9200", proxy=address(port), request_timeout=0.3))
    assert f"the proxy {address(port)}" in sentence
    assert "speak TLS: then" not in sentence


def test_a_proxy_that_is_not_asked_is_not_named() -> None:
    with odd.refusing() as port:
        error = failed(address(port), proxy="http://proxy.invalid:3128", no_proxy=(odd.LOOPBACK,))
    assert "proxy" not in str(error)


ALERTS = {"bad_certificate": 42, "certificate_unknown": 46, "unknown_ca": 48}


@pytest.mark.parametrize("alert", ALERTS)
def test_no_one_is_reported_to_check_a_client_certificate_that_is_not_there(alert: str) -> None:
    with odd.serving(odd.saying(bytes([21, 3, 3, 0, 2, 2, ALERTS[alert]]))) as port:
        error = failed(address(port, "https"))
    assert error.kind == "tls"
    assert "the server requires a client certificate (" in str(error)
    assert str(error).endswith("Set client_cert and client_key.")


def test_an_authority_that_is_not_sent_cannot_be_recognised(tmp_path: Path) -> None:
    authority = odd.Authority(str(tmp_path / "ca.pem"))
    for sent, reported in ((authority.context(), True), (with_authority(authority, tmp_path), False)):
        with odd.serving(WELL, sent) as port:
            error = failed(address(port, "https"), ca_fingerprint="ab" * 32)
        assert "another fingerprint than ca_fingerprint" in str(error)
        assert ("the server must also send the authority" in str(error)) is reported


def with_authority(authority: odd.Authority, folder: Path) -> ssl.SSLContext:
    files = authority.client()
    (folder / "chain.pem").write_bytes(
        Path(files["client_key"]).read_bytes()
        + Path(files["client_cert"]).read_bytes()
        + Path(authority.path).read_bytes()
    )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / "chain.pem")
    return made


@pytest.mark.parametrize("name", ["video/mp4", "foo", "application/x-ndjson", "application/vnd.elasticsearch+arrow"])
def test_an_answer_of_any_type_keeps_its_status(name: str) -> None:
    with odd.serving(odd.answering("502 Bad Gateway", "no upstream", Content_Type=name)) as port:
        error = failed(address(port))
    assert (error.kind, error.status) == ("unavailable", 502)
    assert "answered 502: no upstream." in str(error)


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("video/mp4", "hello", "is not JSON (its content type is video/mp4), and begins with: hello."),
        ("foo", '{"version": {}}', "has the content type foo instead of JSON. A proxy in between"),
        ("application/json", "null", "is JSON but not an object: null."),
        ("text/plain", "{nothing}", "is not JSON (its content type is text/plain), and begins with: {nothing}."),
        ("foo", "[" * 100_000, "is not JSON (its content type is foo), and begins with: ["),
        ("application/json", "", "is empty."),
    ],
)
def test_what_an_answer_is_called_is_reported(name: str, body: str, said: str) -> None:
    with odd.serving(odd.answering("200 OK", body, product=True, Content_Type=name)) as port:
        error = failed(address(port))
    assert error.kind == "answer"
    assert said in str(error)


def test_json_is_json_in_any_letters() -> None:
    with odd.serving(odd.answering("200 OK", '{"a": 1}', product=True, Content_Type="Application/JSON")) as port:
        assert asked(address(port)) == {"a": 1}


@pytest.mark.parametrize("status", ["429 Too Many", "502 Bad", "503 Unavailable", "504 Timeout"])
@pytest.mark.parametrize("product", [True, False])
def test_json_of_a_gateway_is_not_taken_for_elasticsearch(status: str, product: bool) -> None:
    body = json.dumps({"error": {"type": "upstream_down", "reason": "no healthy upstream"}})
    act = odd.answering(status, body, product=product, Content_Type="application/json")
    with odd.serving(act) as port:
        error = failed(address(port))
    who = "Elasticsearch" if product else f"a gateway at {address(port)}"
    assert f"Cannot look: {who} answered {status[:3]}: no healthy upstream." in str(error)
    assert error.kind == "unavailable"


@pytest.mark.parametrize("feature", ["ml", "inference"])
def test_a_licence_may_lack_either_feature(feature: str) -> None:
    body = json.dumps(
        {"error": {"type": "security_exception", "reason": f"current license is non-compliant for [{feature}]"}}
    )
    with odd.serving(odd.answering("403 Forbidden", body, product=True, Content_Type="application/json")) as port:
        error = failed(address(port))
    assert error.kind == "licence"
    assert "when there is a licence that includes machine learning" in str(error)


@pytest.mark.parametrize("kind", ["unavailable", "connection"])
def test_pauses_are_bounded_however_often_one_tries(kind: ErrorKind) -> None:
    transient = Transient(ApiError(kind, "Cannot look."))
    assert [clients._pause(tries, transient) for tries in (10, 647, 5000)] == [10.0, 10.0, 10.0]
