# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the models that Elasticsearch downloads itself, as its public documentation and clients name them.

Sizes are the published ones where there are any; a checksum is made up.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from ..wire import errors
from .versions import Features

Json = dict[str, Any]
REPOSITORY: Final = "https://ml-models.elastic.co"
_ELSER: Final = "Elastic Learned Sparse EncodeR"
_E5: Final = "E5 small multilingual"
_LINUX: Final = "linux-x86_64"


@dataclasses.dataclass(frozen=True)
class Package:
    """One of them; ``minimum`` is a version of the configuration format."""

    id: str
    minimum: tuple[int, int, int]
    size: int
    description: str
    task: str
    settings: Json = dataclasses.field(default_factory=dict)
    architecture: str | None = None
    prefixes: Json | None = None

    def config(self) -> Json:
        """Return its content as a parsed configuration."""
        config: Json = {
            "description": self.description,
            "tags": ["elastic"],
            "metadata": {},
            "inference_config": (self.task, self.settings),
        }
        if self.architecture is not None:
            config["platform_architecture"] = self.architecture
        if self.prefixes is not None:
            config["prefix_strings"] = self.prefixes
        return config

    def shown(self, version: Features) -> Json:
        """Return ``model_package``."""
        body: Json = {
            "packaged_model_id": self.id,
            "model_repository": REPOSITORY,
            "minimum_version": ".".join(map(str, self.minimum)),
            "size": self.size,
            "sha256": "0" * 64,
            "metadata": {},
            "tags": [],
            "vocabulary_file": f"{self.id}.vocab.json",
        }
        if self.architecture is not None and version.at_least((8, 12, 0)):
            body["platform_architecture"] = self.architecture
        return body


_PREFIXES: Final = {"search": "query: ", "ingest": "passage: "}
_BERT: Final = ("bert", {"do_lower_case": True, "span": -1})
_E5_SETTINGS: Final = {"tokenization": ("xlm_roberta", {"truncate": "first"}), "embedding_size": 384}
_RERANK: Final = {"tokenization": ("deberta_v2", {"truncate": "balanced"})}
PACKAGES: Final = {
    each.id: each
    for each in (
        Package("elser_model_1", (8, 8, 0), 438123914, f"{_ELSER} v1", "text_expansion", {"tokenization": _BERT}),
        Package("elser_model_2", (11, 0, 0), 438123914, f"{_ELSER} v2", "text_expansion", {"tokenization": _BERT}),
        Package(
            f"elser_model_2_{_LINUX}",
            (11, 0, 0),
            274756282,
            f"{_ELSER} v2, optimized for {_LINUX}",
            "text_expansion",
            {"tokenization": _BERT},
            _LINUX,
        ),
        Package(
            "multilingual-e5-small", (12, 0, 0), 470682864, _E5, "text_embedding", _E5_SETTINGS, prefixes=_PREFIXES
        ),
        Package(
            f"multilingual-e5-small_{_LINUX}",
            (12, 0, 0),
            118437312,
            f"{_E5}, optimized for {_LINUX}",
            "text_embedding",
            _E5_SETTINGS,
            _LINUX,
            _PREFIXES,
        ),
        Package("rerank-v1", (12, 0, 0), 736512000, "Elastic Rerank v1", "text_similarity", _RERANK),
    )
}


def find(model_id: str, version: Features, config_version: str) -> Package:
    """Return the package of a model id with a dot; 404 [I] for another, 400 if the nodes are too old for it."""
    package = PACKAGES.get(model_id[1:])
    if package is None:
        raise errors.not_found(f"{REPOSITORY}/{model_id[1:]}.metadata.json not found")
    mine = tuple(int(part) for part in config_version.split("."))
    if mine < package.minimum:
        minimum = ".".join(map(str, package.minimum))
        what = f"The model [{package.id}] requires that all nodes are at least version [{minimum}]"
        raise errors.validation([what])
    if package.settings["tokenization"][0] == "deberta_v2" and not version.at_least((8, 15, 0)):
        raise errors.validation([f"The model [{package.id}] requires that all nodes are at least version [12.0.0]"])
    return package
