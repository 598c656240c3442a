# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that each item of a loop and each attempt of a task looks again at what changes meanwhile."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from integration.test_scenarios import MODULE, OPTIONS, WAYS, play
from support.emulator_process import Emulator, emulator

Json = dict[str, t.Any]


@pytest.fixture
def server() -> Iterator[Emulator]:
    with emulator(*OPTIONS) as found:
        yield found


def set_upgrade_mode(value: bool | None) -> Json:
    return {"do": "set_setting", "name": "upgrade_mode", "value": value}


@pytest.mark.parametrize("way", WAYS)
def test_a_task_is_tried_again_until_upgrade_mode_is_off(server: Emulator, way: str) -> None:
    server.control("POST", "/effects", set_upgrade_mode(True))
    off = {"type": "effect", "effect": set_upgrade_mode(None)}
    server.control("POST", "/faults", {"operation": "any", "path": "/_ml/info", "when": "after", "do": off})
    task = {MODULE: {"model_id": "m"}, "register": "made", "until": "made is success", "retries": 2, "delay": 0}
    [done] = play(server, way, [{"name": "Start", **task}]).must_pass().named("Start")
    assert (done.result["operation"], done.result["attempts"]) == ("start", 2)


@pytest.mark.parametrize("way", WAYS)
def test_an_item_stops_nothing_because_of_an_earlier_look(server: Emulator, way: str) -> None:
    for name in ("a", "b"):
        effect = {"do": "start_deployment", "model_id": "m", "deployment_id": name}
        server.control("POST", "/effects", effect)
    server.control("POST", "/settle")
    server.control("DELETE", "/journal")
    on = {"type": "effect", "effect": set_upgrade_mode(True)}
    server.control("POST", "/faults", {"operation": "start", "when": "after", "do": on})
    task = {MODULE: {"deployment_id": "{{ item }}", "state": "restarted"}, "loop": ["a", "b"], "ignore_errors": True}
    play(server, way, [{"name": "Restart", **task}])
    assert [call["path"].rpartition("/")[2] for call in server.writes()] == ["_stop", "_start"]
