# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the files of a small model."""

from __future__ import annotations

import json
import tempfile
import typing as t
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / "files-of-a-model"
CONFIG: dict[str, t.Any] = {
    "model_type": "pytorch",
    "description": "Embeds what is small",
    "inference_config": {"text_embedding": {"tokenization": {"bert": {"max_sequence_length": 128}}}},
    "input": {"field_names": ["text_field"]},
    "tags": ["small"],
}
VOCABULARY: dict[str, t.Any] = {"vocabulary": ["[PAD]", "[UNK]", "a", "b"]}
DEFINITION = bytes(range(256)) * 20
OPTIONS: dict[str, t.Any] = {
    name: str(FOLDER / file)
    for name, file in (("config", "config.json"), ("vocabulary", "vocabulary.json"), ("definition", "model.pt"))
}


def write(folder: Path) -> None:
    """Write the files; several processes may do so at once."""
    folder.mkdir(exist_ok=True)
    contents = {
        "config.json": json.dumps(CONFIG).encode(),
        "vocabulary.json": json.dumps(VOCABULARY).encode(),
        "model.pt": DEFINITION,
    }
    for name, content in contents.items():
        if not (folder / name).exists() or (folder / name).read_bytes() != content:
            (folder / name).write_bytes(content)
