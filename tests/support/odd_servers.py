# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start servers on real sockets that are not Elasticsearch, or that never answer."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import struct
import threading
import typing as t
from collections.abc import Callable, Iterator

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

Act = Callable[[socket.socket], None]
LOOPBACK = "127.0.0.1"
_DAY = datetime.timedelta(days=1)


@contextlib.contextmanager
def serving(act: Act, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve one connection after the other: do *act*, then close it. Yield the port."""
    listening = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        while True:
            try:
                connection = listening.accept()[0]
            except OSError:  # closed
                return
            # A client that rejects an answer closes the connection.
            with connection, contextlib.suppress(OSError):
                if tls is None:
                    act(connection)
                else:
                    with tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
                        _act_in_tls(act, secured)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)  # wakes accept
        listening.close()
        thread.join()


def _act_in_tls(act: Act, secured: ssl.SSLSocket) -> None:
    try:
        secured.do_handshake()
    except ssl.SSLError:
        # The rest must be read, or the alert with the reason would be lost with it.
        while socket.socket.recv(secured, 65536):
            pass
    else:
        act(secured)


def answering(status: str, body: str | bytes = "", *, product: bool = False, **headers: str) -> Act:
    """Read one request and answer. *headers*: names with underscores."""
    content = body.encode() if isinstance(body, str) else body
    named = {"Content-Length": str(len(content)), "Connection": "close"}
    named |= {"X-Elastic-Product": "Elasticsearch"} if product else {}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items())]
    return saying("\r\n".join([*lines, "", ""]).encode() + content)


def telling(body: t.Any, *, product: bool = True) -> Act:
    """Answer 200 with *body* as JSON."""
    return answering("200 OK", json.dumps(body), product=product, Content_Type="application/json")


def saying(text: bytes) -> Act:
    def act(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)

    return act


def closing(connection: socket.socket) -> None:
    connection.recv(65536)


def resetting(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection: socket.socket) -> None:
    """Take what comes and say nothing, until the other side gives up."""
    while connection.recv(65536):
        pass


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """Yield a port that is bound, and on which no server listens."""
    with socket.socket() as bound:
        bound.bind((LOOPBACK, 0))
        yield int(bound.getsockname()[1])


@contextlib.contextmanager
def full() -> Iterator[int]:
    """Yield a port whose queue of connections is full: the next one is never accepted, as behind a firewall."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((LOOPBACK, 0))
        listening.listen(0)
        for _each in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield int(listening.getsockname()[1])


class Authority:
    """A certificate authority; ``path``: its own certificate, in PEM format."""

    def __init__(self, path: str) -> None:
        self._inner = trustme.CA()
        self.path = path
        self._inner.cert_pem.write_to_path(path)

    def context(self, name: str = LOOPBACK, *, since: int = -1, until: int = 1) -> ssl.SSLContext:
        """Return a context for a server called *name*, valid *since* and *until* so many days from now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        issued = self._inner.issue_cert(name, not_before=now + since * _DAY, not_after=now + until * _DAY)
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(made)
        return made

    def client(self) -> dict[str, str]:
        """Return options for a client with a certificate of this authority. The files lie beside ``path``."""
        issued = self._inner.issue_cert("client@example.com")
        files = {"client_cert": f"{self.path}.cert", "client_key": f"{self.path}.key"}
        issued.cert_chain_pems[0].write_to_path(files["client_cert"])
        issued.private_key_pem.write_to_path(files["client_key"])
        return files

    def unsuitable(self) -> ssl.SSLContext:
        """Return a context for a server whose certificate is for clients alone."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
        authority = x509.load_pem_x509_certificate(self._inner.cert_pem.bytes())
        signing = t.cast("ec.EllipticCurvePrivateKey", load_pem_private_key(self._inner.private_key_pem.bytes(), None))
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
        builder = (
            x509.CertificateBuilder(authority.subject, x509.Name([]), key.public_key(), x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(names, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
        )
        issued = trustme.LeafCert(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            builder.sign(signing, hashes.SHA256()).public_bytes(Encoding.PEM),
            [],
        )
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(made)
        return made

    def disagreeing(self) -> ssl.SSLContext:
        """Return a context for a server without a usable cipher: none fits its kind of key."""
        made = self.context()
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        made.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        return made

    def demanding(self) -> ssl.SSLContext:
        """Return a context for a server that requires a client certificate of this authority."""
        made = self.context()
        made.verify_mode = ssl.CERT_REQUIRED
        self._inner.configure_trust(made)
        return made
