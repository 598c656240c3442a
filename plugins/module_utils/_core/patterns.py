# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ids and names that match patterns."""

from __future__ import annotations

import fnmatch
import typing as t


def matches(name: str, patterns: t.Iterable[str]) -> bool:
    """Return whether *name* matches one of *patterns*, or is one."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
