# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths of files."""

from __future__ import annotations

import os

from ..errors import Refusal


def require_path(option: str, path: str) -> None:
    """Refuse a path with a null character, or with one that no file name can have."""
    try:
        usable = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise Refusal(
            "invalid_value", f"{option} has characters that no path can have", hint="Give the path of a file."
        )
