# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trained models and their aliases, as far as deployments need them.

Server behaviour notes, sections 1.5 and 10; ``model_config``, ``aliases`` and ``ids`` records.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..wire import errors
from .model_config import PYTORCH
from .versions import Features

_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9_\-.]*[a-z0-9])?")
_ALIAS: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z])?")
ID_LIMIT: Final = 64
WILDCARDS: Final = ("_all", "*")


@dataclasses.dataclass
class Model:
    """One trained model."""

    id: str
    bytes: int = 100 << 20
    model_type: str = PYTORCH
    has_location: bool = True
    downloading: bool = False
    total_parts: int | None = None
    parts: set[int] = dataclasses.field(default_factory=set)
    complete: bool = True
    """All definition parts are there."""
    has_vocabulary: bool = True
    create_time: int = 0
    config: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def has_definition(self) -> bool:
        """Whether any part of the definition is there."""
        return self.complete or bool(self.parts)

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        return list(self.config.get("tags") or [])

    @property
    def field_names(self) -> list[str]:
        """The fields it reads; the one of PyTorch models unless said otherwise."""
        return list((self.config.get("input") or {}).get("field_names", ["text_field"]))

    def as_json(
        self,
        version: Features,
        *,
        definition_status: bool,
        exclude_generated: bool = False,
        aliases: Sequence[str] = (),
    ) -> dict[str, Any]:
        """As GET shows it."""
        body: dict[str, Any] = {"model_id": self.id, "model_type": self.model_type}
        if not exclude_generated:
            body |= {
                "created_by": "api_user",
                "version": _config_version(version),
                "create_time": self.create_time,
                "model_size_bytes": self.bytes,
                "estimated_operations": 0,
                "license_level": "platinum",
            }
        body |= {"tags": [], "input": {"field_names": ["text_field"]}, **self.config}
        if aliases:
            body["metadata"] = {**(self.config.get("metadata") or {}), "model_aliases": list(aliases)}
        if self.has_location:
            body["location"] = {"index": {"name": ".ml-inference-native"}}
        if definition_status and version.at_least((8, 8, 0)):
            body["fully_defined"] = self.complete
        return body

    def per_memory(self, name: str) -> int:
        """``per_deployment_memory_bytes`` or ``per_allocation_memory_bytes``, which sit in the metadata."""
        found = (self.config.get("metadata") or {}).get(name, 0)
        return int(found)


def _config_version(version: Features) -> str:
    """The version of the configuration format, which is not the product's from 8.10 on."""
    if version.at_least((8, 13, 0)):
        return "12.0.0"
    return "10.0.0" if version.at_least((8, 10, 0)) else version.number


def is_valid_id(model_id: str) -> bool:
    """The server's general rule for ids."""
    return _ID.fullmatch(model_id) is not None


def is_short_enough(model_id: str) -> bool:
    """The server's limit for ids."""
    return len(model_id) <= ID_LIMIT


def id_complaints(model_id: str) -> list[str]:
    """Validation messages for the id of a new model; one leading dot is allowed."""
    bare = model_id[1:] if model_id.startswith(".") else model_id
    found = []
    if not is_valid_id(bare):
        text = (
            f"Invalid model_id; '{model_id}' can contain lowercase alphanumeric (a-z and 0-9), hyphens or underscores; "
        )
        found.append(text + "must start and end with alphanumeric")
    if not is_short_enough(model_id):
        found.append(f"Invalid model_id; '{model_id}' cannot contain more than {ID_LIMIT} characters.")
    return found


_MADE_BY_SERVER: Final = ("version", "created_by", "create_time", "license_level", "location")
_MADE_METADATA: Final = ("total_feature_importance", "model_aliases")


def creation_complaints(model_id: str, config: Mapping[str, Any]) -> list[str]:
    """Validation messages about a new configuration that come after those about the id (the public configuration
    class, in its order)."""
    tags = list(config.get("tags") or [])
    found = []
    if bad := [tag for tag in tags if not (is_valid_id(tag) and is_short_enough(tag))]:
        words = "must only can contain lowercase alphanumeric (a-z and 0-9), hyphens or underscores"
        ends = f"must start and end with alphanumeric, and must be less than {ID_LIMIT} characters."
        found.append(f"Invalid tags [{', '.join(bad)}]; {words}, {ends}")
    if model_id in tags:
        found.append("none of the tags must equal the model_id")
    if "input" in config and "inference_config" in config:
        names = list(config["input"].get("field_names", []))
        if not names:
            found.append("[input.field_names] must not be empty")
        if any("." in name and not all(name.split(".")) for name in names):
            found.append("[input.field_names] must only contain valid dot delimited field names")
    metadata = config.get("metadata") or {}
    illegal = [name for name in _MADE_BY_SERVER if config.get(name) is not None]
    illegal += [f"metadata.{name}" for name in _MADE_METADATA if metadata.get(name) is not None]
    illegal += ["model_package"] if config.get("model_package") is not None else []
    return found + [f"illegal to set [{name}] at inference model creation" for name in illegal]


def existing(known: Mapping[str, Model], model_id: str, version: Features) -> Model:
    """A model, or 404."""
    if model_id not in known:
        raise missing_model(model_id, version)
    return known[model_id]


def alias_complaints(alias: str, model_id: str, version: Features) -> list[str]:
    """Validation messages for a model alias."""
    found = []
    if alias == model_id:
        found.append(f"model_alias [{alias}] cannot equal model_id [{model_id}]")
    newer = version.at_least((9, 2, 0))
    if not _ALIAS.fullmatch(alias):
        text = (
            f"Invalid model_alias; '{alias}' can contain lowercase alphanumeric (a-z and 0-9), hyphens or underscores; "
        )
        text += "must start with alphanumeric and cannot end with numbers"
        found.append(text + (", hyphens or underscores" if newer else ""))
    return found


def expand(expression: str, known: list[str]) -> list[str]:
    """Ids that a comma list of ids and patterns names, in sorted order."""
    found: set[str] = set()
    for token in expression.split(","):
        if token in WILDCARDS:
            found |= set(known)
        else:
            found |= {each for each in known if each == token or ("*" in token and fnmatch.fnmatchcase(each, token))}
    return sorted(found)


def missing_exact(expression: str, known: set[str]) -> list[str]:
    """Tokens of the expression that are no pattern and name nothing."""
    return [
        token for token in expression.split(",") if token not in WILDCARDS and "*" not in token and token not in known
    ]


def missing_model(model_id: str, version: Features) -> errors.ApiError:
    """404 of the calls that read one model (section 1.4; the text is [U] for ``_stats``)."""
    hint = ", you may need to create it or load it into the cluster with eland" if version.at_least((8, 13, 0)) else ""
    return errors.not_found(f"No known trained model with model_id [{model_id}]{hint}")
