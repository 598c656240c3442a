# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words of messages about consumers, and about those that the user may not read. Pure."""

from __future__ import annotations

import typing as t

from .._core.words import joined, quoted_ids
from .records import CONSUMER_KINDS, ConsumerKind, UsedBy
from .users import ModelUsers


class KindNames(t.NamedTuple):
    """The names of a kind of consumers, and the privilege that reads them."""

    one: str
    many: str
    privilege: str
    scope: t.Literal["cluster", "index"] = "cluster"

    @property
    def needed(self) -> str:
        return f"the {self.scope} privilege {self.privilege}"


KIND_NAMES: t.Mapping[ConsumerKind, KindNames] = {
    "inference_endpoints": KindNames("inference endpoint", "inference endpoints", "monitor_inference or monitor"),
    "ingest_pipelines": KindNames("ingest pipeline", "ingest pipelines", "read_pipeline"),
    "model_aliases": KindNames("model alias", "model aliases", "monitor_ml"),
    "semantic_text_indices": KindNames(
        "semantic_text index", "semantic_text indices", "view_index_metadata on all indices", "index"
    ),
}


def listed(used_by: UsedBy) -> str:
    """Return the consumers in words; empty if there are none."""
    return joined(_parts(used_by))


def listed_users(users: ModelUsers) -> str:
    """Return the users of a model in words; empty if there are none."""
    return joined([*_part("deployment", "deployments", users.deployments), *_parts(users.used_by)])


def _parts(used_by: UsedBy) -> list[str]:
    return [
        part
        for kind in CONSUMER_KINDS
        for part in _part(KIND_NAMES[kind].one, KIND_NAMES[kind].many, used_by.of(kind) or ())
    ]


def _part(one: str, many: str, ids: t.Sequence[str]) -> list[str]:
    return [f"{one if len(ids) == 1 else many} {quoted_ids(ids)}"] if ids else []


def unreadable(kind: ConsumerKind) -> str:
    """Return the sentence that the user may not read the consumers of *kind*."""
    names = KIND_NAMES[kind]
    return f"The user may not read {names.many} (that needs {names.needed})."
