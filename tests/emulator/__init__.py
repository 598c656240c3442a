# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emulate Elasticsearch's trained-model deployment APIs, with state.

It answers as a real cluster of a chosen version would, as far as that is known: from recorded answers first, from
``docs/development/server-behaviour.md`` second. What is unknown is marked ``[U]`` where it was decided. See README.md.
"""

from __future__ import annotations

NEWEST = "9.5.3"
"""The version played when none is asked for."""
