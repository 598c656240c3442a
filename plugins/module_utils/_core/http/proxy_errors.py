# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors between the task and a proxy, or because of the proxy: the hosts of the cluster are not to blame."""

from __future__ import annotations

import re
import ssl
import typing as t

from ..errors import ApiError
from . import tls_errors
from .response_errors import GATEWAY, RequestContext
from .text import shorten

_STATUS = re.compile(r"Tunnel connection failed: (\d{3})")
_TRUST = "The certificate of the proxy must be from an authority that the system trusts, or from one in ca_path."
_REACH = "Check proxy, or the variable that it comes from, and whether no_proxy should name the hosts."
_CREDENTIALS = "Check proxy_username and proxy_password, or the variable that the proxy comes from."


class ProxyFailure(t.NamedTuple):
    """An error of a proxy. ``transient``: a repetition may help."""

    error: ApiError
    transient: bool


def proxy_failure(context: RequestContext, causes: t.Sequence[BaseException]) -> ProxyFailure | None:
    """Return the failure of a proxy among *causes*, outermost first, or ``None`` if no proxy is the cause."""
    from urllib3.exceptions import ProxyError

    wrapped = next((cause for cause in causes if isinstance(cause, ProxyError)), None)
    if wrapped is None:
        return None
    all_causes = [*causes, wrapped.original_error, *wrapped.original_error.args]
    refused = _STATUS.search(str(wrapped.original_error))
    if refused:
        return _refused(context, int(refused[1]), str(wrapped.original_error).partition(": ")[2])
    broken = next((cause for cause in all_causes if isinstance(cause, ssl.SSLError)), None)
    if broken is not None and not tls_errors.broke_off(broken):
        tls = tls_errors.tls_failure(broken, shorten(str(broken), 300, context.secrets), shown=False)
        return _failure(context, "tls", f"no TLS connection to the proxy {context.proxy}: {tls.cause}. {_TRUST}", False)
    reasons = (cause.strerror for cause in all_causes if isinstance(cause, OSError) and cause.strerror)
    reason = next(reasons, None) or shorten(str(wrapped.original_error), 300, context.secrets)
    return _failure(context, "connection", f"no connection to the proxy {context.proxy} ({reason}). {_REACH}", True)


def _refused(context: RequestContext, status: int, reply: str) -> ProxyFailure:
    """Return the failure of a proxy that does not open a tunnel."""
    kind: t.Literal["credentials", "connection"] = "credentials" if status == 407 else "connection"
    hint = _CREDENTIALS if status == 407 else "Check what the proxy allows, and that it can reach the cluster."
    message = (
        f"the proxy {context.proxy} does not connect to {context.host}: {shorten(reply, 100, context.secrets)}. {hint}"
    )
    return _failure(context, kind, message, status in GATEWAY)


def _failure(
    context: RequestContext, kind: t.Literal["credentials", "connection", "tls"], message: str, transient: bool
) -> ProxyFailure:
    return ProxyFailure(ApiError(kind, f"Cannot {context.what}: {message}", code="proxy_failed"), transient)
