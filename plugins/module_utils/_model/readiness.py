# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wait for a model: it is ready when it has its whole definition. Pure."""

from __future__ import annotations

from .._core.run.long_work import Readiness
from .records import Desired, Situation

_HINT = "Run the task again to go on waiting."
_FAILED_HINT = "Set replace to recreate to download it again."


def readiness(desired: Desired, current: Situation) -> Readiness:
    """Return whether the model is complete, or what is still missing."""
    stored = current.stored
    if stored is None:
        return Readiness("failed", "another client has deleted it", code="conflict")
    if stored.model.fully_defined is not False:
        return Readiness("ready")
    if current.has_failed_download:
        said = f". Elasticsearch says: {current.notification.rstrip('.')}" if current.notification else ""
        return Readiness("failed", f"its download has failed{said}", code="download_failed", hint=_FAILED_HINT)
    return Readiness("progressing", f"Elasticsearch downloads it{_parts(current)}", hint=_HINT)


def _parts(current: Situation) -> str:
    if current.download is None:
        unreadable = " (how far it is cannot be read without the cluster privilege monitor)"
        return "" if current.shows_downloads else unreadable
    return f" ({current.download.downloaded_parts} of {current.download.total_parts} parts)"
