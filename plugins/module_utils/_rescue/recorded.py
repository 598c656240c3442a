# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of the role upgrade_guard, as far as it tells what is lost. Pure."""

from __future__ import annotations

import typing as t

from .._upgrade_guard.record import QUIESCED, opened
from .._upgrade_guard.restore import start_item
from .reads import Reads

Json: t.TypeAlias = "dict[str, t.Any]"


class Recorded(t.NamedTuple):
    """``lost``: deployments that are gone, by id, with the item that starts each; ``None`` if none can."""

    lost: t.Mapping[str, Json | None]
    recorded_at: str = ""
    refused: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def recorded(read: Reads, file: str) -> Recorded:
    """Return what the record in *file* knows of deployments that are gone. Empty without a file."""
    if not file:
        return Recorded({})
    if read.record is None:
        return Recorded({}, refused=(f"There is no record {file}. The role upgrade_guard writes it.",))
    record, refused = opened(read.record, file)
    if record is None:
        return Recorded({}, refused=refused)
    if record["cluster"].get("uuid") is None or record["cluster"]["uuid"] != read.cluster_uuid:
        return Recorded({}, refused=(_of_another_cluster(record, read, file),))
    if record["state"] == QUIESCED:
        notice = (
            f"{file} says that the cluster is quiesced, so what it lists is not lost. Restore it with upgrade_guard."
        )
        return Recorded({}, notices=(notice,))
    gone = [each for each in record["deployments"] if each["deployment_id"] not in read.deployments]
    return Recorded({each["deployment_id"]: _item(each, read) for each in gone}, record["recorded_at"])


def _of_another_cluster(record: Json, read: Reads, file: str) -> str:
    if read.cluster_uuid is None:
        return f"{file} cannot be compared with the cluster: its uuid needs the cluster privilege monitor."
    return f"{file} is a record of the cluster {record['cluster'].get('name')}, and this is another one."


def _item(deployment: Json, read: Reads) -> Json | None:
    """Return the item that starts a deployment as it was; ``None`` if the endpoint that made it is gone, too."""
    owner = deployment["owner"]
    if owner and read.endpoint_ids is not None and owner not in read.endpoint_ids:
        return None
    return start_item(deployment)
