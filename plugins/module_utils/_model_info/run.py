# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task that reads models, and never changes any."""

from __future__ import annotations

import typing as t

from .._consumers.records import ConsumerKind
from .._consumers.words import KIND_NAMES
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect
from .._core.run.frame import connected, noting_failures
from .._core.run.result import Json, Outcome
from .._ml.existing import absent_models_warning, ids_among
from .api import ModelInfoCluster
from .item import item, summary
from .records import Missing, SeenModel

Params = t.Mapping[str, t.Any]


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect[ModelInfoCluster] = ModelInfoCluster.connected,
    clock: Clock | None = None,
) -> Outcome:
    """Return the models that match. *check_mode* makes no difference."""
    result, sleep = empty_result(), (clock or SystemClock()).sleep
    with noting_failures(result) as warnings, connected(params, connect, sleep, result) as cluster:
        everything = cluster.read_models(with_config="config" in params["gather"])
        found, missing = _gathered(cluster, params, everything)
        models = [item(seen, cluster.server, params["gather"]) for seen in found]
        result |= {"models": models, "missing": [each._asdict() for each in missing], "summary": summary(found)}
        names = {seen.model.model_id: seen.model.aliases for seen in everything}
        warnings += absent_models_warning(ids_among(params["model_id"]), names)
    return Outcome(result, tuple(warnings))


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return {
        "changed": False,
        "failure": None,
        "models": [],
        "missing": [],
        "summary": None,
        "server": None,
    }


def _gathered(
    cluster: ModelInfoCluster, params: Params, everything: t.Sequence[SeenModel]
) -> tuple[t.Sequence[SeenModel], list[Missing]]:
    """Return the models that match with what the task asks for, and what of that could not be read."""
    found: t.Sequence[SeenModel] = [seen for seen in everything if seen.is_meant(params["model_id"], params["tags"])]
    missing: list[Missing] = []
    if "definition" in params["gather"]:
        found = cluster.with_definitions(found)
        downloading = cluster.with_downloads(found)
        if downloading is None:
            missing.append(Missing("download", None if cluster.server.serverless else "monitor"))
        found = downloading or found
    if "references" in params["gather"]:
        found = cluster.with_users(found, everything)
        kinds = dict.fromkeys(kind for seen in found if seen.users for kind in seen.users.used_by.unread)
        missing += map(_unread, kinds)
    return found, missing


def _unread(kind: ConsumerKind) -> Missing:
    return Missing(kind, KIND_NAMES[kind].privilege)
