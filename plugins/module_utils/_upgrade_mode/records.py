# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of the upgrade mode: what a task asks for, and what is there."""

from __future__ import annotations

import typing as t


class Desired(t.NamedTuple):
    """Times in seconds."""

    enabled: bool
    wait_timeout: float
    wait_sleep: float


class UpgradeMode(t.NamedTuple):
    """The upgrade mode of machine learning."""

    enabled: bool
