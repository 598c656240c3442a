# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of every task, whatever its module."""

from __future__ import annotations

import typing as t

from ..errors import ApiError, Failure
from ..warning import WarningText

Json = dict[str, t.Any]


class Outcome(t.NamedTuple):
    """The result of a module or an action plugin, and warnings to be shown."""

    result: Json
    warnings: tuple[WarningText, ...] = ()


def failure(error: Failure) -> Json:
    """Return the keys of any failed result: message, code, and the error of the server or the connection."""
    cause = error if isinstance(error, ApiError) else error.__cause__
    details = {"error": cause.as_result()} if isinstance(cause, ApiError) else {}
    return {"failed": True, "msg": str(error), "failure": {"code": error.code}, **details}


def without_facts(result: Json) -> Json:
    """Return *result* as that of a failed task, whose facts Ansible would print and then drop."""
    return {name: value for name, value in result.items() if name != "ansible_facts"}
