# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the versions of Elasticsearch that this process has emulated, for a plugin that counts them."""

from __future__ import annotations

VERSIONS: set[str] = set()
