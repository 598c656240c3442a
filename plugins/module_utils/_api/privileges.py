# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the user may write, asked before the first write of a task."""

from __future__ import annotations

import dataclasses
import typing as t

from .._records.action import Action
from .._records.errors import ApiError
from .._records.server import Server

PATH = "/_security/user/_has_privileges"
"""Every user may ask it about themselves."""

WRITING = "manage_ml"
_INFERENCE = "manage_inference"
_GRANTING = {"start": (WRITING, _INFERENCE), "stop": (WRITING, _INFERENCE), "update": (WRITING,)}
"""Kind of a write to the cluster privileges that allow it."""


@dataclasses.dataclass(frozen=True)
class Rights:
    """What the user has of what was asked for. ``granted``: privilege to whether the user has it."""

    username: str
    granted: t.Mapping[str, t.Any]

    @classmethod
    def from_api(cls, raw: t.Mapping[str, t.Any]) -> t.Self:
        cluster = raw.get("cluster")
        return cls(str(raw.get("username") or ""), cluster if isinstance(cluster, dict) else {})

    def lacks(self, kind: str) -> bool:
        """Whether Elasticsearch said no to each privilege that allows writes of *kind*. No word is no refusal."""
        answers = [self.granted[name] for name in allowing(kind) if name in self.granted]
        return bool(answers) and all(answer is False for answer in answers)

    def refuse(self, actions: t.Iterable[Action]) -> None:
        """Refuse *actions* together if the user may not send one of them.

        :raises ApiError: of the kind ``privilege``, without a status: nothing was sent.
        """
        # An update of an endpoint needs another privilege; it is alone in its plan, so its own refusal is early enough.
        kinds = {action.kind for action in actions if action.endpoint_type is None}
        lacking = sorted(kind for kind in kinds if self.lacks(kind))
        if lacking:
            raise ApiError(
                "privilege",
                f"Cannot {' or '.join(lacking)} a deployment: user '{self.username}' lacks the cluster privilege "
                f"{WRITING}, and nothing was changed. Grant it to a role of the user; an API key has only what it was "
                "made with.",
            )


def allowing(kind: str) -> tuple[str, ...]:
    """The privileges, each of which allows writes of *kind*; a role may also name the server's action itself."""
    return (*_GRANTING[kind], f"cluster:admin/xpack/ml/trained_models/deployment/{kind}")


def to_ask(server: Server) -> list[str]:
    """All that allows anything, of what *server* knows: it refuses a question with a name that it does not."""
    known = {name for kind in _GRANTING for name in allowing(kind)}
    if not server.has(8, 14):
        known.discard(_INFERENCE)
    # Roles of serverless projects cannot name actions.
    return sorted(name for name in known if not (server.serverless and ":" in name))
