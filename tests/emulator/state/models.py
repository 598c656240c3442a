# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep trained models and their aliases, as far as deployments need them.

Source: server-behaviour.md 1.5 and 10; ``model_config``, ``aliases`` and ``ids`` records.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..wire import errors
from ..wire.values import human_bytes, millis_text
from . import model_config
from .model_config import PYTORCH
from .versions import Features

_ALIAS: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z])?")
LANG_IDENT: Final = "lang_ident_model_1"
ID_LIMIT: Final = model_config.ID_LIMIT
WILDCARDS: Final = ("_all", "*")


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a definition, as far as it is kept.

    The number of its bytes, and the CRC-32 of their base64, if that came without escapes.
    """

    bytes: int
    crc32: int | None = None
    total_bytes: int = 0
    """The length of the whole definition, as this part announced it."""
    last: bool = False


@dataclasses.dataclass
class Model:
    """One trained model."""

    id: str
    bytes: int = 100 << 20
    model_type: str = PYTORCH
    has_location: bool = True
    downloading: bool = False
    """A download that never ends by itself; see ``download_ends``."""
    total_parts: int | None = None
    parts: dict[int, Part] = dataclasses.field(default_factory=dict)
    complete: bool = True
    """All definition parts are there."""
    has_vocabulary: bool = True
    create_time: int = 0
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    download_ends: int | None = None
    """The time at which the server has the whole package, in nanoseconds of the emulator's clock."""
    package: dict[str, Any] | None = None
    definition: dict[str, Any] | None = None
    """Of a tree; PyTorch definitions are not kept."""
    operations: int = 0
    part_bytes: int = 0
    license_level: str = "platinum"
    created_by: str = "api_user"
    made_in: str | None = None
    """The version of its configuration, if it is not the cluster's."""
    download_fails: str | None = None
    """The reason for which its download will fail."""
    tell: Callable[[str, str], None] = dataclasses.field(default=lambda message, level: None, repr=False, compare=False)
    """Write a notification about its download, with a level."""

    @property
    def has_definition(self) -> bool:
        """Return whether any part of the definition is there."""
        return self.complete or bool(self.parts)

    @property
    def tags(self) -> list[str]:
        """Return its tags."""
        return list(self.config.get("tags") or [])

    @property
    def field_names(self) -> list[str]:
        """Return the fields it reads; PyTorch models have one by default."""
        return list((self.config.get("input") or {}).get("field_names", ["input"]))

    def settle(self, now: int) -> bool:
        """End a download whose time is over; return whether none is under way any more."""
        if self.download_ends is not None and now >= self.download_ends:
            self.download_ends = None
            if self.download_fails is not None:
                self.tell(f"Model importing failed due to [{self.download_fails}]", "error")
            else:
                self.complete = self.has_vocabulary = True
                seconds = (now - self.create_time * 1_000_000) // 10**9
                self.tell(f"finished model import after [{max(0, seconds)}] seconds", "info")
        return self.download_ends is None and not self.downloading

    def cancel_download(self) -> None:
        """End a download before its time: what came stays; the words in brackets are [G]."""
        self.download_ends, self.downloading = None, False
        self.tell("Model importing failed due to [task cancelled [by user request]]", "warning")

    @property
    def stored_bytes(self) -> int:
        """Return what its definition takes in the index of native models; one without an upload takes nothing."""
        return self.part_bytes if self.package is None else self.bytes * self.complete

    def add_part(self, number: int, part: Part, total_parts: int, total_bytes: int) -> None:
        """Add a part of the definition; the first one says the size of a model that has none yet.

        It is complete if its last part is marked as the end, and the bytes are those that the first part announced.
        """
        self.parts[number] = dataclasses.replace(part, total_bytes=total_bytes, last=number == total_parts - 1)
        self.total_parts = total_parts
        self.part_bytes += part.bytes
        if self.bytes == 0:
            self.bytes = total_bytes
        first, last = self.parts[min(self.parts)], self.parts[max(self.parts)]
        self.complete = last.last and self.part_bytes == first.total_bytes

    def as_json(
        self,
        version: Features,
        *,
        definition_status: bool,
        exclude_generated: bool = False,
        human: bool = False,
        old_size_name: bool = False,
        aliases: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Return it as GET shows it. ``old_size_name`` is for clients that speak version 7 of the REST API."""
        body: dict[str, Any] = {"model_id": self.id, "model_type": self.model_type}
        config = dict(self.config)
        if "platform_architecture" in config:
            body["platform_architecture"] = config.pop("platform_architecture")
        prefixes = config.pop("prefix_strings", None)
        if self.package is not None:
            body["model_package"] = self.package
        if not exclude_generated:
            body |= self._generated(version, human=human, old_size_name=old_size_name)
        config = {"tags": [], "input": {"field_names": ["input"]}, **config}
        if aliases:
            config["metadata"] = {**(config.get("metadata") or {}), "model_aliases": list(aliases)}
        body |= {name: config[name] for name in model_config.SHOWN if name in config}
        if self.has_location:
            body["location"] = {"index": {"name": ".ml-inference-native"}}
        if definition_status and version.at_least((8, 8, 0)):
            body["fully_defined"] = self.complete
        if prefixes is not None:
            body["prefix_strings"] = prefixes
        return body

    def _generated(self, version: Features, *, human: bool, old_size_name: bool) -> dict[str, Any]:
        body: dict[str, Any] = {"created_by": self.created_by, "version": self.made_in or config_version(version)}
        if human:
            body["create_time_string"] = millis_text(self.create_time)
        body["create_time"] = self.create_time
        for name in ("estimated_heap_memory_usage", "model_size") if old_size_name else ("model_size",):
            if human:
                body[name] = human_bytes(self.bytes)
            body[f"{name}_bytes"] = self.bytes
        return body | {"estimated_operations": self.operations, "license_level": self.license_level}

    def per_memory(self, name: str) -> int:
        """Return ``per_deployment_memory_bytes`` or ``per_allocation_memory_bytes``, which are in the metadata."""
        found = (self.config.get("metadata") or {}).get(name, 0)
        return int(found)


def language_identification() -> Model:
    """Return the model that the server ships, as the documentation and public clusters show it.

    Its operations, times and the settings of its inference are [G].
    """
    classification = {
        "num_top_classes": 5,
        "top_classes_results_field": "top_classes",
        "results_field": "predicted_value",
        "prediction_field_type": "string",
        "num_top_feature_importance_values": 0,
    }
    config = {
        "description": "Model used for identifying language from arbitrary input text.",
        "tags": ["lang_ident", "prepackaged"],
        "input": {"field_names": ["text"]},
        "inference_config": {"classification": classification},
    }
    return Model(
        LANG_IDENT,
        1_053_992,
        "lang_ident",
        has_location=False,
        config=config,
        create_time=1_575_548_914_594,
        operations=39_629,
        license_level="basic",
        created_by="_xpack",
        made_in="7.6.0",
    )


def config_version(version: Features) -> str:
    """Return the version of the configuration format, not the product's from 8.10 on; 8.11 and 8.12 are [G]."""
    if version.at_least((8, 12, 0)):
        return "12.0.0"
    if version.at_least((8, 11, 0)):
        return "11.0.0"
    return "10.0.0" if version.at_least((8, 10, 0)) else version.number


def is_valid_id(model_id: str) -> bool:
    """Return whether the id keeps the server's general rule."""
    return model_config.ID.fullmatch(model_id) is not None


def is_short_enough(model_id: str) -> bool:
    """Return whether the id keeps the server's limit."""
    return len(model_id) <= ID_LIMIT


def id_complaints(model_id: str, version: Features) -> list[str]:
    """Return messages of validation for the id of a new model; one leading dot is allowed."""
    packaged = model_config.is_packaged(model_id, version)
    found = []
    if packaged and not is_valid_id(model_id[1:]):
        found.append(f"Invalid model_id; '{model_id}' is not a valid model package id")
    elif not packaged and not is_valid_id(model_id):
        text = (
            f"Invalid model_id; '{model_id}' can contain lowercase alphanumeric (a-z and 0-9), hyphens or underscores; "
        )
        found.append(text + "must start and end with alphanumeric")
    if not is_short_enough(model_id):
        found.append(f"Invalid model_id; '{model_id}' cannot contain more than {ID_LIMIT} characters.")
    return found


def existing(known: Mapping[str, Model], model_id: str, version: Features) -> Model:
    """Return a model, or raise 404."""
    if model_id not in known:
        raise missing_model(model_id, version)
    return known[model_id]


def alias_complaints(alias: str, model_id: str, version: Features) -> list[str]:
    """Return messages of validation for a model alias."""
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
    """Return the ids that a comma-separated list of ids and patterns selects, in sorted order."""
    found: set[str] = set()
    for token in expression.split(","):
        if token in WILDCARDS:
            found |= set(known)
        else:
            found |= {each for each in known if each == token or ("*" in token and fnmatch.fnmatchcase(each, token))}
    return sorted(found)


def missing_exact(expression: str, known: set[str]) -> list[str]:
    """Return tokens of the expression that are no pattern and match nothing."""
    return [
        token for token in expression.split(",") if token not in WILDCARDS and "*" not in token and token not in known
    ]


def not_stored(model_id: str) -> errors.ApiError:
    """Return the 404 of the calls that read or delete the stored configuration of one model."""
    return errors.not_found(f"Could not find trained model [{model_id}]")


def missing_model(model_id: str, version: Features) -> errors.ApiError:
    """Return the 404 of the calls that read one model (server-behaviour.md 1.4; the text is [U] for ``_stats``)."""
    hint = ", you may need to create it or load it into the cluster with eland" if version.at_least((8, 13, 0)) else ""
    return errors.not_found(f"No known trained model with model_id [{model_id}]{hint}")
