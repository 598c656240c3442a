# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last line of defence: an unexpected exception."""

from __future__ import annotations

import traceback

from ..errors import Failure

_OURS = "/mlops/elasticsearch/plugins/"


class InternalError(Failure):
    """An unexpected exception. The message names its type and place, but not its text, which may show secrets."""

    def __init__(self, exc: BaseException) -> None:
        frames = traceback.extract_tb(exc.__traceback__)
        ours = [frame for frame in frames if _OURS in frame.filename] or frames
        where = ", ".join(f"{frame.filename.rpartition(_OURS)[2]} line {frame.lineno}" for frame in reversed(ours[-3:]))
        super().__init__(
            "internal_error",
            f"This is a bug in mlops.elasticsearch: {type(exc).__name__} in {where}. "
            "Please report this message with the versions of the collection and of Elasticsearch. "
            "Check what is deployed before you run the task again.",
        )
