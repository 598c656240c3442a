# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw few random examples from a fixed seed in every run, and many from new seeds with ``make compare``."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

FULL: Final = bool(os.environ.get("RANDOM_SEARCH"))


def search(fixed: int, full: int) -> settings:
    """Return settings for a search of *fixed* examples that are always the same, or of *full* ones that are not.

    ``RANDOM_SEARCH`` in the environment asks for the full size.
    """
    return settings(max_examples=full if FULL else fixed, derandomize=not FULL, deadline=None)
