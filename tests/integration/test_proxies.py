# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test a real forward proxy: with TLS and without, with credentials, with a cloud id; and past it."""

from __future__ import annotations

import base64
import typing as t
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import trustme

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from support.authentication_methods import TRUSTS, WAYS, certificate, secured, trusting
from support.emulator_process import Emulator
from support.forward_proxy import Proxy, forward_proxy
from support.sockets import read, run

WHO = "/_security/_authenticate"
CREDENTIALS: dict[str, t.Any] = {"proxy_username": "ada", "proxy_password": "pässwörd"}
USER, LOGIN = WAYS["api_key"]


class Setting(t.NamedTuple):
    plain: Emulator
    tls: Emulator
    proxy: Proxy
    locked: Proxy

    def reach(self, trust: str) -> dict[str, t.Any]:
        return {**trusting(trust, self.plain if trust == "http" else self.tls), **LOGIN}

    def asked(self, trust: str, times: int = 1) -> list[str]:
        """Return what a proxy is asked for. A fingerprint takes one more connection, to look at certificates."""
        server = self.plain if trust == "http" else self.tls
        method = "GET" if trust == "http" else "CONNECT"
        return [f"{method} {server.url.partition('//')[2]}"] * (2 * times if trust == "ca_fingerprint" else times)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("users")
    with (
        secured(folder) as plain,
        secured(folder, "--tls") as tls,
        forward_proxy() as proxy,
        forward_proxy("--basic-auth", "ada:pässwörd") as locked,
    ):
        yield Setting(plain, tls, proxy, locked)


@pytest.fixture
def setting(servers: Setting) -> Setting:
    servers.proxy.forget()
    servers.locked.forget()
    return servers


@pytest.mark.parametrize("trust", TRUSTS)
def test_requests_go_through_the_proxy(setting: Setting, trust: str) -> None:
    assert read(WHO, **setting.reach(trust), proxy=setting.proxy.url)["username"] == USER
    assert setting.proxy.seen() == setting.asked(trust)


@pytest.mark.parametrize("trust", TRUSTS)
def test_the_proxy_gets_its_credentials(setting: Setting, trust: str) -> None:
    assert read(WHO, **setting.reach(trust), proxy=setting.locked.url, **CREDENTIALS)["username"] == USER
    assert setting.locked.seen() == setting.asked(trust)


@pytest.mark.parametrize("trust", TRUSTS)
def test_the_proxy_keeps_out_whom_it_does_not_know(setting: Setting, trust: str) -> None:
    with pytest.raises(ApiError, match=f"the proxy {setting.locked.url} .*407.* Check proxy_username") as caught:
        read(WHO, **setting.reach(trust), proxy=setting.locked.url)
    assert caught.value.kind == "credentials"
    with pytest.raises(ApiError, match="407") as caught:
        read(WHO, **setting.reach(trust), proxy=setting.locked.url, proxy_username="ada", proxy_password="wrong-one")
    assert "wrong-one" not in str(caught.value)
    assert setting.locked.seen() == []


@pytest.mark.parametrize("trust", TRUSTS)
def test_no_proxy_leads_past_it(setting: Setting, trust: str) -> None:
    for no_proxy in (["127.0.0.0/8"], ["*"], "es.example.com,127.0.0.1"):
        assert read(WHO, **setting.reach(trust), proxy=setting.proxy.url, no_proxy=no_proxy)["username"] == USER
    assert setting.proxy.seen() == []


@pytest.mark.parametrize("trust", TRUSTS)
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_variables_name_the_proxy(setting: Setting, trust: str, case: t.Callable[[str], str]) -> None:
    environ = {case(f"{'http' if trust == 'http' else 'https'}_proxy"): setting.proxy.url.removeprefix("http://")}
    assert read(WHO, environ, **setting.reach(trust))["username"] == USER
    assert setting.proxy.seen() == setting.asked(trust)
    assert read(WHO, {**environ, case("no_proxy"): "localhost, 127.0.0.1"}, **setting.reach(trust))["username"] == USER
    assert setting.proxy.seen() == setting.asked(trust)


@pytest.mark.parametrize("trust", TRUSTS)
def test_credentials_of_a_variable_are_taken_out_of_it(setting: Setting, trust: str) -> None:
    address = setting.locked.url.replace("//", "//ada:p%C3%A4ssw%C3%B6rd@")
    environ = {"HTTP_PROXY": address, "HTTPS_PROXY": address}
    assert read(WHO, environ, **setting.reach(trust))["username"] == USER
    assert setting.locked.seen() == setting.asked(trust)


