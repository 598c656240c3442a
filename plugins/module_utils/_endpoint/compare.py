# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of an endpoint that a task gives, compared with those that Elasticsearch shows. Pure."""

from __future__ import annotations

import typing as t

from .._core.errors import Difference
from .._ml.endpoint import Endpoint

Json = t.Mapping[str, t.Any]
CHUNKING = "chunking_settings"
_NAMED = ("similarity", "element_type", "strategy", "input_type", "truncate", "separator_group")
"""Settings whose values are names: Elasticsearch shows them in lowercase, or in uppercase, whatever is sent."""
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
    """Compare what is *given* of a *part* with what is *shown*; what is shown besides is no difference.

    Of chunking settings Elasticsearch shows all or none: one that is missing among others differs.
    """
    walk = _Walk(part == CHUNKING and bool(shown))
    settled = walk.settled(given, shown, part)
    names = {each.name.removeprefix(f"{part}.").partition(".")[0] for each in walk.leaves}
    differs = {name: merged(shown.get(name), given[name]) for name in sorted(names)}
    if part == CHUNKING and differs:
        differs = whole_chunking(given, shown)
    return Comparison(differs, tuple(walk.leaves), tuple(walk.not_shown), settled)


class _Walk:
    """A walk through the settings that a task gives. *complete*: what is not shown is not there."""

    def __init__(self, complete: bool) -> None:
        self._complete = complete
        self.leaves: list[Difference] = []
        self.not_shown: list[str] = []

    def settled(self, given: Json, shown: Json, path: str) -> dict[str, t.Any]:
        """Return *given* with the values of *shown* that differ; note these, and what is not shown."""
        found: dict[str, t.Any] = {}
        for name, value in given.items():
            place, there = f"{path}.{name}", shown.get(name)
            if there is None and not self._complete:
                self.not_shown.append(place)
                found[name] = value
            elif isinstance(value, dict) and isinstance(there, dict):
                found[name] = self.settled(value, there, place)
            elif is_same(name, value, there):
                found[name] = value
            else:
                self.leaves.append(Difference(place, there, value))
                found[name] = there
        return found


def whole_chunking(given: Json, shown: Json) -> dict[str, t.Any]:
    """Return all chunking settings: an update replaces them, and those of another strategy have other names."""
    same = is_same("strategy", given.get("strategy", shown.get("strategy")), shown.get("strategy"))
    return {**shown, **given} if same else dict(given)


def merged(shown: t.Any, given: t.Any) -> t.Any:
    """Return *given* laid over *shown*: an update replaces a whole object."""
    if not isinstance(given, dict) or not isinstance(shown, dict):
        return given
    return {**shown, **{name: merged(shown.get(name), value) for name, value in given.items()}}


def is_same(name: str, given: t.Any, shown: t.Any) -> bool:
    """Return whether Elasticsearch shows *given* as *shown*: numbers and flags equal their texts."""
    if name == "model_id" and is_variant(given, shown):
        return True
    if isinstance(given, list) and isinstance(shown, list):
        return len(given) == len(shown) and all(is_same(name, *pair) for pair in zip(given, shown, strict=True))
    if isinstance(given, (dict, list)) or isinstance(shown, (dict, list)):
        return bool(given == shown)
    if isinstance(given, bool) or isinstance(shown, bool) or isinstance(given, str) or isinstance(shown, str):
        texts = (_text(given), _text(shown))
        return texts[0].lower() == texts[1].lower() if name in _NAMED else texts[0] == texts[1]
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
