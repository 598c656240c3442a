# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust by the fingerprint of one certificate: the server's, or of an authority above it.

A server sends its certificates to every client, so a certificate with the fingerprint among them proves nothing: it
must have signed the others. This takes two handshakes. The first, over which no request is sent, finds the certificate;
the second trusts nothing else.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
import typing as t

from .error_facts import ALONE

if t.TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

_DER = 2  # _ssl.ENCODING_DER


class PoolFactory(t.Protocol):
    def __call__(self, trust: ssl.SSLContext, pool_class: type[HTTPConnectionPool]) -> HTTPConnectionPool:
        """Return a pool of class *pool_class* that trusts as *trust* says."""


class Pinned:
    """A pool of connections that is made at its first use: only then can the server's certificates be read.

    *fingerprint* is SHA-256 in hexadecimal digits. *timeout* returns the seconds that a request may wait.
    """

    def __init__(self, fingerprint: str, pool: PoolFactory, timeout: t.Callable[[], float]) -> None:
        self._fingerprint = fingerprint
        self._make = pool
        self._timeout = timeout
        self._pool: HTTPConnectionPool | None = None
        self._making = threading.Lock()

    def __getattr__(self, name: str) -> t.Any:
        with self._making:
            if self._pool is None:
                import urllib3

                self._pool = self._make(_trusting(self._certificate()), urllib3.HTTPSConnectionPool)
        return getattr(self._pool, name)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def _certificate(self) -> bytes:
        """Return the certificate with the fingerprint, in DER.

        :raises urllib3.exceptions.SSLError: if the server does not send it.
        """
        from urllib3.exceptions import SSLError

        probe = self._make(_trusting(None), _probing_pool())
        try:
            probe.request("GET", "/", retries=False, timeout=self._timeout())
        except _Shown as shown:
            chain = shown.chain
        finally:
            probe.close()
        found = {hashlib.sha256(certificate).hexdigest(): certificate for certificate in chain}
        if self._fingerprint not in found:
            sent = f"{len(found)} certificates are sent" if len(found) > 1 else ALONE
            raise SSLError(f"Fingerprints did not match: {sent}, none with {self._fingerprint}")
        return found[self._fingerprint]


class _Shown(Exception):
    """The certificates that a server sent in a handshake; no error of a connection, so that none handles it as one."""

    def __init__(self, chain: list[bytes]) -> None:
        super().__init__()
        self.chain = chain


def _probing_pool() -> type[HTTPConnectionPool]:
    """Return a pool whose connections end as soon as the server has shown its certificates."""
    import urllib3
    import urllib3.connection

    class Probe(urllib3.connection.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            raise _Shown(_chain(self.sock))

    class ProbingPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Probe

    return ProbingPool


def _chain(sock: t.Any) -> list[bytes]:
    """Return the certificates that the server sent, in DER."""
    sock = getattr(sock, "sslobj", sock)  # TLS within the TLS of a proxy
    if hasattr(sock, "get_unverified_chain"):  # public since Python 3.13
        return list(sock.get_unverified_chain())
    return [certificate.public_bytes(_DER) for certificate in sock._sslobj.get_unverified_chain()]


def _trusting(certificate: bytes | None) -> ssl.SSLContext:
    """Return a context that trusts one certificate and what it has signed, or for ``None`` everything.

    Names are not compared: the holder of a certificate of the authority that Elasticsearch made for itself is the
    cluster.
    """
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.check_hostname = False
    if certificate is None:
        found.verify_mode = ssl.CERT_NONE
    else:
        found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be a root
        found.load_verify_locations(cadata=certificate)
    return found
