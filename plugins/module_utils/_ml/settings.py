# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a deployment, one row each. Every list of their names is made from this table.

Adaptive allocations have several values, and merge: they are in ``adaptive.py``.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.features import Feature
from .._core.http.schema import Schema, integer, text
from .._core.server import Server


class ByVersion(t.NamedTuple):
    """A number that changed when *feature* came."""

    feature: Feature
    value: int
    before: int

    def on(self, server: Server) -> int:
        """Return the number of *server*."""
        return self.value if server.supports(self.feature) else self.before


@dataclasses.dataclass(frozen=True)
class Setting:
    """One row.

    ``option``: its argument spec. ``schema``: of its value in an answer, which ``parse`` makes ours. ``old_name``: its
    name without ``Feature.ALLOCATION_NAMES``. ``fixed``: only a start sets it. ``since``: what any value but the
    default needs. ``default``: what a start makes that does not name it, perhaps ``ByVersion``; ``None`` if that
    depends on the model. ``at_most``: its limit. ``misreported``: with ``Feature.MISREPORTED_THREADS`` statistics may
    show it wrongly (server-behaviour.md 7 item 22).
    """

    option: dict[str, t.Any]
    schema: Schema
    parse: t.Callable[[t.Any], t.Any] = lambda value: value
    old_name: str = ""
    fixed: bool = True
    since: Feature | None = None
    default: t.Any = None
    at_most: ByVersion | None = None
    misreported: bool = False

    @property
    def is_count(self) -> bool:
        """Return whether it takes any whole number from 1 on."""
        return self.option["type"] == "int" and "choices" not in self.option

    def value_in(self, raw: t.Mapping[str, t.Any], name: str) -> t.Any:
        """Return the value in an answer; a server that does not know a setting has its default, and no other."""
        value = raw.get(name, raw.get(self.old_name))
        if value is None:
            return self.known_default if self.since else None
        return self.parse(value)

    @property
    def known_default(self) -> t.Any:
        """Return the default that it has in each version, ``None`` if Elasticsearch computes it."""
        return None if isinstance(self.default, ByVersion) else self.default


# Source of the defaults and limits: server-behaviour.md 1.1.
SETTINGS: dict[str, Setting] = {
    "number_of_allocations": Setting({"type": "int"}, integer, old_name="model_threads", fixed=False),
    "threads_per_allocation": Setting(
        {"type": "int", "choices": [1, 2, 4, 8, 16, 32]},
        integer,
        old_name="inference_threads",
        default=1,
        misreported=True,
    ),
    "priority": Setting(
        {"type": "str", "choices": ["normal", "low"]},
        text,
        parse=str.lower,
        since=Feature.PRIORITY,
        default="normal",
    ),
    "queue_capacity": Setting(
        {"type": "int"},
        integer,
        default=ByVersion(Feature.SHORT_QUEUES, 10_000, 1_024),
        at_most=ByVersion(Feature.SHORT_QUEUES, 100_000, 1_000_000),
    ),
    "cache_size": Setting({"type": "str"}, text, since=Feature.CACHE_SIZE, misreported=True),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartSettings:
    """The values of the settings that only a start sets. ``None``: not given, or not known."""

    threads_per_allocation: int | None = None
    priority: str | None = None
    queue_capacity: int | None = None
    cache_size: str | None = None

    @property
    def start_settings(self) -> dict[str, t.Any]:
        """Return those that have a value."""
        values = {name: getattr(self, name) for name in START_SETTINGS}
        return {name: value for name, value in values.items() if value is not None}


START_SETTINGS = tuple(name for name, setting in SETTINGS.items() if setting.fixed)
MISREPORTED = tuple(name for name, setting in SETTINGS.items() if setting.misreported)
LEFT_TO_SERVER = tuple(name for name in START_SETTINGS if SETTINGS[name].known_default is None)
"""Settings that Elasticsearch fills in if a start leaves them out."""
OLD_NAMES = {name: setting.old_name for name, setting in SETTINGS.items() if setting.old_name}
SCHEMAS: dict[str, Schema] = {
    known: setting.schema for name, setting in SETTINGS.items() for known in filter(None, (name, setting.old_name))
}
"""The schemas of all names that answers have."""


def server_defaults(server: Server) -> dict[str, t.Any]:
    """Return the settings whose default depends on the version, with that of *server*."""
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    return {name: default.on(server) for name, default in defaults.items() if isinstance(default, ByVersion)}


def settings_in(raw: t.Mapping[str, t.Any], *, misreported: bool = False) -> dict[str, t.Any]:
    """Return the settings in an answer. *misreported*: those that may be wrong there are not known."""
    return {
        name: None if misreported and setting.misreported else setting.value_in(raw, name)
        for name, setting in SETTINGS.items()
    }
