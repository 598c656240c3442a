# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of the role: keys for playbooks, a table, and lines that a person reads in ten seconds. Pure."""

from __future__ import annotations

import typing as t

from .._core.table import Column, as_table
from .._core.words import first_of, joined, request_line
from .options import QUIESCE, RECORD, RESTORE, SKIP
from .plan import NOTHING

Json: t.TypeAlias = "dict[str, t.Any]"
_COLUMNS = tuple(map(Column, ("what", "setting", "recorded", "now")))
_MOST = 12
_MODE = "upgrade_mode"
_WRITES = ("file", "deployments", "aliases", "mode")
_NOT_PLANNED = "The cluster or its record could not be read."


def results(options: Json, planned: Json, runs: Json, check_mode: bool) -> Json:
    """Return the results of the role.

    *planned*: the plan, empty if a task failed before it. *runs*: by name, the results of the tasks, empty if they were
    not reached: ``rehearsal`` and ``alias_rehearsal``, ``deployments``, ``aliases``, ``mode``, ``file``, ``own_file``
    that looks whether it is still there, and ``after``, the plan from what was read at the end.
    """
    failed = [] if planned or options["refused"] else [_NOT_PLANNED]
    restores = RESTORE in options["action"]
    last = runs["after"] or planned
    is_compared = restores and bool(last) and bool(last["drift"] or not last["refused"])
    planned, last = planned or NOTHING, last or NOTHING
    failed += _failed(planned, runs)
    # A real run ends before its first write then.
    is_refused = check_mode and bool(failed) and not (restores and options["on_refused"] == SKIP)
    sent = {**runs, **dict.fromkeys(_WRITES, {})} if is_refused else runs
    differences = sum(not row["accepted"] for row in last["drift"])
    if (runs["after"] or (options["fail_on_drift"] and planned["drift"])) and not failed and differences:
        named = first_of(_texts(last["drift"]), _MOST, "; ")
        remain = "remains" if differences == 1 else "remain"
        failed = [f"{_counted(differences, 'difference')} from the record {remain}: {named}."]
    found: Json = {
        **{name: options[name] for name in ("action", "file")},
        "check_mode": check_mode,
        "failed": [*options["refused"], *planned["refused"], *failed],
        "record": _record(planned, sent, _is_restored(restores, failed, planned, runs, check_mode)),
        **_done(planned, sent),
        "deployments": runs["deployments"].get("deployments") or [],
        "drift": last["drift"],
        "differences": differences if is_compared else None,
        "unrecorded": last["unrecorded"],
        "not_recorded": planned["not_recorded"],
        "notices": planned["notices"],
    }
    summary = _summary(found, restores)
    return {
        **found,
        "msg": " ".join(found["failed"]) or summary[0],
        "changed": bool(found["api_calls"] or sent["file"].get("changed")),
        "table": table(last["drift"]),
        "summary": summary,
    }


def _record(planned: Json, runs: Json, is_restored: bool) -> Json:
    """Return what the record is, and how much it has."""
    record = planned["record"] or {}
    return {
        "state": "restored" if is_restored else record.get("state"),
        **{name: record.get(name) for name in ("recorded_at", "cluster", "server")},
        **{name: len(record.get(name) or ()) for name in ("deployments", "inference_endpoints", "model_aliases")},
        "written": bool(runs["file"].get("changed")),
        "kept": planned["kept"],
    }


def _done(planned: Json, runs: Json) -> Json:
    """Return what the tasks did, or would do."""
    items, aliases = (runs["deployments"].get("deployments") or [], runs["aliases"].get("results") or [])
    return {
        "stopped": [each["deployment_id"] for each in items if each.get("operation") == "stop"],
        "restored": [each["deployment_id"] for each in items if each.get("changed") and each["operation"] != "stop"],
        "aliases": [each["item"]["model_alias"] for each in aliases if each.get("changed")],
        "upgrade_mode": ("on" if planned["mode_on"] else "off") if runs["mode"].get("changed") else None,
        "api_calls": _api_calls(planned, runs),
    }


def _api_calls(planned: Json, runs: Json) -> list[Json]:
    """Return the writes of all tasks in the order of the tasks: the mode goes off first, and on last."""
    tasks = [*(runs["deployments"].get("deployments") or []), *(runs["aliases"].get("results") or [])]
    ordered = [runs["mode"], *tasks] if planned["mode_off"] else [*tasks, runs["mode"]]
    return [call for each in ordered for call in each.get("api_calls") or ()]


def _is_restored(restores: bool, failed: t.Sequence[str], planned: Json, runs: Json, check_mode: bool) -> bool:
    """Return whether the record has done its work. What ``except`` left out has its only copy there."""
    done = restores and not failed and not planned["refused"] and not planned["left_out"]
    return done and (check_mode or bool(runs["after"]))


