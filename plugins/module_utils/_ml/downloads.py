# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloads of models under way, as their tasks show them."""

from __future__ import annotations

import typing as t

from .._core.http.client import Client
from .._core.http.schema import integer, map_of, object_with, text
from .._core.run.obstacles import read_unless_hidden

_QUERY = {
    "actions": "xpack/ml/model_import*",
    "detailed": "true",
    "filter_path": "nodes.*.tasks.*.description,nodes.*.tasks.*.status",
}
_TASK = object_with(description=text, status=object_with(total_parts=integer, downloaded_parts=integer))
_TASKS = object_with(nodes=map_of(object_with(tasks=map_of(_TASK))))
_DESCRIBED = "model_id-"


class Download(t.NamedTuple):
    """A download as its task shows it."""

    downloaded_parts: int
    total_parts: int


def read_downloads(client: Client) -> dict[str, Download] | None:
    """Return the downloads under way, by model; ``None`` if the user may not read them."""
    answer = read_unless_hidden(client, "read the downloads of models", "/_tasks", _QUERY, _TASKS)
    if answer is None:
        return None
    found = {}
    for node in (answer.get("nodes") or {}).values():
        for task in (node.get("tasks") or {}).values():
            found[str(task.get("description")).removeprefix(_DESCRIBED)] = _download(task.get("status") or {})
    return found


def _download(status: t.Mapping[str, t.Any]) -> Download:
    return Download(status.get("downloaded_parts") or 0, status.get("total_parts") or 0)
