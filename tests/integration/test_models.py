# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test a playbook that takes an empty cluster to models that answer: a dry run first, a real one, and another."""

from __future__ import annotations

import typing as t

import pytest

from integration.test_scenarios import WAYS, play
from support import model_files
from support.emulator_process import emulator

Json = dict[str, t.Any]
NAME = "mlops.elasticsearch.trained_model"
TASKS: list[Json] = [
    {"name": "Download", NAME: {"model_id": ".multilingual-e5-small", "wait_sleep": 0.1}, "register": "package"},
    {"name": "Upload", NAME: {"model_id": "own", **model_files.OPTIONS, "upload_part_size": "1kb"}},
    {
        "name": "Deploy",
        f"{NAME}_deployment": {"model_id": "{{ item }}", "wait_sleep": 0.1},
        "loop": ["{{ package.model.model_id }}", "own"],
    },
    {"name": "Set the alias", f"{NAME}_alias": {"model_alias": "embedding", "model_id": "own"}},
    {"name": "Ask", f"{NAME}_infer": {"deployment_id": "embedding", "wait_sleep": 0.1}},
]


@pytest.mark.parametrize("way", WAYS)
def test_from_an_empty_cluster_to_models_that_answer(way: str) -> None:
    model_files.write(model_files.FOLDER)
    with emulator("--node", "ml-1=8,16gb", "--interval", "0.002") as cluster:
        cluster.control("POST", "/effects", {"do": "set_download_time", "seconds": 0.3})
        dry = play(cluster, way, TASKS, "--check").must_pass()
        assert cluster.writes() == []
        real = play(cluster, way, TASKS).must_pass()
        assert dry.changed() == real.changed() != []
        cluster.control("DELETE", "/journal")
        assert play(cluster, way, TASKS).must_pass().changed() == []
        assert cluster.writes() == []
