# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay constants of the server's classes: names and defaults that a client meets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import emulator
from emulator.api import models as model_api
from emulator.api import uploads as upload_api
from emulator.state import inference_config
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome, privileges

_FACTS: dict[str, Any] = {
    "MAX_NUM_NATIVE_DEFINITION_PARTS": upload_api.MAX_PARTS,
    "KNOWN_INCLUDES": sorted(model_api.INCLUDES),
    "DEFAULT_DO_LOWER_CASE": inference_config.BERT["do_lower_case"],
    "DEFAULT_MAX_SEQUENCE_LENGTH": inference_config.BERT["max_sequence_length"],
    "DEFAULT_WITH_SPECIAL_TOKENS": inference_config.BERT["with_special_tokens"],
    "UNSET_SPAN_VALUE": inference_config.BERT["span"],
}
_INNER = ("$assertionsDisabled", "CURRENT_DEFINITION_COMPRESSION_VERSION", "INFERENCE_INDEX_MAPPINGS_VERSION")
"""Constants that say nothing to a client."""
_ENDINGS = ("_in_bytes",)
"""Endings that the emulator adds to names."""


def constants(row: Row, version: str) -> Outcome:
    """Replay the constants of a class: texts that the emulator says somewhere, and numbers that it holds."""
    desired = {name: value for name, value in row.data["value"].items() if name not in _INNER}
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(emulator.__file__).parent.rglob("*.py")))
    played = {name: value for name, value in desired.items() if _is_played(name, value, source)}
    if "NAME" in desired and row.data["class"] in privileges.ASKED:
        played["NAME"] = privileges.needed(row.data["class"], version)
    return desired, played


def _is_played(name: str, value: Any, source: str) -> bool:
    if not isinstance(value, str):
        return name in _FACTS and bool(_FACTS[name] == value)
    bare = next((value.removesuffix(ending) for ending in _ENDINGS if value.endswith(ending)), value)
    return bare in source
