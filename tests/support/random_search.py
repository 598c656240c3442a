# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Try a share of all cases in every run, always the same, and all of them or new ones if ``RANDOM_SEARCH`` is set."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

FULL: Final = bool(os.environ.get("RANDOM_SEARCH"))


def search(fixed: int, full: int) -> settings:
    """Return settings for a search of *fixed* examples that are always the same, or of *full* ones that are not.

    ``RANDOM_SEARCH`` in the environment asks for the full size.
    """
    slow = [HealthCheck.too_slow]
    size = full if FULL else fixed
    return settings(max_examples=size, derandomize=not FULL, deadline=None, suppress_health_check=slow)


def has_turn(number: int, share: int) -> bool:
    """Return whether the case of this *number* is among the one in *share* that every run tries."""
    return FULL or number % share == 0
