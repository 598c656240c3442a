# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong between here and a proxy, or because of it: the hosts of the cluster are not to blame."""

from __future__ import annotations

import re
import ssl
import typing as t

from ..errors import ApiError
from . import tls_errors
from .response_errors import GATEWAY, Request
from .text import cut

_STATUS = re.compile(r"Tunnel connection failed: (\d{3})")
_TRUST = "The certificate of a proxy has to be one that the system trusts, or of an authority in ca_path."
_REACH = "Check proxy, or the variable that it comes from, and whether no_proxy should name the hosts."
_CREDENTIALS = "Check proxy_username and proxy_password, or the variable that the proxy comes from."


class Trouble(t.NamedTuple):
    """``passing``: a repetition may help."""

    error: ApiError
    passing: bool


def trouble(request: Request, causes: t.Sequence[BaseException]) -> Trouble | None:
    """What a proxy has to do with an error that came from *causes*, outermost first; ``None`` for nothing."""
    from urllib3.exceptions import ProxyError

    wrapped = next((each for each in causes if isinstance(each, ProxyError)), None)
    if wrapped is None:
        return None
    all_causes = [*causes, wrapped.original_error, *wrapped.original_error.args]
    refused = _STATUS.search(str(wrapped.original_error))
    if refused:
        return _refused(request, int(refused[1]), str(wrapped.original_error).partition(": ")[2])
    broken = next((each for each in all_causes if isinstance(each, ssl.SSLError)), None)
    if broken is not None and not tls_errors.broke_off(broken):
        happened = tls_errors.trouble(broken, cut(str(broken), 300, request.secrets), shown=False).happened
        return _told(request, "tls", f"no TLS connection to the proxy {request.proxy}: {happened}. {_TRUST}", False)
    reasons = (each.strerror for each in all_causes if isinstance(each, OSError) and each.strerror)
    reason = next(reasons, None) or cut(str(wrapped.original_error), 300, request.secrets)
    return _told(request, "connection", f"no connection to the proxy {request.proxy} ({reason}). {_REACH}", True)


def _refused(request: Request, status: int, said: str) -> Trouble:
    """The proxy does not open a tunnel."""
    kind: t.Literal["credentials", "connection"] = "credentials" if status == 407 else "connection"
    hint = _CREDENTIALS if status == 407 else "See what the proxy allows, and whether it reaches the cluster."
    told = f"the proxy {request.proxy} does not lead to {request.host}: {cut(said, 100, request.secrets)}. {hint}"
    return _told(request, kind, told, status in GATEWAY)


def _told(request: Request, kind: t.Literal["credentials", "connection", "tls"], told: str, passing: bool) -> Trouble:
    return Trouble(ApiError(kind, f"Cannot {request.what}: {told}"), passing)
