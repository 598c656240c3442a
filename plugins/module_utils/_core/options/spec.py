# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pieces of an argument spec that merge, with their rules."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Spec:
    """The arguments of ``AnsibleModule`` and ``ArgumentSpecValidator``, as one value."""

    argument_spec: dict[str, t.Any]
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    required_together: tuple[tuple[str, ...], ...] = ()
    required_one_of: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[t.Any, ...], ...] = ()
    required_by: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def merge(self, other: Spec) -> Spec:
        """Return both pieces as one, rules included."""
        return Spec(
            {**self.argument_spec, **other.argument_spec},
            self.mutually_exclusive + other.mutually_exclusive,
            self.required_together + other.required_together,
            self.required_one_of + other.required_one_of,
            self.required_if + other.required_if,
            {**self.required_by, **other.required_by},
        )

    def to_kwargs(self) -> dict[str, t.Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
