# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a task on one resource: what differs, and the steps that change it."""

from __future__ import annotations

import dataclasses
import typing as t

from .warning import WarningText

Json = dict[str, t.Any]
S = t.TypeVar("S")


@dataclasses.dataclass(frozen=True)
class Step:
    """One planned write. ``kind``: a verb, such as ``delete``."""

    kind: str
    settings: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Plan(t.Generic[S]):
    """A decision, made of values only.

    ``after`` is a prediction; ``None`` on either side means that the resource is not there. ``skipped_because``: why
    nothing is done although something differs.
    """

    before: S | None
    after: S | None
    operation: str = "none"
    steps: tuple[Step, ...] = ()
    warnings: tuple[WarningText, ...] = ()
    skipped_because: str | None = None

    @property
    def changed(self) -> bool:
        return bool(self.steps)


def diff(before: Json | None, after: Json | None) -> dict[t.Literal["before", "after"], Json]:
    """Return what differs, of both sides; nothing if one side is not known. A value that is not set has no key."""
    old, new = before or {}, after or {}
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)] if old and new else ()
    return {
        "before": {name: old[name] for name in names if old.get(name) is not None},
        "after": {name: new[name] for name in names if new.get(name) is not None},
    }
