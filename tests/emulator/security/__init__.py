# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which user may do what."""

from __future__ import annotations

from typing import Final

TLS: Final = ("valid", "expired", "wrong_name", "unknown_ca", "self_signed")
"""Certificates of the server: good, or bad in one way."""
CLIENT_CERTIFICATES: Final = ("none", "optional", "required")


class NoTls(RuntimeError):  # noqa: N818
    """The reason why TLS cannot be played here."""
