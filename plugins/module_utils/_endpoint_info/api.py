# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One cluster: the reads of its inference endpoints, their deployments and their users."""

from __future__ import annotations

import typing as t

from .._consumers.api import ConsumerReader
from .._consumers.records import Consumers, UsedBy
from .._consumers.users import endpoint_users
from .._core.errors import ApiError
from .._core.http.client import Client
from .._core.run.cluster import ClusterConnection
from .._ml.deployment import Deployment
from .._ml.deployment_reads import read_deployments
from .._ml.endpoint import Endpoint
from .._ml.endpoint_reads import read_endpoints


class EndpointInfoCluster(ClusterConnection):
    """A connection to one cluster: reads of inference endpoints."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.consumers = ConsumerReader(client, lambda: self.server)

    def forget(self) -> None:
        self.consumers.forget()

    def read_endpoints(self) -> tuple[Endpoint, ...]:
        """Return all inference endpoints, ordered by their ids.

        :raises ApiError: they could not be read.
        """
        found = read_endpoints(self._client, self.server)
        return tuple(sorted(found, key=lambda endpoint: endpoint.inference_id))

    def read_deployments(self) -> dict[str, Deployment] | None:
        """Return all deployments by id, ``None`` if the user may not read them.

        :raises ApiError: they could not be read for another reason.
        """
        try:
            return read_deployments(self._client, self.server)
        except ApiError as exc:
            if exc.hidden:
                return None
            raise

    def read_users(self, found: t.Iterable[Endpoint], everything: t.Sequence[Endpoint]) -> dict[str, UsedBy]:
        """Return the users of the endpoints that were *found*, by id: one read of each kind, whatever their number.

        *everything*: all endpoints, of which some may be attached to the deployments of others.
        """
        pipelines, indices = self.consumers.read_pipelines(), self.consumers.read_indices()
        consumers = Consumers(tuple(everything), pipelines, indices=indices)
        return {endpoint.inference_id: endpoint_users(endpoint, consumers) for endpoint in found}
