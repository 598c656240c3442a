# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision of one use of the role: what is refused, and what is to be done. Pure."""

from __future__ import annotations

import typing as t

from . import quiesce, record, restore
from .found import Found, found
from .options import QUIESCE, RECORD, RESTORE

Json: t.TypeAlias = "dict[str, t.Any]"
NOTHING: Json = {
    "record": None,
    "refused": [],
    "items": [],
    "aliases": [],
    "mode_off": False,
    "mode_on": False,
    "notices": [],
    "drift": [],
    "left_out": [],
    "unrecorded": {"deployments": [], "inference_endpoints": [], "model_aliases": []},
    "not_recorded": [],
    "kept": [],
    "backup": False,
    "restored_content": "",
}
"""A plan that does nothing."""

_NO_UUID = (
    "The uuid of the cluster cannot be read, and only the uuid shows whose record a file is. Grant the cluster "
    "privilege monitor."
)


def plan(options: Json, reads: Json, text: str | None, now: str) -> Json:
    """Return what the role does. *text*: of the file, ``None`` if there is none. *now*: the time, as a record has it.

    ``record`` is the record with which it works, ``content`` its text, and ``write`` whether the file has to be written
    before anything else. ``restored_content`` is the text once all is restored.
    """
    there, opened = found(reads), record.opened(text, options["file"])
    earlier = opened.record
    refused = [*_path(reads.get("path") or {}, options), *there.refused, *opened.refused]
    if not refused and not there.cluster["uuid"]:
        refused.append(_NO_UUID)
    if earlier is not None and not refused:
        refused += record.of_another_cluster(earlier, there, options["file"])
    if not refused and earlier is None and RECORD not in options["action"]:
        refused.append(f"There is no record in {options['file']}.")
    if refused:
        return _planned(options, {}, earlier, earlier, refused)
    if RESTORE in options["action"]:
        done = restore.restore(t.cast(Json, earlier), there, options)
        after = record.as_text(record.marked(t.cast(Json, earlier), record.RESTORED, now))
        return {**_planned(options, done, earlier, earlier, done["refused"]), "restored_content": after}
    return _recorded(options, there, earlier, now)


def _path(path: Json, options: Json) -> t.Iterator[str]:
    """Yield why the file cannot be that of a record."""
    if path.get("is_folder"):
        yield f"{options['file']} is a folder. Give the path of a file in it."
    elif not path.get("has_folder", True) and RECORD in options["action"]:
        yield f"The folder of {options['file']} does not exist. Create it first."


def _recorded(options: Json, there: Found, earlier: Json | None, now: str) -> Json:
    """Return the plan of a record, a quiesce, or both."""
    kept = record.Kept(t.cast(Json, earlier))
    if RECORD in options["action"]:
        kept = record.with_earlier(record.recorded(there, now), earlier, options)
    elif kept.record["state"] == record.RESTORED:
        text = (
            f"The record in {options['file']} was restored at {kept.record['restored_at']}. Record the cluster first."
        )
        return _planned(options, {}, earlier, earlier, [text])
    refused, after = [*kept.refused], kept.record
    done: Json = {"kept": list(kept.kept), "backup": kept.backup}
    if QUIESCE in options["action"]:
        asked = quiesce.quiesce(after, there, options)
        refused += asked["refused"]
        done |= {"items": asked["items"], "mode_on": asked["upgrade_mode"], "not_recorded": asked["not_recorded"]}
        if options["quiesce"]["mode"] != "none":
            after = {**record.marked(after, record.QUIESCED, now), "quiesce": options["quiesce"]}
    return _planned(options, done, after, earlier, refused)


def _planned(options: Json, done: Json, after: Json | None, earlier: Json | None, refused: list[str]) -> Json:
    limits = {"guard": guard} if (guard := options["guard"]) else {}
    return {
        **NOTHING,
        **done,
        "items": [{**item, **limits} for item in done.get("items", ())],
        "refused": refused,
        "record": after,
        "write": not refused and after != earlier,
        "content": "" if after is None else record.as_text(after),
    }