def test_a_cloud_id_and_its_name_are_the_proxys_business(setting: Setting) -> None:
    """Test that the proxy resolves names: it alone knows those that end in ``.invalid``."""
    port = setting.tls.url.rpartition(":")[2]
    cloud_id = "tests:" + base64.b64encode(f"eu.invalid:{port}$abc123$def".encode()).decode()
    pinned = {"cloud_id": cloud_id, "ca_fingerprint": setting.tls.shown["ca_fingerprint"], **LOGIN}
    assert read(WHO, **pinned, proxy=setting.proxy.url)["username"] == USER
    assert set(setting.proxy.seen()) == {f"CONNECT abc123.eu.invalid:{port}"}
    with pytest.raises(ApiError, match="the name in https://abc123.eu.invalid:.* cannot be resolved"):
        read(WHO, **pinned)


@pytest.mark.parametrize("trust", TRUSTS)
def test_a_proxy_that_is_not_there_is_to_blame_itself(setting: Setting, trust: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(WHO, **setting.reach(trust), proxy="http://127.0.0.1:9")
    assert "no connection to the proxy http://127.0.0.1:9 (Connection refused). Check proxy" in str(caught.value)
    with pytest.raises(ApiError) as caught:
        read(WHO, **setting.reach(trust), proxy="http://nowhere.invalid:9")
    assert "no connection to the proxy http://nowhere.invalid:9 (" in str(caught.value)


def test_a_proxy_that_does_not_find_the_cluster_says_so(setting: Setting) -> None:
    with pytest.raises(ApiError) as caught:
        read(WHO, hosts=["https://127.0.0.1:9"], proxy=setting.proxy.url)
    refused = f"the proxy {setting.proxy.url} does not connect to https://127.0.0.1:9: 502 Bad Gateway"
    assert refused in str(caught.value)


def test_a_client_certificate_goes_through_the_tunnel(setting: Setting) -> None:
    options = {**trusting("ca_path", setting.tls), **certificate(setting.tls), "proxy": setting.proxy.url}
    assert read(WHO, **options)["username"] == "by-certificate"
    assert setting.proxy.seen() == setting.asked("ca_path")


def test_another_fingerprint_is_refused_behind_a_proxy(setting: Setting) -> None:
    options = {**setting.reach("ca_fingerprint"), "ca_fingerprint": "ab" * 32, "proxy": setting.proxy.url}
    with pytest.raises(ApiError, match="another fingerprint than ca_fingerprint"):
        read(WHO, **options)


def test_a_whole_task_goes_through_it(setting: Setting) -> None:
    setting.tls.control("DELETE", "/journal")
    options = {**setting.reach("ca_path"), "proxy": setting.proxy.url, "model_id": "sentiment"}
    assert run(**options)["operation"] == "start"
    assert run(**options)["operation"] == "none"
    assert run(**options, state="stopped")["operation"] == "stop"
    assert [write["committed"] for write in setting.tls.writes()] == [True, True]
    assert set(setting.proxy.seen()) == set(setting.asked("ca_path"))


@pytest.mark.parametrize("trust", TRUSTS)
def test_the_proxy_may_speak_tls_itself(setting: Setting, trust: str, tmp_path: Path) -> None:
    """Test that its certificate is checked by what the system trusts, or by ca_path."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(str(tmp_path / "key"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "cert"))
    ours = Path(setting.tls.shown["ca_path"]).read_bytes()
    (tmp_path / "both").write_bytes(authority.cert_pem.bytes() + ours)
    files = ("--cert-file", str(tmp_path / "cert"), "--key-file", str(tmp_path / "key"))
    with forward_proxy(*files, scheme="https") as proxy, pytest.MonkeyPatch.context() as patch:
        options = {**setting.reach(trust), "proxy": proxy.url}
        if trust == "ca_path":
            options["ca_path"] = str(tmp_path / "both")
        elif trust != "validate_certs":
            with pytest.raises(ApiError) as caught:
                read(WHO, **options)
            assert caught.value.kind == "tls"
            assert "the authority of the certificate is not known" in str(caught.value)
            # Before its version 2, urllib3 does not tell whose certificate it was.
            assert metadata.version("urllib3") < "2" or f"no TLS connection to the proxy {proxy.url}:" in str(
                caught.value
            )
            patch.setenv("SSL_CERT_FILE", str(tmp_path / "both"))
        assert read(WHO, **options)["username"] == USER
        assert proxy.seen()[-1] == setting.asked(trust)[0]
