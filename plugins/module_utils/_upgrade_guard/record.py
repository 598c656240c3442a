# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record: its content, its file, and how a new one and an earlier one become one. Pure."""

from __future__ import annotations

import json
import typing as t

from .._core.http.schema import SchemaError, boolean, integer, list_of, map_of, object_with, text
from .._ml.schemas import ADAPTIVE
from .._ml.settings import SCHEMAS, START_SETTINGS
from .found import Found

Json: t.TypeAlias = "dict[str, t.Any]"
FORMAT = 1
KIND = "mlops.elasticsearch.upgrade_guard"
RECORDED, QUIESCED, RESTORED = "recorded", "quiesced", "restored"
_OF_DEPLOYMENT = {
    "deployment_id": text,
    "model_id": text,
    **{name: SCHEMAS[name] for name in (*START_SETTINGS, "number_of_allocations")},
    "cache_size_exact": boolean,
    "adaptive_allocations": ADAPTIVE,
    "initial_number_of_allocations": integer,
    "assignment_state": text,
    "owner": text,
}
_OF_ENDPOINT = {"inference_id": text, "deployment_id": text, "owned": boolean}
_PARTS = ("state", "recorded_at", "cluster", "server", "deployments", "inference_endpoints", "model_aliases")
_RECORD = object_with(
    *_PARTS,
    state=text,
    recorded_at=text,
    upgrade_mode=boolean,
    cluster=object_with(name=text, uuid=text),
    server=object_with(version=text, flavor=text),
    deployments=list_of(object_with("deployment_id", "model_id", "cache_size_exact", **_OF_DEPLOYMENT)),
    inference_endpoints=list_of(object_with("inference_id", **_OF_ENDPOINT)),
    model_aliases=map_of(text),
)
"""What is read of a record; the names of an item must all be there, and some may be null."""


class Opened(t.NamedTuple):
    """The content of a file: a ``record``, or nothing, or something else, which ``refused`` says."""

    record: Json | None = None
    refused: tuple[str, ...] = ()


def opened(text: str | None, file: str) -> Opened:
    """Return the record in the *text* of a *file*, ``None`` if there is no file."""
    if text is None:
        return Opened()
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        return Opened(None, (f"{file} is no record of the role upgrade_guard, or a part of one. Give another file.",))
    if data.get("format") != FORMAT:
        return Opened(None, (f"{file} has the format {data.get('format')}, and this role reads {FORMAT}.",))
    if not _is_whole(data):
        return Opened(None, (f"{file} is a record with parts that are missing or wrong, perhaps edited by hand.",))
    return Opened(data)


def _is_whole(data: Json) -> bool:
    """Return whether *data* has all that is read of a record, each in its form."""
    try:
        _RECORD(data)
    except SchemaError:
        return False
    return (
        data["state"] in (RECORDED, QUIESCED, RESTORED)
        and all(each.keys() >= _OF_DEPLOYMENT.keys() for each in data["deployments"])
        and all(each.keys() >= _OF_ENDPOINT.keys() for each in data["inference_endpoints"])
    )


def of_another_cluster(record: Json, found: Found, file: str) -> tuple[str, ...]:
    """Return the refusal of a record of another cluster. Names repeat: the uuids decide."""
    theirs, ours = record["cluster"], found.cluster
    if theirs.get("uuid") == ours["uuid"]:
        return ()
    text = f"{file} is a record of the cluster {_named(theirs)}, and this is {_named(ours)}."
    return (f"{text} Each cluster needs a file of its own.",)


def _named(cluster: Json) -> str:
    return f"{cluster.get('name')} (uuid {cluster.get('uuid')})"


def recorded(found: Found, now: str) -> Json:
    """Return the record of the cluster as it is."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "state": RECORDED,
        "recorded_at": now,
        "quiesced_at": None,
        "restored_at": None,
        "cluster": found.cluster,
        "server": {name: found.server.get(name) for name in ("version", "flavor")},
        "upgrade_mode": found.upgrade_mode,
        "deployments": [each for name, each in sorted(found.deployments.items()) if name not in found.stopping],
        "inference_endpoints": [each for _name, each in sorted(found.endpoints.items())],
        "model_aliases": dict(sorted(found.aliases.items())),
    }


class Kept(t.NamedTuple):
    """The record to write. ``kept``: ids of deployments that only the earlier record has."""

    record: Json
    kept: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    backup: bool = False


def with_earlier(new: Json, earlier: Json | None, options: Json) -> Kept:
    """Return what becomes of a *new* record where an *earlier* one is.

    One that was restored has done its work. One that quiesced the cluster still knows what does not run now: that is
    kept, so that a second run before the restore, or after one that was killed, loses nothing.
    """
    if earlier is None or earlier["state"] == RESTORED:
        return Kept(new)
    if options["overwrite"]:
        return Kept(new, backup=True)
    if earlier["state"] == QUIESCED:
        return _merged(new, earlier)
    if _facts(new) == _facts(earlier):
        return Kept(earlier)
    text = (
        f"{options['file']} has a record of {earlier['recorded_at']} that was not restored, and the cluster has "
        "changed since. Restore it, give another file, or set overwrite: true, which keeps a copy."
    )
    return Kept(earlier, refused=(text,))


def _merged(new: Json, earlier: Json) -> Kept:
    """Return *new* with what only *earlier* has. The upgrade mode of now may be that of the quiesce."""
    deployments, kept = _united(new, earlier, "deployments", "deployment_id")
    endpoints, _kept = _united(new, earlier, "inference_endpoints", "inference_id")
    merged = {
        **new,
        "state": QUIESCED,
        "quiesced_at": earlier.get("quiesced_at"),
        "upgrade_mode": earlier.get("upgrade_mode"),
        "deployments": deployments,
        "inference_endpoints": endpoints,
        "model_aliases": dict(sorted({**earlier["model_aliases"], **new["model_aliases"]}.items())),
    }
    return Kept(earlier if _facts(merged) == _facts(earlier) else merged, kept)


def _united(new: Json, earlier: Json, what: str, key: str) -> tuple[list[Json], tuple[str, ...]]:
    """Return the items of both records, those of *new* first to count, and the ids that only *earlier* has."""
    old, now = ({each[key]: each for each in record[what]} for record in (earlier, new))
    united = {**old, **now}
    return [united[name] for name in sorted(united)], tuple(sorted(old.keys() - now.keys()))


def _facts(record: Json) -> Json:
    """Return what a record says of the cluster, without what changes by itself."""
    moving = ("initial_number_of_allocations", "assignment_state")
    deployments = [
        {name: value for name, value in each.items() if name not in moving} for each in record["deployments"]
    ]
    endpoints = [{**each, "number_of_allocations": None} for each in record["inference_endpoints"]]
    names = ("upgrade_mode", "model_aliases")
    return {**{name: record.get(name) for name in names}, "deployments": deployments, "endpoints": endpoints}


def marked(record: Json, state: str, now: str) -> Json:
    """Return *record* in another state. One that has it already stays as it is."""
    return record if record["state"] == state else {**record, "state": state, f"{state}_at": now}


def as_text(record: Json) -> str:
    """Return the text of the file: the same record always makes the same text."""
    return json.dumps(record, indent=2, sort_keys=True) + "\n"
