# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many random schedules have run, of how many steps, and how many answers were compared with the oracle."""

from __future__ import annotations

import collections

COUNTED: collections.Counter[str] = collections.Counter()
