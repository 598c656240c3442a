# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allow or refuse an action: 403.

Texts: the secured rows of recorded-answers.md 1 (http:349-395); those on indices from the server's public source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..wire import errors
from . import index_privileges, privileges

if TYPE_CHECKING:
    from ..wire.router import Prepared
    from .authentication import Identity
    from .store import Security, User


def authorize(prepared: Prepared, identity: Identity, security: Security) -> None:
    """Check the privilege that a request needs; raise 403 without it."""
    action = prepared.action
    if identity.acting is not None and not _runs_as(identity):
        raise _refusal(_run_as_denied(action, identity, security))
    rights = identity.rights
    if prepared.same_user:
        return
    if privileges.is_cluster_action(action):
        if not rights.allows(action, own=prepared.own_keys):
            granted = privileges.granting(action, security.version, own=prepared.own_keys)
            raise _refusal(_denied(action, identity, security) + _tail("cluster", granted))
    elif index_privileges.is_index_action(action):
        _authorize_indices(action, prepared.indices, identity, security)
    else:
        raise _refusal(_denied(action, identity, security))


def _authorize_indices(action: str, indices: Sequence[str], identity: Identity, security: Security) -> None:
    refused = [index for index in indices or ("*",) if not identity.rights.allows_on(action, index)]
    if refused:
        where = f" on indices [{','.join(refused)}]" if indices else ""
        granted = index_privileges.granting(action)
        raise _refusal(_denied(action, identity, security) + where + _tail("index", granted))


def _tail(kind: str, granted: Sequence[str]) -> str:
    return f", this action is granted by the {kind} privileges [{','.join(granted)}]" if granted else ""


def _refusal(reason: str) -> errors.ApiError:
    return errors.ApiError(403, "security_exception", reason, product=False)


def _runs_as(identity: Identity) -> bool:
    """Return whether run-as names a user that does not exist, which is refused to all (public source)."""
    return identity.acting_known and identity.permission.runs_as(identity.effective.username)


def _who(identity: Identity) -> str:
    kind = "service account" if identity.token_name is not None else "user"
    described = f"{kind} [{identity.user.username}]"
    return described if identity.api_key is None else f"API key id [{identity.api_key.id}] of {described}"


def _with_roles(user: User, security: Security) -> str:
    found = [role.name for role in security.found_roles(user.roles)]
    missing = sorted(set(user.roles) - set(found))
    lost = f" (assigned roles [{','.join(missing)}] were not found)" if missing else ""
    return f" with effective roles [{','.join(found)}]{lost}"


def _denied(action: str, identity: Identity, security: Security) -> str:
    who = _who(identity)
    if identity.acting is not None:
        who += f" run as [{identity.acting.username}]" + _with_roles(identity.acting, security)
    elif identity.api_key is None and identity.token_name is None:
        who += _with_roles(identity.user, security)
    return f"action [{action}] is unauthorized for {who}"


def _run_as_denied(action: str, identity: Identity, security: Security) -> str:
    who = _who(identity)
    roles = _with_roles(identity.user, security) if identity.api_key is None and identity.token_name is None else ""
    because = f"because {who} is unauthorized to run as [{identity.effective.username}]"
    return f"action [{action}] is unauthorized for {who}{roles}, {because}"
