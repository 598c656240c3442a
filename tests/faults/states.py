# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The states of the runs of a schedule, as they are printed when it breaks a law."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.task_run import TaskRun


def shown_states(runs: t.Iterable[TaskRun]) -> list[str]:
    """Return a text for each deployment of each run, in the order in which they began."""
    return [
        f"run {number}, deployment '{state.deployment_id}': {_shown(state)}"
        for number, run in enumerate(runs, 1)
        for state in run.states
    ]


def _shown(value: t.Any) -> str:
    """Return a record with only what it has, and not what is as nothing had happened."""
    if hasattr(value, "_asdict"):
        said = ", ".join(f"{name}={_shown(found)}" for name, found in value._asdict().items() if found is not None)
        return f"{type(value).__name__}({said})"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if not dataclasses.is_dataclass(value):
        return repr(value)
    fields = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
    said = ", ".join(f"{field.name}={_shown(found)}" for field, found in fields if found != _default(field))
    return f"{type(value).__name__}({said})"


def _default(field: dataclasses.Field[t.Any]) -> t.Any:
    return field.default_factory() if callable(field.default_factory) else field.default
