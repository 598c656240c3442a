# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a rollout, kept in a file: what the cluster does not tell once clients use the new deployment."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.schema import (
    SchemaError,
    list_of,
    object_with,
    text,
)

Json = dict[str, t.Any]
Phase = t.Literal["begun", "watched", "finished", "rolling_back", "rolled_back"]

FORMAT = 1
WHAT = "mlops.elasticsearch.model_rollout"
_UNFINISHED = ("begun", "watched", "rolling_back")
_TYPES: t.Mapping[str, type | tuple[type, ...]] = {
    "cluster": dict,
    "time": str,
    "phase": str,
    "route": str,
    "name": str,
    "in_place": bool,
    "new": dict,
    "made_new": bool,
    "kept_old": bool,
    "old": list,
    "previous_model_id": (str, type(None)),
    "endpoint": (dict, type(None)),
}
_OPTIONAL: t.Mapping[str, type | tuple[type, ...]] = {"keeps_alias": (bool, type(None))}
_DEPLOYMENT = object_with("deployment_id", "model_id", deployment_id=text, model_id=text)
_DEPLOYMENTS = object_with(new=_DEPLOYMENT, old=list_of(_DEPLOYMENT))


@dataclasses.dataclass(frozen=True)
class State:
    """One rollout.

    ``new``: the settings of the new deployment. ``made_new``: the role has started it. ``old``: the deployments that
    served before, as a list that would start them again; ``kept_old``: they still run. ``previous_model_id``: the model
    behind the alias before, ``None`` if there was no alias. ``endpoint``: an inference endpoint as it was, if the
    rollout recreates it. Where the id is kept, ``made_new`` is about the temporary deployment, and ``keeps_alias`` says
    whether the alias with the id stays; ``None``: that is not known.
    """

    cluster: Json
    time: str
    phase: Phase
    route: str
    name: str
    in_place: bool
    new: Json
    made_new: bool
    old: list[Json]
    kept_old: bool = False
    previous_model_id: str | None = None
    endpoint: Json | None = None
    keeps_alias: bool | None = None

    @property
    def is_unfinished(self) -> bool:
        return self.phase in _UNFINISHED

    @property
    def new_id(self) -> str:
        return str(self.new["deployment_id"])

    @property
    def title(self) -> str:
        """Return what a message calls the rollout."""
        return f"the rollout of deployment '{self.new_id}' that began at {self.time}"

    def to_json(self) -> Json:
        return {"what": WHAT, "format": FORMAT, **dataclasses.asdict(self)}


def read(content: t.Any, server: t.Mapping[str, t.Any]) -> State | None:
    """Return the state in a file's *content*, or the same as a dictionary; ``None`` if there is none.

    *server*: of the cluster on which the role works, empty if the state is not from a file.

    :raises Refusal: it is no such file, or one of another cluster.
    """
    if not content:
        return None
    found = _parsed(content)
    if found.get("what") != WHAT or not _is_whole(found):
        raise Refusal(
            "invalid_value",
            "state_file is not a file that this role has written",
            hint="Choose another path, or remove the file.",
        )
    if found.get("format") != FORMAT:
        raise Refusal(
            "invalid_value",
            f"state_file has format {found.get('format')}, and this version of the collection reads format {FORMAT}",
            hint="Use the version that wrote it.",
        )
    state = State(**{name: found[name] for name in (*_TYPES, *_OPTIONAL) if name in found})
    _refuse_other_cluster(state, server)
    return state


def _is_whole(found: Json) -> bool:
    """Return whether *found* has all that is read of a file, each in its form: a person may have edited it."""
    if not all(isinstance(found.get(name), kind) for name, kind in _TYPES.items()):
        return False
    if not all(isinstance(found[name], kind) for name, kind in _OPTIONAL.items() if name in found):
        return False
    try:
        _DEPLOYMENTS(found)
    except SchemaError:
        return False
    return found["phase"] in t.get_args(Phase)


def _parsed(content: t.Any) -> Json:
    try:
        found = json.loads(content) if isinstance(content, str) else content
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _refuse_other_cluster(state: State, server: t.Mapping[str, t.Any]) -> None:
    """Refuse a file of another cluster. Names repeat: the uuids decide."""
    uuid = state.cluster.get("uuid")
    if server and not uuid:
        raise Refusal(
            "invalid_value",
            "state_file does not say of which cluster it is",
            hint="Choose another path, or remove the file.",
        )
    if server and uuid != server.get("cluster_uuid"):
        raise Refusal(
            "invalid_value",
            f"state_file is of another cluster ('{state.cluster.get('name')}')",
            hint="Use one file for each cluster.",
        )


def cluster_of(server: t.Mapping[str, t.Any]) -> Json:
    """Return what a file says of the cluster."""
    return {"name": server.get("cluster_name") or None, "uuid": server.get("cluster_uuid") or None}
