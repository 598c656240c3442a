# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes that bring a cluster back to a record. Pure."""

from __future__ import annotations

import typing as t

from .._core.features import Feature
from .._core.patterns import matches
from .._core.sizes import human_size, parse_size
from .._core.words import quoted_ids
from . import bounds
from .drift import adaptive_of, differences, is_scaled, of_deployment
from .found import SETTINGS, Found
from .options import ADJUST, LEAVE
from .quiesce import stop

Json: t.TypeAlias = "dict[str, t.Any]"
_UNSET = -1


def restore(record: Json, found: Found, options: Json) -> Json:
    """Return the ``items`` and ``aliases`` that restore *record*, and what is to be said before anything is written."""
    desired = [each for each in record["deployments"] if not matches(each["deployment_id"], options["except"])]
    without_owner = [each for each in desired if _lacks_owner(each, found)]
    kept = [each for each in desired if each not in without_owner]
    bounded = [note for each in kept for note in _bounded(each, found, options)]
    refused = [] if options["on_bounded"] == ADJUST else [f"{note.text} {_REMEDY}" for note in bounded if note.value]
    items = [_item(each, found, options, bounded) for each in kept]
    aliases = {} if options["aliases"] == LEAVE else record["model_aliases"]
    recorded = record.get("upgrade_mode")
    beside = unrecorded(record, found, options)
    left_out = _left_out(record, found, options)
    if options["stop_unrecorded"]:
        items += [stop(name, options) for name in beside["deployments"]]
    return {
        "items": items,
        "aliases": [
            {"model_alias": alias, "model_id": model_id}
            for alias, model_id in aliases.items()
            if found.aliases.get(alias) != model_id
        ],
        "mode_off": recorded is False and found.upgrade_mode is True,
        "mode_on": recorded is True and found.upgrade_mode is False,
        "refused": refused,
        "notices": [
            *bounds.versions(record["server"], found.version),
            *(note.text for note in bounded),
            *map(_without_owner, without_owner),
            *([_still_kept(left_out)] if left_out else ()),
        ],
        "left_out": left_out,
        "drift": _judged(differences(record, found, options), record, found, options),
        "unrecorded": beside,
    }


_REMEDY = "Set on_bounded: adjust to start it within the bound."


def _judged(rows: list[Json], record: Json, found: Found, options: Json) -> list[Json]:
    """Return *rows* with whether the task accepts them: by its options they are not restored."""
    notes = [note for each in record["deployments"] for note in bounds.notes(each, found.version)]
    adjusted = [
        (note.deployment_id, note.setting, note.shown)
        for note in notes
        if options["on_bounded"] == ADJUST and note.value
    ]
    return [
        {
            **row,
            "accepted": (row["kind"] == "alias" and options["aliases"] == LEAVE)
            or (row["kind"] == "deployment" and (row["id"], row["setting"], row["now"]) in adjusted),
        }
        for row in rows
    ]


def unrecorded(record: Json, found: Found, options: Json) -> Json:
    """Return the ids of what is there and not in the record."""
    known = {each["deployment_id"] for each in record["deployments"]}
    deployments = [name for name in sorted(found.deployments) if name not in known]
    return {
        "deployments": [name for name in deployments if not matches(name, options["except"])],
        "inference_endpoints": sorted(
            found.endpoints.keys() - {each["inference_id"] for each in record["inference_endpoints"]}
        ),
        "model_aliases": sorted(found.aliases.keys() - record["model_aliases"].keys()),
    }


def _left_out(record: Json, found: Found, options: Json) -> list[str]:
    """Return the ids of recorded deployments that are not there and, by the options, stay so."""
    names = sorted(each["deployment_id"] for each in record["deployments"])
    return [name for name in names if matches(name, options["except"]) and name not in found.deployments]


def _still_kept(left_out: t.Sequence[str]) -> str:
    return f"Left alone by except, and not there: {quoted_ids(left_out)}. The record is kept until they are restored."


def _lacks_owner(recorded: Json, found: Found) -> bool:
    """Return whether the endpoint that made the deployment is gone: it would make one itself when it comes back."""
    name = recorded["deployment_id"]
    return bool(recorded["owner"]) and recorded["owner"] not in found.endpoint_ids and name not in found.deployments


