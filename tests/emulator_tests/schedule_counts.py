# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count random schedules, their steps, and the answers that were compared with the oracle."""

from __future__ import annotations

import collections

COUNTED: collections.Counter[str] = collections.Counter()
