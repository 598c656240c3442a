# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The read of the region policy, and its requests."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Request
from .._core.http.schema import list_of, object_with, text
from .._core.plan import Step
from .._core.run.cluster import ClusterConnection
from .._core.server import Server
from .records import Desired, RegionPolicy, Situation

PLURAL = "the region policy"
STAMPS = ("created_at", "created_by", "updated_at", "updated_by")
_PATH = "/_inference/_region_policy"
_ACTION = "cluster:admin/xpack/inference/region_policy"
_REGION = object_with("csp", "region", csp=text, region=text)
_POLICY = object_with(allowed_geos=list_of(text), allowed_regions=list_of(_REGION))
_ANSWER = object_with("region_policy", region_policy=_POLICY)


class RegionPolicyCluster(ClusterConnection):
    """A connection to one cluster: its region policy."""

    ALLOWING: t.ClassVar = {
        f"set {PLURAL}": ("manage_inference", f"{_ACTION}/put"),
        f"delete {PLURAL}": ("manage_inference", f"{_ACTION}/delete"),
    }

    def read(self, _desired: Desired) -> Situation:
        """Return the region policy.

        :raises Refusal: the server knows none.
        :raises ApiError: it could not be read.
        """
        self.server.require(Feature.REGION_POLICY)
        try:
            answer = self._client.read(f"read {PLURAL}", _PATH, privilege="monitor_inference", schema=_ANSWER)
        except ApiError as error:
            if error.not_found:
                return Situation(None)
            raise
        policy = answer["region_policy"]
        stamps = {name: answer.get(name) for name in STAMPS}
        return Situation(RegionPolicy.of(policy.get("allowed_geos") or (), policy.get("allowed_regions") or (), stamps))


def to_request(step: Step, _server: Server) -> Request:
    """Return the request of *step*."""
    if step.kind == "delete":
        return Request("DELETE", _PATH, {})
    query = {"force": "true"} if step.settings["force"] else {}
    return Request("PUT", _PATH, query, {"region_policy": step.settings["policy"]})
