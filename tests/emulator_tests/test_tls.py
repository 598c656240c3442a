# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test TLS over real sockets: good certificates, bad ones, certificates of clients."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator.security import tls
from emulator_tests import refused_options
from emulator_tests.process import Process, launch, running
from emulator_tests.secured_api import basic

MAPPED = f"""
settings: {{tls: true, client_certificates: optional, tokens: true}}
users:
  elastic: {{password: p1, roles: [superuser]}}
certificates:
  - {{dn: "{tls.CLIENT_DN.replace(" ", "")}", roles: [machine_learning_user]}}
"""


def _context(first: dict[str, Any], *, client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=first["ca_path"])
    if client:
        context.load_cert_chain(first["client_cert"], first["client_key"])
    return context


def _get(process: Process, context: ssl.SSLContext, target: str, **headers: str) -> tuple[int, Any]:
    address = urlsplit(process.first["url"])
    connection = http.client.HTTPSConnection(str(address.hostname), address.port, timeout=30, context=context)
    try:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_valid_certificates() -> None:
    with running("--tls") as process:
        assert process.first["url"].startswith("https://")
        assert process.first["control_url"].startswith("http://")
        status, body = _get(process, _context(process.first), "/")
        assert (status, body["tagline"]) == (200, "You Know, for Search")
        assert process.control("GET", "/state")["counters"]["requests"] == 1
        with pytest.raises(ssl.SSLCertVerificationError):
            _get(process, ssl.create_default_context(), "/")
        shown = ssl.PEM_cert_to_DER_cert(Path(process.first["ca_path"]).read_text(encoding="ascii"))
        assert len(process.first["ca_fingerprint"]) == 64
        assert shown
        assert list(Path(process.first["ca_path"]).parent.iterdir()) == [Path(process.first["ca_path"])]
    assert not Path(process.first["ca_path"]).parent.exists()


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("expired", "certificate has expired"),
        ("wrong_name", "IP address mismatch"),
        ("unknown_ca", "unable to get local issuer|self-signed certificate in certificate chain"),
    ],
)
def test_bad_certificates(kind: str, complaint: str) -> None:
    with running("--tls", kind) as process:
        with pytest.raises(ssl.SSLCertVerificationError, match=complaint):
            _get(process, _context(process.first), "/")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        assert _get(process, context, "/")[0] == 200


def test_self_signed() -> None:
    """Test that a client refuses it, until it is trusted itself."""
    with running("--tls", "self_signed") as process:
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate"):
            _get(process, ssl.create_default_context(), "/")
        assert _get(process, _context(process.first), "/")[0] == 200


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    path = tmp_path_factory.mktemp("security") / "users.yml"
    path.write_text(MAPPED, encoding="utf-8")
    with running("--security", str(path), "--model", "m") as process:
        yield process


def test_client_certificates(mapped: Process) -> None:
    """Test the PKI realm: a name and its roles out of the certificate."""
    assert mapped.first["client_dn"] == tls.CLIENT_DN
    status, body = _get(mapped, _context(mapped.first, client=True), "/_security/_authenticate")
    assert status == 200
    assert (body["username"], body["roles"]) == ("client", ["machine_learning_user"])
    assert body["authentication_realm"] == {"name": "pki1", "type": "pki"}
    assert body["metadata"] == {"pki_dn": tls.CLIENT_DN}
    assert _get(mapped, _context(mapped.first, client=True), "/_ml/trained_models/_stats")[0] == 200
    assert _get(mapped, _context(mapped.first, client=True), "/_cluster/state")[0] == 403


def test_optional_client_certificates(mapped: Process) -> None:
    """Test that without one there are the other ways; with both, the header counts."""
    plain = _context(mapped.first)
    assert _get(mapped, plain, "/")[0] == 401
    assert _get(mapped, plain, "/", Authorization=basic("elastic"))[0] == 200
    both = _get(mapped, _context(mapped.first, client=True), "/_security/_authenticate", Authorization=basic("elastic"))
    assert both[1]["username"] == "elastic"


def test_required_client_certificates() -> None:
    with running("--tls", "--client-certificates", "required") as process:
        assert _get(process, _context(process.first, client=True), "/")[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.BadStatusLine)):
            _get(process, _context(process.first), "/")


def test_the_official_client(mapped: Process) -> None:
    """Test elasticsearch-py with a pinned CA, with a CA file, and with a certificate of its own."""
    elasticsearch = pytest.importorskip("elasticsearch")
    url, first = mapped.first["url"], mapped.first
    with elasticsearch.Elasticsearch(url, ca_certs=first["ca_path"], basic_auth=("elastic", "p1")) as client:
        created = client.security.create_api_key(name="k", expiration="1h")
    with elasticsearch.Elasticsearch(url, ca_certs=first["ca_path"], api_key=created["encoded"]) as client:
        assert client.security.authenticate()["authentication_type"] == "api_key"
        assert client.security.has_privileges(cluster=["manage_ml"])["has_all_requested"]
        assert client.license.get()["license"]["status"] == "active"
        assert client.security.invalidate_api_key(ids=[created["id"]])["invalidated_api_keys"] == [created["id"]]
        with pytest.raises(elasticsearch.AuthenticationException):
            client.info()
    paths = {"client_cert": first["client_cert"], "client_key": first["client_key"]}
    with elasticsearch.Elasticsearch(url, ca_certs=first["ca_path"], **paths) as client:
        assert client.security.authenticate()["username"] == "client"


def test_the_end_leaves_no_files() -> None:
    """Test it also for a process that ends while a client is connected."""
    with running("--tls", "--client-certificates", "optional") as process:
        folder = Path(process.first["ca_path"]).parent
        assert {each.name for each in folder.iterdir()} == {"ca.pem", "client.pem", "client.key"}
        assert (folder / "client.key").stat().st_mode & 0o077 == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--security", "/nonexistent/users.yml"), "/nonexistent/users.yml: cannot be read"),
        (("--tls", "broken"), "invalid choice"),
        (("--client-certificates", "required"), "need TLS"),
        (("--license", "free"), "invalid choice"),
    ],
)
def test_wrong_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    status, printed, said = refused_options.run(monkeypatch, capsys, *arguments)
    assert (status, printed) == (2, "")
    assert complaint in said


def test_a_bad_file_ends_the_program(tmp_path: Path) -> None:
    path = tmp_path / "users.yml"
    path.write_text("users: {u: {password: 5}}", encoding="utf-8")
    with launch("--security", str(path)) as popen:
        assert popen.wait(timeout=30) == 2
        assert popen.stderr is not None
        assert popen.stderr.read() == f"{path}: users.u.password: expected a text; put numbers into quotes\n"
