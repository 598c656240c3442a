# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors of TLS connections, in plain words."""

from __future__ import annotations

import ssl
import typing as t

_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = (62, 64)
_UNKNOWN = (2, 18, 19, 20, 21)
"""Numbers of OpenSSL (``X509_V_ERR_...``), the same in every version."""

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")
_REFUSED = ("BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED", "UNKNOWN_CA")
ALONE = "one certificate is sent"
"""In the text of an error: there is no authority beside the certificate of the server."""

_AGREE = "Check hosts, and which TLS versions, ciphers and client certificates the cluster accepts."
_CLOCK = "Check the clock of the machine where the task runs."
_BROKEN_OFF = ("UNEXPECTED_EOF_WHILE_READING", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC")


class TlsFailure(t.NamedTuple):
    """The cause, which completes "no TLS connection to an address: ...", and a hint."""

    cause: str
    hint: str


def broke_off(exc: BaseException) -> bool:
    """Return whether the connection was lost, rather than refused by one side."""
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return True
    return _reason(exc) in _BROKEN_OFF


def _reason(exc: BaseException | None) -> str:
    """Return OpenSSL's name of the error; an error that the module ssl did not make has none."""
    return str(getattr(exc, "reason", None) or "") if isinstance(exc, ssl.SSLError) else ""


def tls_failure(exc: BaseException | None, text: str, shown: bool) -> TlsFailure:
    """Return the cause of a failed TLS connection, and a hint.

    *exc*: the innermost error of the module ssl, if there is one. *text*: the message of urllib3. *shown*: whether
    there is a client certificate, to be shown to a server that asks for one.
    """
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _not_trusted(exc)
    if "ingerprint" in text:
        return _another_fingerprint(text)
    if "doesn't match" in text:
        return _another_name(text)
    reason = _reason(exc)
    if reason in _NO_TLS:
        return TlsFailure("the server does not speak TLS", "If that is intended, write http:// in hosts.")
    return _alert(reason, shown) if "_ALERT_" in reason else TlsFailure(text, _AGREE)


def _another_fingerprint(text: str) -> TlsFailure:
    hint = "Compare ca_fingerprint with the certificate of Elasticsearch, which may have been renewed."
    if ALONE in text:
        hint += " If it is that of an authority, the server must also send the authority: it sends only its own."
    return TlsFailure("the certificate has another fingerprint than ca_fingerprint", hint)


def _alert(reason: str, shown: bool) -> TlsFailure:
    """Return the cause behind an alert of the server. *reason*: OpenSSL's name of the alert.

    Without a client certificate some servers, such as those in Java, say that it is a bad one.
    """
    refused = any(name in reason for name in _REFUSED)
    if "CERTIFICATE_REQUIRED" in reason or (refused and not shown):
        return TlsFailure(f"the server requires a client certificate ({reason})", "Set client_cert and client_key.")
    if refused:
        hint = "Check client_cert: the cluster must trust its authority, and it must not have expired."
        return TlsFailure(f"the server does not accept the client certificate ({reason})", hint)
    return TlsFailure(f"the server ended the handshake ({reason})", _AGREE)


def _not_trusted(exc: ssl.SSLCertVerificationError) -> TlsFailure:
    detail = str(exc.verify_message).rstrip(".")
    if exc.verify_code == _EXPIRED:
        return TlsFailure("the certificate has expired", f"Renew it. {_CLOCK}")
    if exc.verify_code == _NOT_YET:
        return TlsFailure("the certificate is not valid yet", _CLOCK)
    if exc.verify_code in _OTHER_NAME:
        return _another_name(detail)
    if exc.verify_code in _UNKNOWN:
        hint = "Set ca_path to the certificate authority of the cluster, or ca_fingerprint to its fingerprint."
        return TlsFailure(f"the authority of the certificate is not known ({detail})", hint)
    return TlsFailure(f"the certificate is not trusted ({detail})", "Check the certificate of the cluster.")


def _another_name(detail: str) -> TlsFailure:
    hint = "Use a name in hosts that the certificate has, or issue a certificate for this name."
    return TlsFailure(f"the certificate is for another name ({detail})", hint)
