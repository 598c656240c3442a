# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a plan may move the count: a belt beside the braces of review, set by the task itself."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Guard:
    """``None`` guards nothing. ``expected`` is the number before, ``low`` and ``high`` bound it after."""

    expected: int | None = None
    low: int | None = None
    high: int | None = None
    max_step: int | None = None


NOTHING = Guard()
