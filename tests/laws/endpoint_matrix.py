# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show what each version of Elasticsearch takes to change an inference endpoint in the cluster.

Usage: PYTHONPATH=tests python -m laws.endpoint_matrix    (needs .build/tree, which any test makes)
"""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

if __name__ == "__main__":  # the tests find the collection in their conftest.py
    sys.path.append(str(Path(__file__).parents[2] / ".build" / "tree"))

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
STRICT = "strict"
VERSIONS: dict[str, Json] = {
    "8.11.4": {},
    "8.17.0": {},
    "8.19.21": {},
    "9.1.10": {},
    "9.2.1": {},
    "9.5.3": {},
    STRICT: {"endpoint_update_settings": "strict"},
}
"""The newest version takes exactly one setting in an update; the last row is one that takes no other key either."""
BOUNDS = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 3}
FIXED: Json = {"num_allocations": 1}
ADAPTIVE: Json = {"adaptive_allocations": BOUNDS}
WORDS = {"strategy": "word", "max_chunk_size": 120, "overlap": 40}


class Change(t.NamedTuple):
    """The settings of the endpoint before, and the options of the task."""

    before: Json
    options: Json


CHANGES = {
    "fixed to another number": Change(FIXED, {"service_settings": {"num_allocations": 2}}),
    "fixed to adaptive": Change(FIXED, {"service_settings": ADAPTIVE}),
    "other bounds": Change(ADAPTIVE, {"service_settings": {"adaptive_allocations": {"max_number_of_allocations": 4}}}),
    "adaptive to fixed": Change(ADAPTIVE, {"service_settings": {"num_allocations": 2}, "on_adaptive": "override"}),
    "a number while adaptive": Change(ADAPTIVE, {"service_settings": {"num_allocations": 2}}),
    "chunking": Change(FIXED, {"chunking_settings": WORDS}),
    "chunking, recreated": Change(FIXED, {"chunking_settings": WORDS, "replace": "recreate"}),
    "threads": Change(FIXED, {"service_settings": {"num_threads": 2}}),
    "threads, recreated": Change(FIXED, {"service_settings": {"num_threads": 2}, "replace": "recreate"}),
}


class Row(t.NamedTuple):
    """One change in one version. ``result``: the operation, or the code of the failure."""

    version: str
    change: str
    requests: tuple[str, ...]
    result: str
    predicted: bool
    second_run: int | None
    """Writes of a second run, ``None`` if the first one failed."""


def rows() -> t.Iterator[Row]:
    """Yield a row for each version and change that its endpoints can have."""
    for version in VERSIONS:
        for change, (before, _options) in CHANGES.items():
            if version != "8.11.4" or before is FIXED:
                yield row(version, change)


def row(version: str, change: str, switches: Json | None = None) -> Row:
    """Return one row. *switches*: what is unknown of the server, if not as the version has it."""
    before, options = CHANGES[change]
    with _cluster(version, before, switches) as checked, _cluster(version, before, switches) as real:
        checked.read_only()
        predicted = checked.run_endpoint(True, inference_id="e", **options)
        result = real.run_endpoint(inference_id="e", **options)
        keys = ("changed", "operation", "diff", "api_calls", "after", "failure")
        same = all(predicted[key] == result[key] for key in keys)
        requests = tuple(_shown(entry) for entry in real.journal() if entry["status"] == 200)
        if result.get("failed"):
            return Row(version, change, requests, result["failure"]["code"], same, None)
        real.settle()
        real.forget()
        again = real.run_endpoint(inference_id="e", **options)
        assert not again["changed"], again
        return Row(version, change, requests, result["operation"], same, len(real.journal()))


def _cluster(version: str, before: Json, switches: Json | None) -> Emulator:
    number = "9.5.3" if version == STRICT else version
    emulator = Emulator(number, models=(("m", 1 << 20), (".elser_model_2", 1 << 20)))
    emulator.control("POST", "/unknowns", switches or VERSIONS[version])
    service, model_id = ("elasticsearch", "m") if emulator.has(8, 13) else ("elser", ".elser_model_2")
    settings = {"model_id": model_id, "num_threads": 1, **before}
    if service == "elser":
        settings["model_version"] = settings.pop("model_id")
        settings = {name: value for name, value in settings.items() if name != "model_version"}
    body = {"service": service, "service_settings": settings, **({} if emulator.has(8, 13) else {"task_settings": {}})}
    call = {"method": "PUT", "path": "/_inference/sparse_embedding/e", "query": {}, "body": body}
    assert emulator.send(call) == 200, version
    emulator.settle()
    emulator.forget()
    return emulator


def _shown(entry: Json) -> str:
    body = entry["body"] or {}
    what = json.dumps(body.get("service_settings", body)) if entry["body"] else ""
    return f"{entry['method']} {entry['path']} {what}".rstrip()


def main() -> None:
    """Print the rows as a table."""
    found = list(rows())
    for change in CHANGES:
        print(f"\n{change}")
        for row in (each for each in found if each.change == change):
            again = "" if row.second_run is None else f", second run: {row.second_run} writes"
            foreseen = "" if row.predicted else ", NOT PREDICTED"
            print(f"  {row.version:8} {row.result}{again}{foreseen}")
            for request in row.requests:
                print(f"           {request}")


if __name__ == "__main__":
    main()
