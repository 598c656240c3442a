# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the read of downloads under way."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.downloads import Download, read_downloads
from support.emulated_cluster import Emulator
from support.inference import refusal

Json = dict[str, t.Any]


def task(model_id: str) -> Json:
    return {"description": f"model_id-{model_id}", "status": {"downloaded_parts": 1, "total_parts": 3}}


NODES = {"a": {"tasks": {"1": task("x")}}, "b": {"tasks": {"2": {}, "3": task("own")}}, "c": {}}
DOWNLOADS = {"x": Download(1, 3), "None": Download(0, 0), "own": Download(1, 3)}


@pytest.mark.parametrize(
    ("do", "found"),
    [
        ({"type": "answer", "status": 200, "body": {"nodes": NODES}}, DOWNLOADS),
        ({"type": "answer", "status": 200, "body": {}}, {}),
        (refusal(403, "action [cluster:monitor/tasks/lists] is unauthorized for user [y]"), None),
    ],
)
def test_downloads_by_model(do: Json, found: t.Any) -> None:
    with Emulator("9.5.3") as emulator:
        cluster = emulator.connected()
        emulator.fault("any_read", do, path="/_tasks")
        assert read_downloads(cluster._client) == found
