# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions of Elasticsearch and what came with each: the only place that names versions."""

from __future__ import annotations

import dataclasses
import enum

Release = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Availability:
    """The releases that have a feature, and what a message calls it.

    ``until``: the release that it ended with. ``except_in``: later releases without it. ``serverless``: whether
    Serverless has it; its version says nothing.
    """

    since: Release
    name: str
    until: Release | None = None
    except_in: tuple[Release, ...] = ()
    serverless: bool = True

    def covers(self, release: Release) -> bool:
        """Return whether *release* has it."""
        ended = self.until is not None and release >= self.until
        return release >= self.since and not ended and release not in self.except_in


class Feature(enum.Enum):
    """One row for each feature or behaviour that not all versions have. Sources: docs/development."""

    TRAINED_MODEL_DEPLOYMENTS = Availability((8, 0), "this collection")
    FAILURE_COUNTERS = Availability((8, 1), "counters of inferences without an answer")
    NODE_VERSION_CHECK = Availability((8, 2), "a check of the nodes' versions before a start", serverless=False)
    MEMORY_STATS = Availability((8, 2), "the memory of each node for machine learning", serverless=False)
    ALLOCATION_NAMES = Availability((8, 3), "number_of_allocations and threads_per_allocation in requests")
    INFERENCE_BY_NAME = Availability((8, 3), "inference with a model that needs no deployment")
    CACHE_SIZE = Availability((8, 4), "cache_size")
    PROCESSOR_CHECK = Availability((8, 4), "a check of the nodes' processors before a start", serverless=False)
    MISREPORTED_THREADS = Availability(
        (8, 4), "statistics with wrong threads and no cache size", until=(8, 6), serverless=False
    )
    CACHE_CLEAR = Availability((8, 5), "clearing the cache of a deployment", serverless=False)
    UPDATE = Availability((8, 6), "an update of a running deployment")
    PRIORITY = Availability((8, 6), "priority: low")
    DEPLOYMENT_ID = Availability((8, 8), "a deployment_id that differs from the model_id")
    RECORDED_PLANS = Availability((8, 8), "plans of allocations that were recorded", serverless=False)
    DEFINITION_STATUS = Availability((8, 8), "the status of a model's definition")
    VOCABULARY_SCORES = Availability((8, 9), "scores in a vocabulary")
    TRANSPORT_VERSIONS = Availability((8, 10), "transport versions of nodes")
    INFERENCE_ENDPOINTS = Availability((8, 11), "inference endpoints")
    MEMORY_FIGURES = Availability((8, 11), "figures of a model's memory in its metadata")
    ELSER_2 = Availability((8, 11), "ELSER 2")
    FINISH_PENDING_WORK = Availability((8, 11), "finish_pending_work")
    E5 = Availability((8, 12), "E5")
    PREFIX_STRINGS = Availability((8, 12), "prefix_strings and platform_architecture of a model")
    ALL_ENDPOINTS_IN_ONE_PATH = Availability((8, 13), "a path without a task type to all inference endpoints")
    ELASTICSEARCH_SERVICE = Availability((8, 13), "the service elasticsearch of inference endpoints")
    MANAGE_INFERENCE = Availability((8, 14), "the cluster privilege manage_inference")
    SEMANTIC_TEXT = Availability((8, 15), "semantic_text fields")
    ENDPOINT_REFERENCES = Availability((8, 15), "a dry run of the deletion of an inference endpoint")
    RERANK = Availability((8, 15), "the rerank model")
    ADAPTIVE_ALLOCATIONS = Availability((8, 16), "adaptive_allocations")
    ATTACHED_ENDPOINTS = Availability((8, 16), "deployment_id in service_settings")
    CHUNKING_SETTINGS = Availability((8, 16), "chunking_settings")
    DEBERTA = Availability((8, 16), "the tokenization deberta_v2")
    ENDPOINT_UPDATE = Availability((8, 17), "an update of an inference endpoint")
    CHUNKING_RESET = Availability(
        (8, 17), "endpoint updates that reset chunking settings", until=(9, 4), serverless=False
    )
    SHORT_QUEUES = Availability((8, 17), "queues of at most 100000 requests, 10000 by default")
    STOP_CHECKS_ENDPOINTS = Availability((8, 19), "a check of inference endpoints before a stop", except_in=((9, 0),))
    OWNED_ONLY_BY_ENDPOINT = Availability((9, 2), "deployments that only their inference endpoint may update")
    CHUNKING_UPDATE = Availability((9, 5), "an update of chunking_settings")
    PLATFORM_VARIANT = Availability((9, 5), "the variant of packages that its nodes run")
    REGION_POLICY = Availability((9, 5), "a region policy of inference")
    BYTE_LEVEL_BPE = Availability((9, 5), "the tokenization byte_level_bpe")
    LATER_MODEL_FIELDS = Availability((9, 6), "fields of a model that this collection does not know")
    PENDING_REQUESTS = Availability((9, 5), "a number of pending requests that is right")

    @property
    def since(self) -> Release:
        """Return the first release that has it."""
        return self.value.since

    @property
    def first_version(self) -> str:
        """Return the first release that has it, as text."""
        return ".".join(map(str, self.value.since))
