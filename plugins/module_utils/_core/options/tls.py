# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trusted authorities and client certificates: files that are checked before any connection."""

from __future__ import annotations

import re
import ssl
import typing as t

from ..errors import Refusal
from .credentials import require_both
from .paths import require_path

TLS = ("ca_path", "ca_fingerprint", "client_cert", "client_key")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_MISMATCH = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")


def refuse_bad_tls(values: t.Mapping[str, t.Any], hosts: t.Sequence[str]) -> None:
    """Refuse options that cannot lead to a TLS connection, or not to the intended one."""
    given = [name for name in TLS if values.get(name)]
    if given and not any(address.startswith("https:") for address in hosts):
        raise Refusal(
            "conflicting_options",
            f"{given[0]} is given, but no address in hosts uses TLS",
            hint="Begin addresses with https://, or leave the option out.",
        )
    refuse_two_trusts(values, {})
    refuse_half_certificate(values, {})
    if values["ca_path"]:
        _refuse_no_certificates("ca_path", values["ca_path"])
    if values["client_cert"]:
        _refuse_unusable_key(values["client_cert"], values["client_key"])


def refuse_two_trusts(values: t.Mapping[str, t.Any], sources: t.Mapping[str, str]) -> None:
    if values.get("ca_path") and values.get("ca_fingerprint"):
        from_where = " and ".join(
            f"{name} (from {sources[name]})" if name in sources else name for name in ("ca_path", "ca_fingerprint")
        )
        raise Refusal(
            "conflicting_options",
            f"{from_where} are both given",
            hint="Give one: with a fingerprint the task trusts no other authority.",
        )


def refuse_half_certificate(values: t.Mapping[str, t.Any], sources: t.Mapping[str, str]) -> None:
    hint = "A client certificate needs its key; both may be in one file."
    require_both(values, sources, ("client_cert", "client_key"), hint)


def fingerprint(text: str | None, option: str = "ca_fingerprint") -> str | None:
    """Return 64 hexadecimal digits in lower case, without colons. *option*: the option, and its source."""
    if not text:
        return None
    digits = text.strip().replace(":", "").lower()
    if not _FINGERPRINT.fullmatch(digits):
        raise Refusal(
            "invalid_value",
            f"{option} is not a SHA-256 fingerprint",
            hint="Give 64 hexadecimal digits, with or without colons, as Elasticsearch prints them at its first start.",
        )
    return digits


class _Encrypted(Exception):
    """A key asks for its password."""


def _ask() -> t.NoReturn:
    """Refuse to ask for the password of a key: OpenSSL would ask the person at the terminal."""
    raise _Encrypted


def _refuse_unusable_key(cert: str, key: str) -> None:
    _refuse_no_certificates("client_cert", cert)
    _refuse_unreadable("client_key", key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password=_ask)
    except _Encrypted:
        raise Refusal(
            "invalid_certificate",
            f"client_key {key} is encrypted",
            hint="Decrypt it, for instance with openssl pkey, and protect the file.",
        ) from None
    except ssl.SSLError as exc:
        if exc.reason in _MISMATCH:
            hint = "Give the two that were issued together."
            raise Refusal(
                "invalid_certificate", f"client_key {key} does not belong to client_cert {cert}", hint=hint
            ) from exc
        raise Refusal("invalid_certificate", f"client_key {key} has no private key in PEM format") from exc


def _refuse_no_certificates(option: str, path: str) -> None:
    _refuse_unreadable(option, path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError as exc:
        raise Refusal("invalid_certificate", f"{option} {path} has no certificate in PEM format") from exc


def _refuse_unreadable(option: str, path: str) -> None:
    require_path(option, path)
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as exc:
        hint = "The file must be on the machine where the task runs."
        raise Refusal("unreadable_file", f"{option} {path} cannot be read: {exc.strerror}", hint=hint) from exc