def _without_owner(recorded: Json) -> str:
    named = quoted_ids([recorded["deployment_id"]])
    return (
        f"Deployment {named} is not started: the inference endpoint that made it is gone. "
        "Make the endpoint again, which starts it."
    )


def _is_there(recorded: Json, found: Found) -> Json | None:
    """Return the deployment as it is; one that stops is as good as gone."""
    name = recorded["deployment_id"]
    return None if name in found.stopping else found.deployments.get(name)


def _bounded(recorded: Json, found: Found, options: Json) -> list[bounds.Note]:
    """Return the bounds of this version that count: of a start all, else those of what differs.

    An update may go over the bound of a number, unless the task has accepted the number that is there.
    """
    notes, now = list(bounds.notes(recorded, found.version)), _is_there(recorded, found)
    if now is None:
        return notes
    changed = {row["setting"]: row["now"] for row in of_deployment(recorded, now)}
    if options["replace"] != "never" and not changed.keys().isdisjoint(SETTINGS):
        return notes
    return [
        note
        for note in notes
        if note.value and note.setting in changed
        if note.setting in SETTINGS or (options["on_bounded"] == ADJUST and changed[note.setting] == note.shown)
    ]


def _item(recorded: Json, found: Found, options: Json, bounded: t.Sequence[bounds.Note]) -> Json:
    """Return the item of the list that restores one deployment. It names what differs, and waits for the rest."""
    name, now = recorded["deployment_id"], _is_there(recorded, found)
    within = {note.setting: note.value for note in bounded if note.deployment_id == name}
    kept = {**recorded, **{setting: value for setting, value in within.items() if value is not None}}
    if now is None:
        return start_item(kept)
    named, settings = _named(recorded), _changed(kept, now)
    if not settings:
        return named
    more = {"replace": options["replace"], "on_referenced": options["on_referenced"]}
    through_endpoint = found.version.supports(Feature.OWNED_ONLY_BY_ENDPOINT)
    owned = {"on_endpoint_owned": "update_endpoint" if through_endpoint else "update_deployment"}
    return {**named, **settings, **more, **(owned if recorded["owner"] else {})}


def start_item(recorded: Json) -> Json:
    """Return the item of the list that starts a recorded deployment that is gone."""
    return {**_named(recorded), **_started(recorded)}


def _named(recorded: Json) -> Json:
    return {"deployment_id": recorded["deployment_id"], **({"allow_zero": True} if _may_be_zero(recorded) else {})}


def _may_be_zero(recorded: Json) -> bool:
    if is_scaled(recorded):
        return not adaptive_of(recorded).min_number_of_allocations
    return bool(recorded["number_of_allocations"] == 0)


def _started(recorded: Json) -> Json:
    """Return the settings of a start."""
    settings = {name: recorded[name] for name in SETTINGS if recorded[name] is not None}
    if not recorded["cache_size_exact"]:
        settings["cache_size"] = _least(recorded["cache_size"])
    if recorded["adaptive_allocations"]:
        settings["adaptive_allocations"] = adaptive_of(recorded).as_request()
    if recorded["number_of_allocations"]:
        settings["number_of_allocations"] = recorded["number_of_allocations"]
    return settings


def _least(text: str) -> str:
    """Return the least size that statistics show as *text*, which they have cut to a decimal."""
    size = parse_size(text)
    return text if size is None else f"{size if human_size(size) == text else size + 1}b"


def _changed(recorded: Json, now: Json) -> Json:
    """Return the settings of a deployment that runs with others."""
    changed = {row["setting"] for row in of_deployment(recorded, now)}
    settings = {name: recorded[name] for name in SETTINGS if name in changed}
    if "adaptive_allocations" in changed:
        settings["adaptive_allocations"] = _patch(recorded, now)
        if recorded["number_of_allocations"]:
            settings["number_of_allocations"] = recorded["number_of_allocations"]
    elif "number_of_allocations" in changed:
        settings["number_of_allocations"] = recorded["number_of_allocations"]
    return settings


def _patch(recorded: Json, now: Json) -> Json:
    """Return the adaptive allocations that are recorded; a bound that they do not have is removed."""
    desired, there = adaptive_of(recorded).as_result(), adaptive_of(now).as_result()
    removed = {name: _UNSET for name, value in desired.items() if value is None and there[name] is not None}
    return {**{name: value for name, value in desired.items() if value is not None}, **removed}
