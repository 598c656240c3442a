# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test trust by a fingerprint, on real sockets: the certificate with it has to have signed the server's own."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ssl
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import Client
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from support.tls_server import Server, serving

Serve = Callable[[bytes], Server]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers, each with a key and a chain of certificates, in PEM."""
    with contextlib.ExitStack() as stack:

        def start(pem: bytes) -> Server:
            (tmp_path / "server.pem").write_bytes(pem)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tmp_path / "server.pem")
            return stack.enter_context(serving(context))

        yield start


def fingerprint(pem: bytes) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()


def read(server: Server, ca_fingerprint: str, **options: t.Any) -> t.Any:
    options = {"request_retries": 0, **options}
    client = Client(Connection((f"https://127.0.0.1:{server.port}",), ca_fingerprint=ca_fingerprint, **options))
    try:
        for _again in range(2):
            answer = client.read("look", "/path")
        return answer
    finally:
        client.close()


def chain(authority: trustme.CA, name: str = "127.0.0.1") -> bytes:
    """Return the chain of a cluster that has made its own authority: its certificate, and the authority's."""
    leaf = authority.issue_cert(name)
    return leaf.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes()


def test_the_authority_is_trusted_by_its_fingerprint(serve: Serve, authority: trustme.CA) -> None:
    server = serve(chain(authority))
    assert read(server, fingerprint(authority.cert_pem.bytes())) == {"cluster_name": "behind TLS"}
    assert [path for path, _headers in server.seen] == ["/path", "/path"], "to look at certificates takes no request"


def test_so_is_the_certificate_of_the_server_itself(serve: Serve, authority: trustme.CA) -> None:
    leaf = authority.issue_cert("127.0.0.1")
    server = serve(leaf.private_key_and_cert_chain_pem.bytes())
    assert read(server, fingerprint(leaf.cert_chain_pems[0].bytes())) == {"cluster_name": "behind TLS"}


def test_so_is_an_authority_in_between(serve: Serve, authority: trustme.CA) -> None:
    child = authority.create_child_ca()
    leaf = child.issue_cert("127.0.0.1")
    server = serve(leaf.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes())
    for each in (child, authority):
        assert read(server, fingerprint(each.cert_pem.bytes())) == {"cluster_name": "behind TLS"}


def test_names_are_not_compared(serve: Serve, authority: trustme.CA) -> None:
    assert read(serve(chain(authority, "elsewhere.invalid")), fingerprint(authority.cert_pem.bytes()))


@pytest.mark.parametrize("validate_certs", [True, False])
def test_another_fingerprint_is_refused(serve: Serve, authority: trustme.CA, validate_certs: bool) -> None:
    server = serve(chain(authority))
    with pytest.raises(ApiError, match="another fingerprint than ca_fingerprint") as caught:
        read(server, "ab" * 32, validate_certs=validate_certs)
    assert caught.value.kind == "tls"
    assert server.seen == []


def test_an_expired_certificate_is_refused(serve: Serve, authority: trustme.CA) -> None:
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    leaf = authority.issue_cert("127.0.0.1", not_after=past)
    server = serve(leaf.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes())
    with pytest.raises(ApiError, match="the certificate has expired"):
        read(server, fingerprint(authority.cert_pem.bytes()))


def forged(authority: trustme.CA, *, in_its_name: bool) -> bytes:
    """Return key, certificate and the authority's public certificate, which has not signed the first one."""
    real = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    identifier = real.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(
            real.subject if in_its_name else name, name, key.public_key(), x509.random_serial_number()
        )
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    own = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return own + certificate.public_bytes(pem) + authority.cert_pem.bytes()


@pytest.mark.parametrize("in_its_name", [True, False])
def test_to_send_the_certificate_with_the_fingerprint_proves_nothing(
    serve: Serve, authority: trustme.CA, in_its_name: bool
) -> None:
    server = serve(forged(authority, in_its_name=in_its_name))
    with pytest.raises(ApiError) as caught:
        read(server, fingerprint(authority.cert_pem.bytes()), api_key="a-secret-key")
    assert caught.value.kind == "tls"
    assert server.seen == []


def context_that_asks(authority: trustme.CA, tmp_path: Path) -> ssl.SSLContext:
    (tmp_path / "asking.pem").write_bytes(chain(authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "asking.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("how", ["ca_path", "ca_fingerprint", "validate_certs"])
def test_a_client_certificate_is_shown_however_the_server_is_trusted(
    authority: trustme.CA, tmp_path: Path, how: str
) -> None:
    mine = authority.issue_cert("client@localhost", common_name="me")
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "mine.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ways: dict[str, dict[str, t.Any]] = {
        "ca_path": {"ca_path": str(tmp_path / "ca.pem")},
        "ca_fingerprint": {"ca_fingerprint": fingerprint(authority.cert_pem.bytes())},
        "validate_certs": {"validate_certs": False},
    }
    options: dict[str, t.Any] = {
        **ways[how],
        "client_cert": str(tmp_path / "mine.pem"),
        "client_key": str(tmp_path / "mine.pem"),
    }
    with serving(context_that_asks(authority, tmp_path)) as server:
        client = Client(Connection((f"https://127.0.0.1:{server.port}",), request_retries=0, **options))
        try:
            assert client.read("look", "/path") == {"cluster_name": "behind TLS"}
        finally:
            client.close()
    [(_path, shown)] = server.seen
    assert (("commonName", "me"),) in shown["subject"]


def test_only_the_authorities_of_ca_path_are_trusted(
    serve: Serve, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test that the system's authorities do not count once the task names its own."""
    (tmp_path / "system.pem").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "other.pem").write_bytes(trustme.CA().cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    server = serve(chain(authority))

    def ask(**options: t.Any) -> t.Any:
        client = Client(Connection((f"https://127.0.0.1:{server.port}",), request_retries=0, **options))
        try:
            return client.read("look", "/")
        finally:
            client.close()

    assert ask() == {"cluster_name": "behind TLS"}
    with pytest.raises(ApiError, match="the authority of the certificate is not known"):
        ask(ca_path=str(tmp_path / "other.pem"))
