# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A recovery record: what is kept of a deployment while it is stopped to be started again."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.http.schema import SchemaError
from ..._core.server import Server
from ..._ml.adaptive import AdaptiveAllocations
from ..._ml.deployment import Deployment
from ..._ml.settings import SETTINGS, START_SETTINGS, Setting

FORMAT = 1
_KEYS = {"model_id", *SETTINGS, "adaptive_allocations"}
_BOUNDS = ("min_number_of_allocations", "max_number_of_allocations")


@dataclasses.dataclass(frozen=True)
class RecoveryRecord:
    """The start that is to follow a stop, and the one that would restore what was there before.

    ``settings``, ``before``: as in the :class:`~.step.Step` of a start. ``start_time``: of the deployment that the stop
    is for, ``None`` if Elasticsearch does not show it.
    """

    deployment_id: str
    cluster_uuid: str
    cluster_name: str
    start_time: str | None
    settings: t.Mapping[str, t.Any]
    before: t.Mapping[str, t.Any]

    @classmethod
    def from_json(cls, raw: t.Any) -> RecoveryRecord:
        """Return the record in the content of a file.

        :raises ValueError: it is not what :meth:`as_json` gives; the message says where.
        """
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise ValueError(f"it has no format {FORMAT}")
        names = [field.name for field in dataclasses.fields(cls)]
        if raw.keys() != {"format", *names}:
            raise ValueError(f"its keys are not exactly format, {', '.join(names)}")
        for name in names[:3]:
            _check(name, isinstance(raw[name], str))
        _check("deployment_id", bool(raw["deployment_id"]))
        _check("start_time", isinstance(raw["start_time"], (str, type(None))))
        for name in names[4:]:
            _check_settings(name, raw[name])
        return cls(**{name: raw[name] for name in names})

    def as_json(self) -> dict[str, t.Any]:
        return {"format": FORMAT, **dataclasses.asdict(self)}

    def is_for(self, deployment_id: str) -> bool:
        return self.deployment_id == deployment_id

    def is_on(self, server: Server) -> bool:
        """Return whether it was written for this cluster; true if the user may not read which cluster this is."""
        pairs = ((self.cluster_uuid, server.cluster_uuid), (self.cluster_name, server.cluster_name))
        return next((one == other for one, other in pairs if one and other), True)

    def matches(self, current: Deployment | None) -> bool:
        """Return whether *current*, which is being stopped or is gone, is what this was written for."""
        return current is None or (self.start_time is not None and self.start_time == current.start_time)

    @property
    def deployment(self) -> Deployment:
        """Return the deployment as the start would make it; what only Elasticsearch fills in is ``None``."""
        return self._as_deployment(self.settings)

    @property
    def stopped(self) -> Deployment:
        """Return the deployment as it was before the stop, as far as a start can make it again."""
        return self._as_deployment(self.before)

    def _as_deployment(self, settings: t.Mapping[str, t.Any]) -> Deployment:
        adaptive = AdaptiveAllocations.from_api(settings.get("adaptive_allocations"))
        low = adaptive.min_number_of_allocations if adaptive else None
        return Deployment(
            deployment_id=self.deployment_id,
            model_id=settings["model_id"],
            number_of_allocations=settings.get("number_of_allocations") or low or 1,
            adaptive_allocations=adaptive,
            **{name: settings[name] for name in START_SETTINGS if name in settings},
            cache_size_exact=True,
            assignment_state="started",
            start_time=self.start_time,
        )


def _check(name: str, valid: bool) -> None:
    if not valid:
        raise ValueError(f"{name} has an invalid value")


def _check_settings(where: str, settings: t.Any) -> None:
    _check(where, isinstance(settings, dict) and settings.keys() <= _KEYS)
    _check(f"{where}.model_id", isinstance(settings.get("model_id"), str) and bool(settings["model_id"]))
    for name, setting in SETTINGS.items():
        _check(f"{where}.{name}", name not in settings or _is_value(setting, settings[name]))
    adaptive = settings.get("adaptive_allocations", {})
    _check(f"{where}.adaptive_allocations", isinstance(adaptive, dict) and adaptive.keys() <= {"enabled", *_BOUNDS})
    for name, value in adaptive.items():
        valid = isinstance(value, bool) if name == "enabled" else _is_number(value)
        _check(f"{where}.adaptive_allocations.{name}", valid)


def _is_value(setting: Setting, value: t.Any) -> bool:
    try:
        setting.schema(value)
    except SchemaError:
        return False
    return value is not None and not (_is_number(value) and value < 1)


def _is_number(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
