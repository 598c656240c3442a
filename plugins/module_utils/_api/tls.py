# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a TLS connection, in words."""

from __future__ import annotations

import ssl
import typing as t

_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = (62, 64)
_UNKNOWN = (2, 18, 19, 20, 21)
"""Numbers of OpenSSL (``X509_V_ERR_...``), the same in every version."""

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")
_WANTS_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
_BROKEN_OFF = ("UNEXPECTED_EOF_WHILE_READING", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC")


class Trouble(t.NamedTuple):
    """What happened, completing "no TLS connection to an address: ...", and what to do."""

    happened: str
    hint: str


def broke_off(exc: BaseException) -> bool:
    """Whether the connection ended, rather than that the two sides did not agree."""
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return True
    return isinstance(exc, ssl.SSLError) and exc.reason in _BROKEN_OFF


def trouble(exc: BaseException | None, text: str) -> Trouble:
    """*exc*: the innermost error of the module ssl, if there is one; *text*: what urllib3 says."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _not_trusted(exc)
    if "ingerprint" in text:
        hint = "Compare ca_fingerprint with what Elasticsearch has now; a certificate may have been renewed."
        return Trouble("the certificate has another fingerprint than ca_fingerprint", hint)
    if "doesn't match" in text:
        return _another_name(text)
    reason = str(exc.reason or "") if isinstance(exc, ssl.SSLError) else ""
    if reason in _NO_TLS:
        return Trouble("what answers there does not speak TLS", "If that is meant to be, write http:// in hosts.")
    if any(each in reason for each in _WANTS_CERTIFICATE):
        return Trouble(
            f"the other side ended it ({reason})", "It may ask for a client certificate, or for other ciphers."
        )
    return Trouble(text, "Check hosts, and what TLS versions and certificates the cluster takes.")


def _not_trusted(exc: ssl.SSLCertVerificationError) -> Trouble:
    said = str(exc.verify_message).rstrip(".")
    if exc.verify_code == _EXPIRED:
        return Trouble("the certificate has expired", "Renew it; or is the clock wrong where this runs?")
    if exc.verify_code == _NOT_YET:
        return Trouble("the certificate is not valid yet", "Is the clock wrong where this runs?")
    if exc.verify_code in _OTHER_NAME:
        return _another_name(said)
    if exc.verify_code in _UNKNOWN:
        hint = "Set ca_path to the certificate authority of the cluster."
        return Trouble(f"the authority of the certificate is not known ({said})", hint)
    return Trouble(f"the certificate is not trusted ({said})", "Look at the certificate of the cluster.")


def _another_name(said: str) -> Trouble:
    hint = "Write a name in hosts that the certificate has, or have one issued for this name."
    return Trouble(f"the certificate is for another name ({said})", hint)
