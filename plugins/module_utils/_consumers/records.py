# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Consumers of a deployment: inference endpoints, ingest pipelines, model aliases, indices."""

from __future__ import annotations

import dataclasses
import typing as t

from .._ml.endpoint import Endpoint
from .mappings import Indices

Json = t.Mapping[str, t.Any]
Pipelines = t.Mapping[str, frozenset[str]]
"""Ingest pipeline to the ids in its inference processors and in those of the pipelines that it calls."""


def pipelines(answer: Json) -> Pipelines:
    """Return the ids in each pipeline of ``GET _ingest/pipeline``, also in loops, handlers and called pipelines."""
    named, called = {}, {}
    for pipeline, config in answer.items():
        found = [*_settings(config.get("processors")), *_settings(config.get("on_failure"))]
        named[pipeline] = {str(own["model_id"]) for kind, own in found if kind == "inference" and "model_id" in own}
        called[pipeline] = {str(own.get("name")) for kind, own in found if kind == "pipeline"}
    return {
        pipeline: frozenset[str]().union(*(named[name] for name in _reached(pipeline, called))) for pipeline in named
    }


def _settings(processors: t.Any) -> t.Iterator[tuple[str, Json]]:
    """Yield kind and settings of each processor, and of those within it."""
    for processor in processors if isinstance(processors, list) else ():
        for kind, settings in processor.items() if isinstance(processor, dict) else ():
            if isinstance(settings, dict):
                yield kind, settings
                yield from _settings([settings.get("processor")])
                yield from _settings(settings.get("on_failure"))


def checked_pipelines(answer: Json) -> Pipelines:
    """Return the ids in each pipeline of ``GET _ingest/pipeline`` where Elasticsearch looks before it deletes an alias.

    That is not everywhere (around-deployments.md 3).
    """
    return {pipeline: frozenset(_checked(config.get("processors"))) for pipeline, config in answer.items()}


def _checked(processors: t.Any, depth: int = 0) -> t.Iterator[str]:
    """Yield the ids that Elasticsearch finds: of inference and of loops it reads no handlers."""
    for processor in processors if isinstance(processors, list) and depth <= _CHECKED_DEPTH else ():
        for kind, settings in processor.items() if isinstance(processor, dict) else ():
            if not isinstance(settings, dict):
                continue
            if kind == "inference":
                yield str(settings.get("model_id", ""))
            elif kind == "foreach":
                yield from _checked([settings.get("processor")], depth + 1)
            else:
                yield from _checked(settings.get("on_failure"), depth + 1)


_CHECKED_DEPTH = 10


def _reached(pipeline: str, called: t.Mapping[str, set[str]]) -> set[str]:
    """Return the pipeline and those that it calls, without names that are templates: they cannot be resolved."""
    reached: set[str] = set()
    ahead = {pipeline}
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead |= (called[name] & called.keys()) - reached
    return reached


def endpoints_left(found: t.Iterable[Endpoint], predicted: t.Mapping[str, Endpoint | None]) -> tuple[Endpoint, ...]:
    """Return the endpoints *found* as a dry run would leave them. *predicted*: ``None`` if deleted."""
    left = {**{each.inference_id: each for each in found}, **predicted}
    return tuple(each for _name, each in sorted(left.items()) if each)


Aliases = t.Mapping[str, tuple[str, ...]]
"""Model to its aliases; models without any are left out."""


def aliases(models: t.Iterable[Json]) -> Aliases:
    """Return the aliases in ``GET _ml/trained_models``."""
    found = {str(model.get("model_id")): (model.get("metadata") or {}).get("model_aliases") for model in models}
    return {model_id: tuple(sorted(names)) for model_id, names in found.items() if names}


def with_predicted(known: Aliases, predicted: t.Mapping[str, str | None]) -> Aliases:
    """Return the *known* aliases as a dry run would leave them. *predicted*: alias to model, ``None`` if deleted."""
    models: dict[str, str | None] = {alias: model_id for model_id, names in known.items() for alias in names}
    found: dict[str, list[str]] = {}
    for alias, model_id in sorted({**models, **predicted}.items()):
        if model_id is not None:
            found.setdefault(model_id, []).append(alias)
    return {model_id: tuple(names) for model_id, names in found.items()}


@dataclasses.dataclass(frozen=True)
class Consumers:
    """All consumers in a cluster; a kind that the user may not read is ``None``.

    ``indices`` are left out if none of the endpoints is of interest, and unknown if the endpoints are.
    """

    endpoints: tuple[Endpoint, ...] | None = ()
    pipelines: Pipelines | None = dataclasses.field(default_factory=dict)
    aliases: Aliases | None = dataclasses.field(default_factory=dict)
    indices: Indices | None = dataclasses.field(default_factory=dict)


ConsumerKind = t.Literal["inference_endpoints", "ingest_pipelines", "model_aliases", "semantic_text_indices"]
CONSUMER_KINDS: tuple[ConsumerKind, ...] = t.get_args(ConsumerKind)


ENDPOINTS: ConsumerKind = "inference_endpoints"
INDICES: ConsumerKind = "semantic_text_indices"


class UsedBy(t.NamedTuple):
    """The consumers of one deployment, as sorted ids; a kind that the user may not read is ``None``."""

    inference_endpoints: tuple[str, ...] | None = ()
    ingest_pipelines: tuple[str, ...] | None = ()
    model_aliases: tuple[str, ...] | None = ()
    semantic_text_indices: tuple[str, ...] | None = ()

    def of(self, kind: ConsumerKind) -> tuple[str, ...] | None:
        found: tuple[str, ...] | None = getattr(self, kind)
        return found

    @property
    def unread(self) -> tuple[ConsumerKind, ...]:
        """Return the kinds that the user may not read. Indices are unknown, but not unread, if endpoints are."""
        unknown = tuple(kind for kind in CONSUMER_KINDS if self.of(kind) is None)
        return tuple(kind for kind in unknown if kind != INDICES or ENDPOINTS not in unknown)

    def joined(self, other: UsedBy) -> UsedBy:
        """Return the consumers of both; a kind that one of them does not know is ``None``."""
        pairs = zip(self, other, strict=True)
        return UsedBy(*(None if one is None or two is None else tuple(sorted({*one, *two})) for one, two in pairs))

    def as_result(self) -> dict[str, list[str] | None]:
        return {kind: None if (found := self.of(kind)) is None else list(found) for kind in CONSUMER_KINDS}


def consumers_of(
    names: t.Collection[str], endpoints: t.Iterable[str], aliases: t.Sequence[str], consumers: Consumers
) -> UsedBy:
    """Return those of all *consumers* that use what has these *names*, *endpoints* and *aliases*."""
    endpoint_ids = sorted(endpoints)
    return UsedBy(
        None if consumers.endpoints is None else tuple(endpoint_ids),
        _naming({*names, *endpoint_ids, *aliases}, consumers.pipelines),
        None if consumers.aliases is None else tuple(aliases),
        _naming(endpoint_ids, consumers.indices),
    )


def _naming(ids: t.Iterable[str], found: t.Mapping[str, frozenset[str]] | None) -> tuple[str, ...] | None:
    """Return what names one of the *ids*."""
    return None if found is None else tuple(sorted(each for each, named in found.items() if not named.isdisjoint(ids)))
