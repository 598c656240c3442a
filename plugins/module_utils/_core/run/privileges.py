# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check, before the first write of a task, that the user may send all of them."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import ApiError
from ..features import Feature
from ..server import Server

PATH = "/_security/user/_has_privileges"
"""Each user may read their own privileges."""

Allowing = t.Mapping[str, t.Sequence[str]]
"""Write to the names that allow it, each alone: cluster privileges, and the action, which a role may name, too."""

INFERENCE = "manage_inference"


@dataclasses.dataclass(frozen=True)
class Rights:
    """The privileges of the user, of those that were checked. ``granted``: privilege to whether the user has it."""

    allowing: Allowing
    username: str = ""
    granted: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_api(cls, allowing: Allowing, raw: t.Mapping[str, t.Any]) -> t.Self:
        cluster = raw.get("cluster")
        return cls(allowing, str(raw.get("username") or ""), cluster if isinstance(cluster, dict) else {})

    def lacks(self, write: str) -> bool:
        """Return whether Elasticsearch said no to all names that allow *write*. No answer is no refusal."""
        answers = [self.granted[name] for name in self.allowing[write] if name in self.granted]
        return bool(answers) and all(answer is False for answer in answers)

    def refuse(self, writes: t.Iterable[str]) -> None:
        """Refuse *writes* together if the user may not send one of them.

        :raises ApiError: of the kind ``privilege``, without a status: nothing was sent.
        """
        lacking = sorted(write for write in set(writes) if self.lacks(write))
        if lacking:
            privileges = sorted({self.allowing[write][0] for write in lacking})
            word = "privilege" if len(privileges) == 1 else "privileges"
            raise ApiError(
                "privilege",
                f"Cannot {' or '.join(lacking)}: user '{self.username}' lacks the cluster {word} "
                f"{' and '.join(privileges)}. The task changed nothing. Grant the {word} to a role of the user; an API "
                "key has only the privileges it was created with.",
            )


def privileges_to_check(allowing: Allowing, server: Server) -> list[str]:
    """Return all names in *allowing* that *server* knows: it refuses a request with an unknown one."""
    known = {name for names in allowing.values() for name in names}
    if not server.supports(Feature.MANAGE_INFERENCE):
        known.discard(INFERENCE)
    # Roles of serverless projects cannot name actions.
    return sorted(name for name in known if not (server.serverless and ":" in name))
