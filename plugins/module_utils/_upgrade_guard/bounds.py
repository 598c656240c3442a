# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings that this version of Elasticsearch starts otherwise than the one that ran them. Pure.

Sources: server-behaviour.md 1.1, 3.1 row 2 and 7 item 8.
"""

from __future__ import annotations

import typing as t

from .._core.features import Feature
from .._core.server import Server
from .._core.words import quoted_ids
from .._ml.settings import SETTINGS
from .drift import adaptive_of, adaptive_text
from .found import server_of

Json: t.TypeAlias = "dict[str, t.Any]"


class Note(t.NamedTuple):
    """A setting of a deployment that no start can repeat. ``value``: the nearest that one can; ``None`` is left out."""

    deployment_id: str
    setting: str
    value: t.Any
    text: str

    @property
    def shown(self) -> t.Any:
        """Return the value as a row of the audit shows it."""
        is_adaptive = self.setting == "adaptive_allocations"
        return adaptive_text({self.setting: self.value}) if is_adaptive else self.value


def notes(recorded: Json, server: Server) -> t.Iterator[Note]:
    """Yield what *server* would refuse in a start of a deployment as it is *recorded*, or starts otherwise."""
    name = recorded["deployment_id"]
    named = f"Deployment {quoted_ids([name])} was recorded with"
    for setting, row in SETTINGS.items():
        value, most = recorded[setting], row.at_most and row.at_most.on(server)
        if value and most and value > most:
            text = f"{named} {setting} {value}, and Elasticsearch {server.shown_version} starts at most {most}."
            yield Note(name, setting, most, text)
    if recorded["priority"] == "low":
        yield from _low(recorded, named)
    if recorded["cache_size"] is not None and not recorded["cache_size_exact"]:
        text = f"{named} cache_size {recorded['cache_size']}, cut to a decimal: the cluster state was not to be read."
        yield Note(name, "cache_size", None, text)
    if recorded["threads_per_allocation"] is None:
        text = f"{named} threads_per_allocation that were not known, and starts with the default."
        yield Note(name, "threads_per_allocation", None, text)
    if recorded["number_of_allocations"] == 0:
        yield Note(name, "number_of_allocations", None, f"{named} 0 allocations, and starts with 1.")


def _low(recorded: Json, named: str) -> t.Iterator[Note]:
    """Yield what a start with low priority refuses, and older versions let an update set."""
    name, number = recorded["deployment_id"], recorded["number_of_allocations"]
    low = "and a start with low priority takes 1."
    if number and number > 1:
        yield Note(name, "number_of_allocations", 1, f"{named} number_of_allocations {number}, {low}")
    adaptive = adaptive_of(recorded)
    if adaptive.max_number_of_allocations and adaptive.max_number_of_allocations > 1:
        least = min(1, adaptive.min_number_of_allocations or 0)
        kept = {"enabled": adaptive.enabled, "min_number_of_allocations": least, "max_number_of_allocations": 1}
        text = f"{named} max_number_of_allocations {adaptive.max_number_of_allocations}, {low}"
        yield Note(name, "adaptive_allocations", kept, text)


def versions(recorded: Json, now: Server) -> t.Iterator[str]:
    """Yield what lies between the version of the record and that of *now*."""
    before = server_of(recorded)
    if before.version_tuple > now.version_tuple:
        yield f"The record is of Elasticsearch {before.shown_version}, and this is {now.shown_version}, an older one."
    if not before.supports(Feature.ALLOCATION_NAMES) and now.supports(Feature.ALLOCATION_NAMES):
        yield (
            f"Elasticsearch {before.shown_version} called number_of_allocations model_threads, and "
            "threads_per_allocation inference_threads. The record has the new names."
        )
    if not before.supports(Feature.CACHE_SIZE) and now.supports(Feature.CACHE_SIZE):
        yield (
            f"In Elasticsearch {before.shown_version} number_of_allocations counted on each node, and now it is the "
            "total over the cluster. Check the numbers."
        )
