# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of an endpoint that a task gives, compared with those that Elasticsearch shows. Pure."""

from __future__ import annotations

import typing as t

from .._core.errors import Difference
from .._ml.endpoint import Endpoint

Json = t.Mapping[str, t.Any]
_VARIANT = "_linux-x86_64"


class Comparison(t.NamedTuple):
    """Settings of one part, such as ``service_settings``.

    ``differs``: those at the first level in which a given value differs, as an update sends them. ``leaves``: each
    value that differs, by its path. ``not_shown``: the paths of those that Elasticsearch does not show. ``settled``:
    the given settings as they are, for ``before``.
    """

    differs: dict[str, t.Any]
    leaves: tuple[Difference, ...]
    not_shown: tuple[str, ...]
    settled: dict[str, t.Any]


def compared(given: Json, shown: Json, part: str) -> Comparison:
    """Compare what is *given* of a *part* with what is *shown*; what is shown besides is no difference."""
    leaves: list[Difference] = []
    not_shown: list[str] = []
    settled = _settled(given, shown, part, leaves, not_shown)
    names = {each.name.removeprefix(f"{part}.").partition(".")[0] for each in leaves}
    differs = {name: _merged(shown.get(name), given[name]) for name in sorted(names)}
    return Comparison(differs, tuple(leaves), tuple(not_shown), settled)


def _settled(given: Json, shown: Json, path: str, leaves: list[Difference], not_shown: list[str]) -> dict[str, t.Any]:
    """Return *given* with the values of *shown* that differ; note the differences, and what is not shown."""
    found: dict[str, t.Any] = {}
    for name, value in given.items():
        place, there = f"{path}.{name}", shown.get(name)
        if there is None:
            not_shown.append(place)
            found[name] = value
        elif isinstance(value, dict) and isinstance(there, dict):
            found[name] = _settled(value, there, place, leaves, not_shown)
        elif is_same(name, value, there):
            found[name] = value
        else:
            leaves.append(Difference(place, there, value))
            found[name] = there
    return found


def _merged(shown: t.Any, given: t.Any) -> t.Any:
    """Return *given* laid over *shown*: an update replaces a whole object."""
    if not isinstance(given, dict) or not isinstance(shown, dict):
        return given
    return {**shown, **{name: _merged(shown.get(name), value) for name, value in given.items()}}


def is_same(name: str, given: t.Any, shown: t.Any) -> bool:
    """Return whether Elasticsearch shows *given* as *shown*: numbers and flags equal their texts."""
    if name == "model_id" and is_variant(given, shown):
        return True
    if isinstance(given, list) and isinstance(shown, list):
        return len(given) == len(shown) and all(is_same(name, *pair) for pair in zip(given, shown, strict=True))
    if isinstance(given, (dict, list)) or isinstance(shown, (dict, list)):
        return bool(given == shown)
    if isinstance(given, bool) or isinstance(shown, bool) or isinstance(given, str) or isinstance(shown, str):
        return _text(given) == _text(shown)
    return bool(given == shown)


def _text(value: t.Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def is_variant(given: t.Any, shown: t.Any) -> bool:
    """Return whether *shown* is the variant of the packaged model *given* for one platform."""
    return str(given).startswith(".") and shown == f"{given}{_VARIANT}"


def same_service(given: str | None, stored: Endpoint) -> bool:
    """Return whether *given* means the service of an endpoint: those in the cluster have had several names."""
    if given is None or given == stored.service:
        return True
    return stored.in_cluster and is_in_cluster(given)


def is_in_cluster(service: str | None) -> bool:
    """Return whether endpoints of this service use a deployment in the cluster."""
    return Endpoint("", "", service or "").in_cluster
