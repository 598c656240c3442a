# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The frame of a task without a plan: it connects, does its work, and ends with a result whatever happens."""

from __future__ import annotations

import contextlib
import typing as t

from ..errors import Failure
from ..options.connection import connection
from ..warning import WarningText
from .cluster import ClusterConnection, Connect, refuse_old_server
from .internal_error import InternalError
from .result import Json, failure

C = t.TypeVar("C", bound=ClusterConnection)


@contextlib.contextmanager
def noting_failures(result: Json) -> t.Iterator[list[WarningText]]:
    """Note in *result* what ends the task early. The block gets a list for its warnings."""
    try:
        yield []
    except Failure as exc:
        result |= failure(exc)
    except Exception as exc:
        result |= failure(InternalError(exc))


@contextlib.contextmanager
def connected(
    params: t.Mapping[str, t.Any], connect: Connect[C], sleep: t.Callable[[float], None], result: Json
) -> t.Iterator[C]:
    """Connect to the cluster that validated *params* name, and note its server in *result*.

    :raises Failure: it cannot be read, or is too old for this collection.
    """
    with contextlib.closing(connect(connection(params), sleep)) as cluster:
        note_server(cluster, result)
        yield cluster


def note_server(cluster: ClusterConnection, result: Json) -> None:
    """Note in *result* which server it is.

    :raises Failure: it cannot be read, or is too old for this collection.
    """
    refuse_old_server(cluster.read_server())
    result["server"] = cluster.server.as_result()
