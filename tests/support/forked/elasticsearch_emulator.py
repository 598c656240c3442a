# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the emulator in :mod:`support.forked.server`, with the libraries imported that it imports after its options."""

from __future__ import annotations

import uvloop

import emulator.emulator
import emulator.server
from emulator.__main__ import main

__all__ = ["emulator", "main", "uvloop"]
