# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take the steps of the role upgrade_guard in this process, on an emulated cluster."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.filter.upgrade_guard_options import FilterModule as Options
from ansible_collections.mlops.elasticsearch.plugins.filter.upgrade_guard_plan import FilterModule as Plan
from ansible_collections.mlops.elasticsearch.plugins.filter.upgrade_guard_results import FilterModule as Results
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
options_of = Options().filters()["upgrade_guard_options"]
plan_of = Plan().filters()["upgrade_guard_plan"]
results_of = Results().filters()["upgrade_guard_results"]
RUNS = ("rehearsal", "alias_rehearsal", "deployments", "aliases", "mode", "file", "own_file", "after")
NO_RUNS: Json = dict.fromkeys(RUNS, {})
NIGHT: Json = {"action": "record, quiesce", "quiesce": {"mode": "stop_all"}, "on_referenced": "force"}
RESTORE: Json = {"action": "restore"}


class Guard:
    """A cluster with its record. ``text``: of the file, ``None`` if there is none."""

    def __init__(self, emulator: Emulator, text: str | None = None) -> None:
        self.emulator = emulator
        self.text = text
        self.hour = 0

    def reads(self) -> Json:
        emulator = self.emulator
        return {
            "deployments": emulator.info(gather=["routing"]),
            "endpoints": emulator.endpoints(gather=["deployment"]),
            "models": emulator.models(gather=[]),
            "mode": emulator.upgrade_mode(False, check_mode=True),
            "nodes": emulator.capacity(),
        }

    def plan(self, **given: t.Any) -> Json:
        found: Json = plan_of(options_of({"file": "f", **given}), self.reads(), self.text, f"t{self.hour}")
        return found

    def use(self, **given: t.Any) -> Json:
        """Use the role for real, once. Return its results."""
        self.hour += 1
        planned = self.plan(**given)
        runs = dict(NO_RUNS)
        options = options_of({"file": "f", **given})
        if planned["refused"]:
            return self._results(options, planned, runs)
        if planned["write"]:
            self.text, runs["file"] = planned["content"], {"changed": True}
        if planned["mode_off"]:
            runs["mode"] = self.emulator.upgrade_mode(False)
        if planned["items"]:
            runs["deployments"] = self.emulator.run_many(planned["items"])
        moved = [{**self.emulator.run_alias(reassign=True, **each), "item": each} for each in planned["aliases"]]
        runs["aliases"] = {"results": moved}
        if planned["mode_on"]:
            runs["mode"] = self.emulator.upgrade_mode(True)
        runs["after"] = self.plan(**given) if options["action"] == ["restore"] else {}
        done = self._results(options, planned, runs)
        if done["record"]["state"] == "restored":
            self.text = planned["restored_content"]
        return done

    def _results(self, options: Json, planned: Json, runs: Json) -> Json:
        found: Json = results_of(options, planned, runs, False)
        return found