def table(drift: t.Sequence[Json]) -> list[str]:
    """Return a table of the differences, no lines if there are none."""
    rows = [[_what(row), row["setting"], str(row["recorded"]), _now(row)] for row in drift]
    return as_table(_COLUMNS, rows) if rows else []


def _what(row: Json) -> str:
    return f"{row['kind']} {row['id']}".rstrip()


def _now(row: Json) -> str:
    return f"{row['now']} (accepted)" if row["accepted"] else str(row["now"])


def _texts(drift: t.Sequence[Json]) -> list[str]:
    return [
        f"{_what(row)}: {row['setting']} {row['recorded']}, now {row['now']}" for row in drift if not row["accepted"]
    ]


def failures(run: Json) -> list[Json]:
    """Return the items of a list of deployments that failed."""
    return [each for each in run.get("deployments") or [] if each.get("failed")]


def _failed(planned: Json, runs: Json) -> list[str]:
    """Return a sentence for each thing that was refused or failed."""
    found: dict[str, str] = {}
    is_on = planned["mode_off"] and not runs["mode"]
    for run in (runs["rehearsal"], runs["deployments"]):
        each_failed = failures(run)
        found |= {each["deployment_id"]: str(each["msg"]) for each in each_failed if not (is_on and _waits(each))}
        if not each_failed and (run.get("failure") or run.get("failed")):
            found[""] = str(run.get("msg"))
    tried = (runs["alias_rehearsal"], runs["aliases"])
    for each in (result for run in tried for result in run.get("results") or []):
        if each.get("failure"):
            found[f"alias {(each.get('item') or {}).get('model_alias')}"] = str(each.get("msg"))
    for name in ("mode", "file", "own_file"):
        if runs[name].get("failed"):
            found[name] = str(runs[name].get("msg"))
    return list(dict.fromkeys([*found.values(), *(runs["after"] or NOTHING)["refused"]]))


def _waits(item: Json) -> bool:
    """Return whether an item is refused only because the upgrade mode is on, which a real run turns off first."""
    return bool((item.get("failure") or {}).get("code") == _MODE)


def _summary(found: Json, restores: bool) -> list[str]:
    """Return what a person wants to know first."""
    record, dry = found["record"], " (dry run, nothing was sent)" if found["check_mode"] else ""
    lines = [f"{_headline(found, restores)}{dry}"]
    if record["recorded_at"] and (restores or record["written"] or not found["failed"]):
        counts = (
            _counted(record["deployments"], "deployment"),
            _counted(record["inference_endpoints"], "inference endpoint"),
            _counted(record["model_aliases"], "model alias"),
        )
        version = (record["server"] or {}).get("version")
        lines.append(f"Record of {record['recorded_at']}, Elasticsearch {version}: {joined(counts)} in {found['file']}")
    parts = (
        ("Stopped", found["stopped"]),
        ("Started or changed", found["restored"]),
        ("Aliases put back", found["aliases"] if restores else ()),
        ("Kept from the earlier record", record["kept"]),
        ("Not in the record, so not stopped", found["not_recorded"]),
        ("Not in the record", _named_unrecorded(found["unrecorded"]) if restores else ()),
    )
    lines += [f"{what}: {first_of(names, _MOST)}" for what, names in parts if names]
    if found["upgrade_mode"]:
        lines.append(f"Upgrade mode: {found['upgrade_mode']}")
    if found["check_mode"]:
        lines += _requests(found["api_calls"])
    return [*lines, *(f"Note: {each}" for each in found["notices"]), *(f"Failed: {each}" for each in found["failed"])]


def _requests(calls: t.Sequence[Json]) -> list[str]:
    """Return the lines of the first requests of a dry run, and how many more there are."""
    more = len(calls) - _MOST
    lines = [f"Request: {request_line(call)}" for call in calls[:_MOST]]
    return [*lines, *([f"and {more} more in api_calls"] if more > 0 else ())]


def _headline(found: Json, restores: bool) -> str:
    if found["failed"]:
        return f"{' and '.join(found['action']).capitalize() or 'The role'}: failed"
    if restores:
        return f"Restore: {_counted(found['differences'], 'difference')} from the record"
    done = {RECORD: "recorded", QUIESCE: f"{_counted(len(found['stopped']), 'deployment')} stopped"}
    return f"Cluster: {joined([done[name] for name in found['action']])}"


def _named_unrecorded(unrecorded: Json) -> list[str]:
    words = {"deployments": "deployment", "inference_endpoints": "endpoint", "model_aliases": "alias"}
    return [f"{words[kind]} {name}" for kind, names in unrecorded.items() for name in names]


def _counted(number: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number} {what if number == 1 else plural}"
