# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check, before the first write of a task, that the user may send all of them."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import ApiError
from ..._core.server import Server
from ..records.step import Step

PATH = "/_security/user/_has_privileges"
"""Each user may read their own privileges."""

_ML = "manage_ml"
_INFERENCE = "manage_inference"
_DEPLOYMENT = "cluster:admin/xpack/ml/trained_models/deployment"
ALLOWING = {
    "start a deployment": (_ML, _INFERENCE, f"{_DEPLOYMENT}/start"),
    "stop a deployment": (_ML, _INFERENCE, f"{_DEPLOYMENT}/stop"),
    "update a deployment": (_ML, f"{_DEPLOYMENT}/update"),
    "update an inference endpoint": (_INFERENCE, "cluster:admin/xpack/inference/update"),
}
"""Write to the names that allow it, each alone: cluster privileges, and the action, which a role may name, too."""


@dataclasses.dataclass(frozen=True)
class Rights:
    """The privileges of the user, of those that were checked. ``granted``: privilege to whether the user has it."""

    username: str
    granted: t.Mapping[str, t.Any]

    @classmethod
    def from_api(cls, raw: t.Mapping[str, t.Any]) -> t.Self:
        cluster = raw.get("cluster")
        return cls(str(raw.get("username") or ""), cluster if isinstance(cluster, dict) else {})

    def lacks(self, write: str) -> bool:
        """Return whether Elasticsearch said no to all names that allow *write*. No answer is no refusal."""
        answers = [self.granted[name] for name in ALLOWING[write] if name in self.granted]
        return bool(answers) and all(answer is False for answer in answers)

    def refuse(self, steps: t.Iterable[Step]) -> None:
        """Refuse *steps* together if the user may not send one of them.

        :raises ApiError: of the kind ``privilege``, without a status: nothing was sent.
        """
        lacking = sorted(write for write in {write_of(step) for step in steps} if self.lacks(write))
        if lacking:
            privileges = sorted({ALLOWING[write][0] for write in lacking})
            word = "privilege" if len(privileges) == 1 else "privileges"
            raise ApiError(
                "privilege",
                f"Cannot {' or '.join(lacking)}: user '{self.username}' lacks the cluster {word} "
                f"{' and '.join(privileges)}. The task changed nothing. Grant the {word} to a role of the user; an API "
                "key has only the privileges it was created with.",
            )


def write_of(step: Step) -> str:
    """Return the key of *step* in :data:`ALLOWING`."""
    return f"{step.kind} a deployment" if step.endpoint_type is None else "update an inference endpoint"


def privileges_to_check(server: Server) -> list[str]:
    """Return all names in :data:`ALLOWING` that *server* knows: it refuses a request with an unknown one."""
    known = {name for names in ALLOWING.values() for name in names}
    if not server.has(8, 14):
        known.discard(_INFERENCE)
    # Roles of serverless projects cannot name actions.
    return sorted(name for name in known if not (server.serverless and ":" in name))
