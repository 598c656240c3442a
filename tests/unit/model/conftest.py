# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a cluster, and the files of a model."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from support import model_files
from support.model_runs import Json, Slow


@pytest.fixture
def emulator() -> t.Iterator[Slow]:
    with Slow() as found:
        yield found


@pytest.fixture
def own(tmp_path: Path) -> Json:
    model_files.write(tmp_path)
    files = {"config": "config.json", "vocabulary": "vocabulary.json", "definition": "model.pt"}
    return {
        "model_id": "own",
        "upload_part_size": "1kb",
        **{name: str(tmp_path / file) for name, file in files.items()},
    }
