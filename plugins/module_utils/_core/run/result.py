# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every task returns, whatever its module."""

from __future__ import annotations

import typing as t

from ..errors import ApiError, Failure

Json = dict[str, t.Any]


class Outcome(t.NamedTuple):
    """What a module or an action plugin hands on: the result, and warnings to be shown."""

    result: Json
    warnings: tuple[str, ...] = ()


def failure(error: Failure) -> Json:
    """What any failed result has: the sentence, and what the server or the connection said."""
    cause = error if isinstance(error, ApiError) else error.__cause__
    said = {"error": cause.as_result()} if isinstance(cause, ApiError) else {}
    return {"failed": True, "msg": str(error), "failure": {"code": error.code}, **said}
