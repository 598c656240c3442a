# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an exception of elasticsearch-py to an :class:`ApiError` with a sentence a person can act on."""

from __future__ import annotations

from .._records.errors import ApiError
from . import errors

_RETRIED = (429, *errors.GATEWAY)


class Transient(Exception):
    """An error that a repetition may cure; ``retry_after`` is the header's text."""

    def __init__(self, error: ApiError, retry_after: str | None = None) -> None:
        self.error = error
        self.retry_after = retry_after
        super().__init__(str(error))


def from_exception(what: str, privilege: str, exc: Exception) -> Exception:
    """The error to raise for *exc*, one of the library's own: :class:`Transient` or an :class:`ApiError`.

    *what* completes "Cannot ...", *privilege* is what the request needs.
    """
    import elasticsearch

    if isinstance(exc, elasticsearch.UnsupportedProductError):
        return _wrong_product(what)
    if isinstance(exc, elasticsearch.ApiError):
        error = errors.from_answer(what, privilege, errors.Answer(exc.meta.status, exc.body))
        retried = exc.meta.status in _RETRIED
        return Transient(error, exc.meta.headers.get("retry-after")) if retried else error
    return _transport_error(what, exc)


def _wrong_product(what: str) -> ApiError:
    return ApiError(
        "product",
        f"Cannot {what}: what answers is not Elasticsearch (its answer lacks the header X-Elastic-Product). "
        "Check hosts; a proxy may also remove the header.",
    )


def _transport_error(what: str, exc: Exception) -> Exception:
    import elasticsearch
    from elastic_transport import TlsError

    # The text of the exception itself says no more than "Connection error".
    text = " ".join(str(getattr(exc, "message", exc)).split())
    if isinstance(exc, elasticsearch.SerializationError):
        return errors.not_understood(what, None, text)
    if isinstance(exc, TlsError) or "CERTIFICATE_VERIFY_FAILED" in text:
        hint = "Check the name in hosts, and set ca_path to the certificate authority of the cluster."
        return ApiError("tls", f"Cannot {what}: no TLS connection: {text}. {hint}")
    if isinstance(exc, elasticsearch.ConnectionTimeout):
        hint = "The cluster may be busy; request_timeout sets how long one request may take."
        return Transient(ApiError("timeout", f"Cannot {what}: no answer in time: {text}. {hint}"))
    hint = "Check hosts and that the cluster can be reached from where this runs."
    return Transient(ApiError("connection", f"Cannot {what}: no connection: {text}. {hint}"))
