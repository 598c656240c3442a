# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pieces of an argument spec that merge, with their rules."""

from __future__ import annotations

import dataclasses
import typing as t

_OURS = ("ids", "may_be_empty", "never_empty")


@dataclasses.dataclass(frozen=True)
class Spec:
    """The arguments of ``AnsibleModule`` and ``ArgumentSpecValidator``, as one value, and what they cannot say.

    ``ids``: options that name something, and so must arrive as text. ``may_be_empty``: options for which an empty text
    is a value. ``never_empty``: options that must have a value if they are given beside another option.
    """

    argument_spec: dict[str, t.Any]
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    required_together: tuple[tuple[str, ...], ...] = ()
    required_one_of: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[t.Any, ...], ...] = ()
    required_by: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    ids: tuple[str, ...] = ()
    may_be_empty: tuple[str, ...] = ()
    never_empty: dict[str, str] = dataclasses.field(default_factory=dict)

    def merge(self, other: Spec) -> Spec:
        """Return both pieces as one, rules included."""
        return Spec(
            {**self.argument_spec, **other.argument_spec},
            self.mutually_exclusive + other.mutually_exclusive,
            self.required_together + other.required_together,
            self.required_one_of + other.required_one_of,
            self.required_if + other.required_if,
            {**self.required_by, **other.required_by},
            self.ids + other.ids,
            self.may_be_empty + other.may_be_empty,
            {**self.never_empty, **other.never_empty},
        )

    def to_kwargs(self) -> dict[str, t.Any]:
        """Return the arguments of ``AnsibleModule`` and ``ArgumentSpecValidator``."""
        names = [field.name for field in dataclasses.fields(self) if field.name not in _OURS]
        return {name: getattr(self, name) for name in names}
