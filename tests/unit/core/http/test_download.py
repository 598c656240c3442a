# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test downloads from other servers: redirects, TLS, proxies, and what these servers must not see."""

from __future__ import annotations

import ssl
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.download import (
    DownloadError,
    download,
    refuse_bad_url,
    shown_address,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from support.file_server import serving_file
from support.forward_proxy import forward_proxy
from support.odd_servers import Authority, answering, serving

CONTENT = b"a model"
CLUSTER = Connection(("https://es:9200",))


def get(url: str, connection: Connection = CLUSTER, **options: t.Any) -> bytes:
    found = download(connection, url, 5.0, **options)
    try:
        return found.read(1000)
    finally:
        found.close()


def cluster(**options: t.Any) -> Connection:
    return Connection(("https://es:9200",), **options)


def test_redirects_are_followed() -> None:
    with serving_file(CONTENT) as server:
        server.redirects = {"/a": "/b", "/b": server.url}
        assert get(server.url.replace("model.pt", "a")) == CONTENT
        assert [path for path, _headers in server.seen] == ["/a", "/b", "/model.pt"]


def test_redirects_end() -> None:
    with serving_file(CONTENT, redirects={"/model.pt": "/model.pt"}) as server:
        with pytest.raises(DownloadError, match="more than 5 redirects"):
            get(server.url)
        assert len(server.seen) == 6


@pytest.mark.parametrize("location", ["ftp://other/model.pt", "http://[", "file:///etc/passwd", "http://[x]"])
def test_a_redirect_leads_to_a_web_server(location: str) -> None:
    with (
        serving_file(CONTENT, redirects={"/model.pt": location}) as server,
        pytest.raises(DownloadError, match="redirects to an invalid address"),
    ):
        get(server.url)


def test_a_redirect_never_leaves_tls(tmp_path: Path) -> None:
    authority = Authority(str(tmp_path / "ca"))
    with serving_file(CONTENT) as plain, serving_file(CONTENT, authority.context()) as secure:
        secure.redirects = {"/model.pt": plain.url}
        with pytest.raises(DownloadError, match="redirects to an address without TLS"):
            get(secure.url, cluster(ca_path=authority.path))
        assert plain.seen == []
        plain.redirects = {"/model.pt": secure.url.replace("model.pt", "x")}
        assert get(plain.url, cluster(ca_path=authority.path)) == CONTENT


def test_the_authority_of_the_cluster_is_trusted_and_no_other(tmp_path: Path) -> None:
    authority = Authority(str(tmp_path / "ca"))
    with serving_file(CONTENT, authority.context()) as server:
        assert get(server.url, cluster(ca_path=authority.path)) == CONTENT
        assert get(server.url, cluster(validate_certs=False)) == CONTENT
        for other in (cluster(), cluster(ca_fingerprint="0" * 64)):
            with pytest.raises(DownloadError, match="the TLS connection failed .*certificate") as failed:
                get(server.url, other)
            assert not failed.value.transient


def test_no_client_certificate_is_shown(tmp_path: Path) -> None:
    authority = Authority(str(tmp_path / "ca"))
    context = authority.context()
    shown: list[t.Any] = []
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_OPTIONAL
    with serving_file(CONTENT, context) as server:
        server.before_answer = lambda: shown.append(server)
        assert get(server.url, cluster(ca_path=authority.path, **authority.client())) == CONTENT
        context.verify_mode = ssl.CERT_REQUIRED
        with pytest.raises(DownloadError):
            get(server.url, cluster(ca_path=authority.path, **authority.client()))
    assert len(shown) == 1


def test_the_proxy_is_that_of_the_connection(tmp_path: Path) -> None:
    authority = Authority(str(tmp_path / "ca"))
    with forward_proxy() as proxy, serving_file(CONTENT) as plain, serving_file(CONTENT, authority.context()) as secure:
        through = {"proxy": proxy.url, "ca_path": authority.path}
        for server, verb in ((plain, "GET"), (secure, "CONNECT")):
            proxy.forget()
            assert get(server.url + "?a=b", cluster(**through)) == CONTENT
            assert [line.split()[0] for line in proxy.seen()] == [verb]
            assert server.seen[-1][0] == "/model.pt?a=b"
            proxy.forget()
            assert get(server.url, cluster(no_proxy=("127.0.0.1",), **through)) == CONTENT
            assert proxy.seen() == []


def test_a_part_is_only_taken_of_the_same_file() -> None:
    with serving_file(CONTENT) as server:
        assert get(server.url, start=2, revision='"1"') == CONTENT[2:]
        assert get(server.url, start=2, revision='"2"') == CONTENT


@pytest.mark.parametrize("content_range", ["", "bytes */7", "items 0-1/2"])
def test_a_part_that_is_not_named_is_refused(content_range: str) -> None:
    act = answering("206 Partial Content", b"abc", Content_Range=content_range)
    with serving(act) as port, pytest.raises(DownloadError, match="without saying which"):
        get(f"http://127.0.0.1:{port}/")


def test_a_server_that_does_not_speak_http() -> None:
    with serving(lambda connection: connection.sendall(b"SSH-2.0-x\r\n")) as port:
        with pytest.raises(DownloadError, match="the connection failed") as failed:
            get(f"http://127.0.0.1:{port}/")
        assert failed.value.transient


@pytest.mark.parametrize("url", ["http://", "http:///x", "http://a:b/", "https://[::1", "http://a:99999/x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(Refusal, match="definition '.*' is not a URL") as refused:
        refuse_bad_url("definition", url)
    assert refused.value.code == "invalid_address"


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(Refusal, match="contains credentials") as refused:
        refuse_bad_url("definition", "https://me:secret@store/model.pt?x=secret")
    assert "secret" not in str(refused.value)
    refuse_bad_url("definition", "https://store/team@eu/model.pt?user=a@b")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a/b?sig=1", "https://a/b"),
        ("https://u:p@a/b#c", "https://a/b"),
        ("https://u:p?x@a/b", "https://u:p"),
        ("https://a/x@y", "https://a/x@y"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, shown: str) -> None:
    assert shown_address(url) == shown
