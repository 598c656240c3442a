# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of trained models: what a task asks for, and the situation from which it plans."""

from __future__ import annotations

import dataclasses
import typing as t

from .._consumers.users import ModelUsers
from .._core.run.long_work import WaitPolicy
from .._ml.downloads import Download
from .._ml.model import OUR_METADATA, Model

Json = dict[str, t.Any]
Variant = t.Literal["auto", "platform_agnostic", "linux-x86_64"]
Mirror = t.Literal["fine", "files", "unread"]
"""The repository of packages: it has the package, or has files on the nodes, or the user may not read where it is."""
Aim = t.Literal["none", "download", "upload", "resume", "recreate", "delete"]
"""What a task has to do. ``recreate``: only if it may."""


@dataclasses.dataclass(frozen=True)
class Files:
    """The places of the files of a model, as the task gives them: paths or URLs; ``config`` may be the content."""

    config: t.Any
    definition: str
    vocabulary: str | None = None
    checksum: str | None = None
    part_size: int | None = None
    concurrency: int | None = None
    journal: str | None = None


@dataclasses.dataclass(frozen=True)
class Upload:
    """The files as they were read before planning. ``config``: as it is sent, without our own metadata.

    ``vocabulary``: the number of items in each of its lists; ``None`` without one.
    ``definition_checksum``: ``None`` where nothing is to be compared with it.
    ``definition_revision``: stands for what a web server calls the file, if its parts are sent before it was compared.
    """

    config: Json
    definition_bytes: int
    part_size: int
    total_parts: int
    vocabulary: Json | None = None
    vocabulary_checksum: str | None = None
    definition_checksum: str | None = None
    definition_revision: str | None = None
    acknowledged: frozenset[int] | None = None
    """The parts that Elasticsearch has by the journal, ``None`` without one."""

    @property
    def metadata(self) -> Json:
        """Return what is kept in the metadata of the model before its first part is sent."""
        found = {
            "definition_sha256": self.definition_checksum,
            "definition_bytes": self.definition_bytes,
            "definition_revision": self.definition_revision,
            "part_size": self.part_size,
            "vocabulary_sha256": self.vocabulary_checksum,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Desired:
    """``may_break``: whether users of the model may lose it.

    ``is_variant_known``: whether the cluster says which variant of a package its nodes run.
    """

    model_id: str
    state: t.Literal["present", "absent"] = "present"
    variant: Variant = "auto"
    replace: t.Literal["never", "recreate"] = "never"
    may_break: bool = False
    files: Files | None = None
    check_mirror: bool = False
    wait: WaitPolicy = WaitPolicy(True, 1800.0, 5.0)
    is_variant_known: bool = True

    @property
    def is_packaged(self) -> bool:
        """Return whether Elasticsearch takes the id for that of a model that it downloads itself."""
        return self.model_id.startswith(".")


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """A model in the cluster, or as it would be. ``config``: as Elasticsearch shows it.

    ``is_complete``: whether it has its whole definition, or will get it from a download under way. ``None``: only
    Elasticsearch 8.8 and newer say so, and only of PyTorch models.
    """

    model: Model
    config: Json
    is_complete: bool | None = None
    shown_bytes: int | None = None
    """The size of its definition in the statistics, if it was read: the configuration of a PyTorch model has none."""

    @property
    def metadata(self) -> Json:
        found = self.config.get("metadata")
        return found if isinstance(found, dict) else {}

    @property
    def ours(self) -> Json:
        """Return what a task of this collection has kept in the metadata; empty if it did not upload the model."""
        found = self.metadata.get(OUR_METADATA)
        if not isinstance(found, dict):
            return {}
        part_size = found.get("part_size")
        # Anybody may write metadata: nothing follows from what no task has written.
        is_ours = isinstance(found.get("definition_sha256"), str) and isinstance(part_size, int) and part_size > 0
        return found if is_ours else {}

    @property
    def is_packaged(self) -> bool:
        return self.model.model_id.startswith(".")


class SentParts(t.NamedTuple):
    """The parts that Elasticsearch has acknowledged in this run. ``already_there``: what it had before."""

    parts: int = 0
    bytes: int = 0
    already_there: int = 0


class OtherModel(t.NamedTuple):
    """A model whose names exclude others."""

    model_id: str
    tags: frozenset[str]
    aliases: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Situation:
    """The cluster, as far as a plan needs to know it; what it does not need was not read.

    ``stored``: the model, ``None`` if it is not there. ``upload``: what was read of the files. ``sent``: what this run
    has sent of them. ``alias_of``: the model behind an alias of that name. ``download``: the task of its download.
    ``begun``: whether this run has asked for it, so that the task may begin soon. ``shows_downloads``: whether the user
    may read such tasks. ``notification``: what Elasticsearch says of a download that failed. ``mirror``: of the package
    that is to be downloaded, if the task looks. ``others``: all other models. ``deployments``: id and model of each one
    that is named like the model, or runs it. ``licensed``, ``upgrade_mode``: ``None`` if the user may not
    read them.
    """

    stored: StoredModel | None = None
    upload: Upload | None = None
    sent: SentParts = SentParts()
    alias_of: str | None = None
    download: Download | None = None
    begun: bool = False
    shows_downloads: bool = True
    notification: str | None = None
    mirror: Mirror = "fine"
    others: tuple[OtherModel, ...] = ()
    deployments: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    users: ModelUsers = ModelUsers()
    licensed: bool | None = True
    upgrade_mode: bool | None = False

    @property
    def is_incomplete(self) -> bool:
        return self.stored is not None and self.stored.is_complete is False

    @property
    def has_failed_download(self) -> bool:
        """Return whether a packaged model is not complete, and nothing downloads it any more."""
        incomplete = self.stored is not None and self.stored.model.fully_defined is False
        return incomplete and self.shows_downloads and self.download is None and not self.begun
