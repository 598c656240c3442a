# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what a set of roles allows, alone or within the limits of another set (API keys)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..state.versions import Features
from . import index_privileges, privileges
from .patterns import Names, covers, matches
from .privileges import ClusterPrivilege
from .roles import Role


class Permission:
    """The rights of some roles together; ``limit`` may take some of them away again."""

    def __init__(self, roles: Sequence[Role], version: Features, limit: Permission | None = None) -> None:
        self.roles = tuple(roles)
        self.limit = limit
        self._cluster = privileges.resolve_known((name for role in roles for name in role.cluster), version)
        self._known: dict[tuple[str, bool], bool] = {}

    # --- cluster ---

    def allows(self, action: str, *, own: bool = False) -> bool:
        """Return whether a cluster action is allowed; ``own``: it is about the caller's own API keys."""
        key = (action, own)
        if key not in self._known:
            mine = any(each.actions.has(action) and (own or not each.own_keys) for each in self._cluster)
            self._known[key] = mine and (self.limit is None or self.limit.allows(action, own=own))
        return self._known[key]

    def has_cluster(self, desired: ClusterPrivilege) -> bool:
        """Return whether a whole cluster privilege is granted."""
        if self.limit is not None and not self.limit.has_cluster(desired):
            return False
        if desired.own_keys:
            return any(each.implies(desired) for each in self._cluster)
        plain = [each for each in self._cluster if not each.own_keys]
        return all(
            any(each.actions.contains(Names((pattern,), desired.actions.excluded)) for each in plain)
            for pattern in desired.actions.included
        )

    # --- indices ---

    def _grants(self, index: str, *, restricted: bool) -> Iterable[Names]:
        """Return the actions of the grants that reach an index or all of a pattern."""
        for grant in (grant for role in self.roles for grant in role.indices):
            if restricted and not grant.restricted:
                continue
            if any(covers(name, index) for name in grant.names):
                yield from (found for found in map(index_privileges.find, grant.privileges) if found is not None)

    def allows_on(self, action: str, index: str) -> bool:
        """Return whether an action on one index is allowed."""
        granted = self._grants(index, restricted=index_privileges.is_restricted(index))
        return any(each.has(action) for each in granted) and (self.limit is None or self.limit.allows_on(action, index))

    def allows_somewhere(self, action: str) -> bool:
        """Return whether an action is allowed on some indices, whether or not there are any of them."""
        granted = (
            index_privileges.find(name) for role in self.roles for each in role.indices for name in each.privileges
        )
        mine = any(each is not None and each.has(action) for each in granted)
        return mine and (self.limit is None or self.limit.allows_somewhere(action))

    def has_index(self, desired: Names, index: str, *, restricted: bool) -> bool:
        """Return whether a whole index privilege is granted, for an index or a pattern."""
        if self.limit is not None and not self.limit.has_index(desired, index, restricted=restricted):
            return False
        granted = list(self._grants(index, restricted=restricted or index_privileges.is_restricted(index)))
        return all(
            any(each.contains(Names((pattern,), desired.excluded)) for each in granted) for pattern in desired.included
        )

    # --- applications, run as ---

    def has_application(self, application: str, privilege: str, resource: str) -> bool:
        """Return whether a privilege of an application is granted for a resource."""
        if self.limit is not None and not self.limit.has_application(application, privilege, resource):
            return False
        return any(
            matches(grant.application, application)
            and any(covers(name, privilege) for name in grant.privileges)
            and any(covers(name, resource) for name in grant.resources)
            for role in self.roles
            for grant in role.applications
        )

    def runs_as(self, username: str) -> bool:
        """Return whether acting for another user is allowed."""
        mine = any(matches(pattern, username) for role in self.roles for pattern in role.run_as)
        return mine and (self.limit is None or self.limit.runs_as(username))
