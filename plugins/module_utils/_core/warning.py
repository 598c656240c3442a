# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts of warnings, which hold nothing that a log must not have.

ansible-core 2.19 to 2.21 prints the warnings of a task with ``no_log: true`` (CVE-2026-115622), and callbacks write
warnings to places that results never reach.
"""

from __future__ import annotations

import typing as t

WarningText = t.NewType("WarningText", str)
"""A sentence with ids, nodes, numbers and choices.

It has no value of an option for the connection, of a header, a path or free text, and no text of the server or of
another error: those are details of the result.
"""

HIDDEN = WarningText("The task has warnings, which no_log hides.")


def visible(warnings: t.Sequence[WarningText], no_log: t.Any) -> list[WarningText]:
    """Return *warnings*, or that there are some, if the task has *no_log*."""
    return [HIDDEN] if warnings and no_log else list(warnings)
