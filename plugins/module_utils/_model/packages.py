# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The models that Elasticsearch downloads itself: their ids, variants and versions. Pure."""

from __future__ import annotations

import typing as t

from .._core.errors import Refusal
from .._core.features import Feature
from .._core.server import Server
from .records import Desired, Json

X86 = "linux-x86_64"
AGNOSTIC = "platform_agnostic"
BODY: Json = {"input": {"field_names": ["text_field"]}}
"""The body that asks for a download: Elasticsearch takes the rest from the package (around-deployments.md 2.2)."""


class Package(t.NamedTuple):
    """A package. ``has_x86``: there is a variant of it for x86 processors under Linux."""

    since: Feature
    task: str
    has_x86: bool = False


PACKAGES: t.Mapping[str, Package] = {
    ".elser_model_1": Package(Feature.DEFINITION_STATUS, "text_expansion"),
    ".elser_model_2": Package(Feature.ELSER_2, "text_expansion", has_x86=True),
    ".multilingual-e5-small": Package(Feature.E5, "text_embedding", has_x86=True),
    ".rerank-v1": Package(Feature.RERANK, "text_similarity"),
}
"""The packages that are known; others are left to Elasticsearch."""


def plain_id(model_id: str) -> str:
    """Return the id of a package without its variant."""
    return model_id.removesuffix(f"_{X86}")


def has_variants(desired: Desired) -> bool:
    """Return whether the cluster decides which variant of the package is meant."""
    package = PACKAGES.get(desired.model_id)
    return desired.state == "present" and desired.variant == "auto" and bool(package and package.has_x86)


def id_of_variant(model_id: str, variant: str) -> str:
    """Return the id of one variant of a package."""
    return f"{plain_id(model_id)}_{X86}" if variant == X86 else plain_id(model_id)


def id_meant(desired: Desired) -> str:
    """Return the id that a task means which names the variant of a package itself."""
    return desired.model_id if desired.variant == "auto" else id_of_variant(desired.model_id, desired.variant)


def chosen(desired: Desired, named: str | None, there: t.Collection[str]) -> str:
    """Return the id of the variant to have. *named*: the variant that the cluster names. *there*: ids that exist.

    One that is there already satisfies, because it can be used: that of the named variant first.
    """
    named_id = id_of_variant(desired.model_id, named or AGNOSTIC)
    either = (named_id, *(id_of_variant(desired.model_id, variant) for variant in (AGNOSTIC, X86)))
    return next((model_id for model_id in either if model_id in there), named_id)


def config_of_package(model_id: str) -> Json:
    """Return what is known of the configuration of a package before it is downloaded."""
    package = PACKAGES.get(plain_id(model_id))
    task: Json = {"inference_config": {package.task: {}}} if package else {}
    return {"model_id": model_id, "model_type": "pytorch", **BODY, **task}


def refuse_unknown_variant(model_id: str, variant: str) -> None:
    """Refuse a variant that the package does not have, or that contradicts the id.

    :raises Refusal: it is such a variant.
    """
    if variant == X86 and (package := PACKAGES.get(plain_id(model_id))) and not package.has_x86:
        hint = f"Leave variant out, or set it to {AGNOSTIC}."
        raise Refusal("invalid_value", f"Model '{plain_id(model_id)}' has no variant {X86}", hint=hint)
    if variant == AGNOSTIC and model_id != plain_id(model_id):
        reason = f"model_id '{model_id}' names the variant {X86}, and variant is {AGNOSTIC}"
        raise Refusal("conflicting_options", reason, hint=f"Set model_id to '{plain_id(model_id)}'.")


def refuse_early_server(desired: Desired, server: Server) -> None:
    """Refuse a package that the server does not know.

    :raises Refusal: its version is too old.
    """
    package = PACKAGES.get(plain_id(desired.model_id))
    server.require(package.since if package else Feature.DEFINITION_STATUS, f"model '{desired.model_id}'")
