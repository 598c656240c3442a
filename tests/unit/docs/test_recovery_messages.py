# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the messages of rollback, recovery and the recovery file, each in a situation that causes it."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
REPLACE: Json = {"threads_per_allocation": 2, "replace": "stop_start"}
LAZY: Json = {"do": "set_setting", "name": "xpack.ml.max_lazy_ml_nodes", "value": 5}
REFUSED: Json = {"type": "answer", "status": 400, "body": {"error": {"type": "t", "reason": "planted"}}}
BROKEN = '{"format": 1}'
OTHER = (
    '{"format": 1, "deployment_id": "e", "cluster_uuid": "", "cluster_name": "", "start_time": null, '
    '"settings": {"model_id": "m"}, "before": {"model_id": "m"}}'
)
ELSEWHERE = OTHER.replace('"e"', '"d"').replace('"cluster_name": ""', '"cluster_name": "far"')
EARLIER = OTHER.replace('"e"', '"d"').replace('"model_id": "m"}, ', '"model_id": "m", "queue_capacity": 7}, ')


class Situation(t.NamedTuple):
    """``do``: effects before the task. ``faults``: of which operation, what, and after how many."""

    task: Json
    do: t.Sequence[Json] = ()
    faults: t.Sequence[tuple[str, Json, int]] = ()
    file: str | None = None
    running: bool = True


TOO_MANY: Json = {"number_of_allocations": 10, "on_unsatisfied": "rollback"}
GONE: Json = {"type": "effect", "effect": {"do": "remove_deployment", "deployment_id": "d"}}
BACK: Json = {"type": "effect", "effect": {"do": "set_number", "deployment_id": "d", "number_of_allocations": 1}}
FAILED: Json = {"do": "fail_route", "deployment_id": "d", "reason": "planted"}
SITUATIONS = {
    "It was rolled back to its previous state.": Situation(TOO_MANY, [LAZY]),
    "It is as it was before.": Situation(TOO_MANY, [LAZY], [("stats", BACK, 3)]),
    "it was stopped by another client meanwhile": Situation(TOO_MANY, [LAZY], [("stats", GONE, 3)]),
    "it is stopped, and Elasticsearch refused to start it with its previous settings": Situation(
        {"state": "restarted"}, (), [("start", REFUSED, 0)]
    ),
    "Rolling it back failed, too": Situation(TOO_MANY, [LAZY], [("update", REFUSED, 1)]),
    "because on_unsatisfied is keep": Situation({**TOO_MANY, "on_unsatisfied": "keep"}, [LAZY]),
    "has failed on all its nodes": Situation({}, [FAILED]),
    "and ended before it started it again": Situation({}, file=EARLIER, running=False),
    "is not used: the deployment was started (at ": Situation({}, file=EARLIER),
    "cannot be understood": Situation({}, file=BROKEN),
    "not 'd'. Use a separate file for each deployment.": Situation({}, file=OTHER),
    "Use a separate file for each cluster.": Situation({}, file=ELSEWHERE),
    "is not a regular file": Situation({"recovery_file": "/dev/null"}),
    "its folder does not exist": Situation({**REPLACE, "recovery_file": "/nowhere/at/all"}),
}


@pytest.mark.parametrize("message", SITUATIONS)
def test_message(message: str, tmp_path: Path) -> None:
    situation, path = SITUATIONS[message], tmp_path / "file"
    if situation.file:
        path.write_text(situation.file)
    with Emulator("9.5.3") as emulator:
        if situation.running:
            emulator.effect("start_deployment", model_id="m", deployment_id="d")
            emulator.settle()
        for effect in situation.do:
            emulator.effect(**effect)
        for operation, fault, after in situation.faults:
            emulator.fault(operation, fault, after=after)
        result = emulator.run(**{"deployment_id": "d", "wait_timeout": 6, "recovery_file": str(path), **situation.task})
    assert message in " ".join([result.get("msg", ""), *result["warnings"]])
