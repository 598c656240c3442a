# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision of the role: what is refused, what is to be done, and how to go back."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.steps import rehearsal

Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Decision:
    """``refused``: why nothing is done; empty if all may go on. ``notices``: what a person should know before.

    ``no_room``: what to say if there is no room for both deployments. ``ends_failed``: the role fails although all
    steps are done, because they only end a rollback. ``dry_run``: the task asks for check mode.
    """

    action: t.Literal["rollout", "rollback"] = "rollout"
    route: str = ""
    name: str = ""
    refused: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    steps: tuple[Json, ...] = ()
    state: State | None = None
    no_room: str = ""
    ends_failed: bool = False
    dry_run: bool = False

    def to_json(self) -> Json:
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        steps = [{"number": number, **each} for number, each in enumerate(self.steps)]
        return {
            **{name: list(value) if isinstance(value, tuple) else value for name, value in found.items()},
            "state": self.state.to_json() if self.state else None,
            "steps": steps,
            "rehearsal": rehearsal(steps),
        }
