# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers of Elasticsearch about models, and what they become. Pure."""

from __future__ import annotations

import typing as t

from .._core.http.schema import boolean, integer, list_of, map_of, object_with, text
from .._ml.model import Model
from .packages import AGNOSTIC, X86
from .records import Json, OtherModel, StoredModel

CONFIGS = object_with(
    trained_model_configs=list_of(
        object_with(
            "model_id",
            model_id=text,
            model_type=text,
            description=text,
            tags=list_of(text),
            fully_defined=boolean,
            license_level=text,
            create_time=integer,
            model_size_bytes=integer,
            platform_architecture=text,
            inference_config=object_with(),
            input=object_with(field_names=list_of(text)),
            metadata=object_with(model_aliases=list_of(text)),
        )
    )
)
DEPLOYED = object_with(
    trained_model_stats=list_of(
        object_with("model_id", model_id=text, deployment_stats=object_with(deployment_id=text, model_id=text))
    )
)
SIZES = object_with(
    trained_model_stats=list_of(
        object_with("model_id", model_id=text, model_size_stats=object_with(model_size_bytes=integer))
    )
)
VARIANT = object_with(defaults=object_with(model_platform_variant=text))
NODES = object_with(nodes=map_of(object_with(roles=list_of(text), os=object_with(name=text, arch=text))))
_OF_REPOSITORY = object_with(xpack=object_with(ml=object_with(model_repository=text)))
REPOSITORY = object_with(transient=_OF_REPOSITORY, persistent=_OF_REPOSITORY, defaults=_OF_REPOSITORY)
NOTIFICATIONS = object_with(hits=object_with(hits=list_of(object_with(_source=object_with(message=text, level=text)))))


def stored_model(raw: Json, *, has_figures: bool) -> StoredModel:
    """Return a row of ``GET _ml/trained_models``, without the aliases, which have records of their own."""
    model = Model.from_api(raw, has_figures=has_figures)
    metadata = {name: value for name, value in (raw.get("metadata") or {}).items() if name != "model_aliases"}
    return StoredModel(model, {**raw, "metadata": metadata}, model.fully_defined)


def other_model(raw: Json) -> OtherModel:
    aliases = (raw.get("metadata") or {}).get("model_aliases") or ()
    return OtherModel(str(raw["model_id"]), frozenset(raw.get("tags") or ()), frozenset(aliases))


def deployments(answer: Json) -> dict[str, str]:
    """Return the deployments in ``_stats``, each with its model."""
    found = {}
    for row in answer.get("trained_model_stats") or ():
        if stats := row.get("deployment_stats"):
            model_id = str(stats.get("model_id") or row["model_id"])
            found[str(stats.get("deployment_id") or model_id)] = model_id
    return found


def size_of(answer: Json, model_id: str) -> int | None:
    """Return the size of a model in ``_stats``."""
    rows = [row for row in answer.get("trained_model_stats") or () if row["model_id"] == model_id]
    sizes = ((row.get("model_size_stats") or {}).get("model_size_bytes") for row in rows)
    return next((size for size in sizes if size), None)


def variant_of_nodes(answer: Json) -> str | None:
    """Return the variant of packages that all ML nodes run, ``None`` without any such node.

    Only if all of them are x86 nodes under Linux it is their own one (around-deployments.md 2.2).
    """
    nodes = [node for node in (answer.get("nodes") or {}).values() if "ml" in (node.get("roles") or ())]
    if not nodes:
        return None
    return X86 if all(map(_is_x86, nodes)) else AGNOSTIC


def _is_x86(node: Json) -> bool:
    system: t.Mapping[str, t.Any] = node.get("os") or {}
    return system.get("name") in (None, "Linux") and system.get("arch") in ("amd64", "x86_64")


def repository_in(answer: Json) -> str | None:
    """Return the repository of packages in the settings of a cluster, ``None`` if they do not show it."""
    for kind in ("transient", "persistent", "defaults"):
        ml = ((answer.get(kind) or {}).get("xpack") or {}).get("ml") or {}
        if ml.get("model_repository"):
            return str(ml["model_repository"])
    return None


def notification_in(answer: Json) -> str | None:
    """Return the text of the newest notification in the answer of a search."""
    hits = (answer.get("hits") or {}).get("hits") or ()
    return next((hit["_source"].get("message") for hit in hits if hit.get("_source")), None)
