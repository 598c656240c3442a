# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make certificates for one run: a CA, the server's certificate (good, or bad in one way), a client's.

trustme makes them; it is imported only when TLS is asked for. The key of the server is on disk only while it is loaded;
what a client needs stays in a folder that goes when the process ends.
"""

from __future__ import annotations

import atexit
import dataclasses
import datetime
import hashlib
import importlib
import ipaddress
import shutil
import ssl
import tempfile
from pathlib import Path
from typing import Any, Final

from . import NoTls

NAMES: Final = ("localhost", "127.0.0.1", "::1")
WRONG_NAME: Final = "elsewhere.invalid"
CLIENT: Final = "client"
"""The common name of the client certificate that is made."""
CLIENT_DN: Final = f"CN={CLIENT}, OU=tests, O=emulator"
_VERIFY: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


@dataclasses.dataclass(frozen=True)
class Tls:
    """The server's part (``context``), and what a client may see (``shown``)."""

    context: ssl.SSLContext
    shown: dict[str, str]
    folder: Path

    def remove(self) -> None:
        """Remove the files; a second call does nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)


def make(kind: str = "valid", client_certificates: str = "none") -> Tls:
    """Make the certificates of one run.

    ``kind``: ``valid``, ``expired``, ``wrong_name``, ``unknown_ca`` (the CA that is shown is another one), or
    ``self_signed`` (no CA at all).
    """
    try:
        trustme = importlib.import_module("trustme")
    except ImportError:
        raise NoTls("TLS needs the library trustme: pip install trustme") from None
    folder = Path(tempfile.mkdtemp(prefix="emulator-tls-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    chain = _self_signed() if kind == "self_signed" else _signed(trustme, kind, ca)
    _load(context, chain, folder)
    shown_ca = chain[-1] if kind == "self_signed" else ca.cert_pem.bytes()
    shown = {"ca_path": str(folder / "ca.pem"), "ca_fingerprint": _fingerprint(shown_ca)}
    Path(shown["ca_path"]).write_bytes(shown_ca)
    context.verify_mode = _VERIFY[client_certificates]
    if client_certificates != "none":
        ca.configure_trust(context)
        shown |= _client(ca, folder)
    return Tls(context, shown, folder)


def _signed(trustme: Any, kind: str, ca: Any) -> list[bytes]:
    """Return key and chain; the chain ends with the CA, so that its fingerprint can be pinned."""
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    times = {"not_before": now - 9 * day, "not_after": now - day} if kind == "expired" else {}
    signer = trustme.CA() if kind == "unknown_ca" else ca
    names = (WRONG_NAME,) if kind == "wrong_name" else NAMES
    found = signer.issue_cert(*names, **times)
    return [found.private_key_pem.bytes(), *(pem.bytes() for pem in found.cert_chain_pems), signer.cert_pem.bytes()]


def _self_signed() -> list[bytes]:
    """Return key and certificate as made by hand, with the right names; trustme's own library makes it."""
    x509 = importlib.import_module("cryptography.x509")
    primitives = "cryptography.hazmat.primitives"
    serialization = importlib.import_module(f"{primitives}.serialization")
    curves = importlib.import_module(f"{primitives}.asymmetric.ec")
    key = curves.generate_private_key(curves.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAMES[0])])
    now = datetime.datetime.now(datetime.UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in NAMES[1:]]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAMES[0]), *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, importlib.import_module(f"{primitives}.hashes").SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return [key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain), certificate.public_bytes(pem)]


def _load(context: ssl.SSLContext, chain: list[bytes], folder: Path) -> None:
    path = folder / "server.pem"
    path.touch(mode=0o600)
    path.write_bytes(b"".join(chain))
    context.load_cert_chain(path)
    path.unlink()


def _fingerprint(pem: bytes) -> str:
    """Return SHA-256 over the certificate itself, as clients pin it."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()


def _client(ca: Any, folder: Path) -> dict[str, str]:
    found = ca.issue_cert(
        f"{CLIENT}@localhost", common_name=CLIENT, organization_name="emulator", organization_unit_name="tests"
    )
    paths = {"client_cert": str(folder / "client.pem"), "client_key": str(folder / "client.key")}
    Path(paths["client_key"]).touch(mode=0o600)
    found.private_key_pem.write_to_path(paths["client_key"])
    Path(paths["client_cert"]).write_bytes(b"".join(pem.bytes() for pem in found.cert_chain_pems))
    return {**paths, "client_dn": CLIENT_DN}
