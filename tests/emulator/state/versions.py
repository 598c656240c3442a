# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define what each Elasticsearch version has: the one table of feature gates.

Source: server-behaviour.md 7.1, and the records, which were made on thirteen versions from
8.10.0 to 9.5.3. A gate that arrived in patch releases of several minors names the first patch of each line, as far as
it is known.
"""

from __future__ import annotations

import dataclasses
import functools
import re

Triple = tuple[int, int, int]

NEWEST_MINORS = {8: 19, 9: 5}
"""The last minor of each major that is known."""
_FORM = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-[A-Za-z0-9.-]+)?")


@dataclasses.dataclass(frozen=True)
class Features:
    """The features of one version; each field's name is what is true if it is set."""

    number: str
    triple: Triple
    assignment_names: bool
    """``assignment`` instead of ``allocation``, ``threads_per_allocation`` instead of ``inference_threads``."""
    cache_size: bool
    route_allocations: bool
    """Routes carry ``current_allocations`` and ``target_allocations``."""
    update: bool
    priority: bool
    start_waits_30s: bool
    """Before, the default may have been 20s [U]."""
    deployment_id: bool
    per_memory: bool
    finish_pending_work: bool
    update_query_parameter: bool
    adaptive: bool
    zero_is_started: bool
    """A deployment of zero allocations counts as started, fully allocated and needs no memory."""
    low_priority_adaptive: bool
    """``max_number_of_allocations`` is checked at start with low priority; an update above 1 is refused too."""
    manage_inference: bool
    endpoints: bool
    """Inference endpoints exist; at first each path names the task type."""
    endpoint_paths_without_type: bool
    endpoint_names: bool
    """Answers say ``endpoints`` and ``inference_id`` instead of ``models`` and ``model_id``."""
    endpoint_licence: bool
    """Endpoints need a licence of their own, as they are created, updated and used."""
    endpoint_references: bool
    """Deleting an endpoint knows ``dry_run`` and ``force`` and looks for pipelines and indices."""
    endpoint_references_indexes: bool
    """It looks for indices, too, and says all in its answer."""
    one_service: bool
    """``elser`` is a name of the service ``elasticsearch``; endpoints may use an existing deployment."""
    endpoint_update: bool
    endpoint_update_without_type: bool
    endpoint_update_any_id: bool
    """The request does not check the form of the id: it may begin with a dot."""
    endpoint_update_reads_any_body: bool
    """A body that is no object is an empty one; before, its format cannot be detected."""
    endpoint_update_refuses_null: bool
    """A setting of the service that is null cannot be read."""
    endpoint_update_chunking: bool
    """An update takes chunking settings, and names in brackets what it cannot read."""
    endpoint_update_of_one: bool
    """An update of an in-cluster endpoint takes the number or the adaptive allocations, not both."""
    endpoint_update_keeps_chunking: bool
    endpoint_attached_dimensions: bool
    """An endpoint for text embeddings that is attached to a deployment says the size of its vectors."""
    endpoint_deploys_first: bool
    """An endpoint for text embeddings is stored after its deployment has started."""
    endpoint_force_leaves_deployment: bool
    """A forced delete of an endpoint succeeds though its deployment cannot be stopped."""
    endpoint_update_asks_service: bool
    """An update of an endpoint whose service is outside of the cluster is checked by that service."""
    input_type: bool
    """Bodies of inferences through endpoints take ``input_type``, ``top_n`` and ``return_documents``."""
    region_policy: bool
    request_classes: bool
    """Rerank and embedding read those bodies with classes of their own."""
    chunking: bool
    """Endpoints have chunking settings, and answers show no empty task settings."""
    recursive_chunking: bool
    live_allocations: bool
    """Answers show numbers of allocations of now, and there are presets."""
    rerank_default: bool
    endpoint_start_check: bool
    endpoint_id_text: bool
    endpoint_stop_check: bool
    endpoint_update_check: bool
    """A deployment that an endpoint made is updated through the endpoint only; endpoints know whose it is."""
    pipeline_dates: bool
    reasons_name_the_size: bool
    """Reasons say the model's size where they mean the estimate, and look at it only."""
    zero_survives_shutdown: bool
    """A deployment of zero allocations stays in the cluster state while a node shuts down."""
    end_of_file_type: bool
    """Truncated JSON has a type of its own."""
    object_end_is_parsed: bool
    """A second object where one is taken is a fault of parsing; before, an illegal state."""
    timeouts_are_429: bool
    """A task that times out in the master's queue is 429 with ``timed_out``, not 500 or 503."""
    timed_out_header: bool
    """The same answer has a header ``X-Timed-Out``, too."""
    scaler_times: bool
    """The scaler's times can be set; to zero goes what rested for a day, not for a quarter of an hour."""
    default_queue_capacity: int
    max_queue_capacity: int

    @property
    def major(self) -> int:
        """Return the major version."""
        return self.triple[0]

    @property
    def accepted_compatibility(self) -> tuple[int, int]:
        """Return the two REST API versions this server takes in ``compatible-with``."""
        return self.triple[0], self.triple[0] - 1

    def at_least(self, *lines: Triple) -> bool:
        """Return whether this version is in or after one of the release lines' patches (see ``_reached``)."""
        return _reached(self.triple, lines)


def parse(number: str) -> Triple:
    """Return ``8.9.2`` as numbers; raise ``ValueError`` for what is not played: before 8.0, an unknown minor."""
    match = _FORM.fullmatch(number)
    if match is None:
        raise ValueError(f"not a version: {number!r}")
    triple = (int(match[1]), int(match[2]), int(match[3]))
    if triple < (8, 0, 0):
        raise ValueError(f"versions before 8.0 are not played: {number!r}")
    if triple[1] > NEWEST_MINORS.get(triple[0], -1):
        raise ValueError(f"not a version that is known, 8.0 to 8.19 and 9.0 to 9.5 are played: {number!r}")
    return triple


def _reached(triple: Triple, lines: tuple[Triple, ...]) -> bool:
    """Return whether a back-port is in: the highest line that is not newer than the version's own minor decides."""
    mine = [line for line in lines if line[:2] <= triple[:2]]
    if not mine:
        return False
    newest = max(mine)
    if newest[:2] == triple[:2]:
        return triple >= newest
    # A later minor of the same major has it too; a later major has it only if a line of that major says so, or if the
    # first line is a minor's start.
    return newest[0] == triple[0] or newest[2] == 0


@functools.cache
def features(number: str) -> Features:
    """Return the features of a version."""
    triple = parse(number)

    def since(*lines: Triple) -> bool:
        return _reached(triple, lines)

    large_queue = since((8, 17, 0))
    return Features(
        number=number,
        triple=triple,
        assignment_names=since((8, 3, 0)),
        cache_size=since((8, 4, 0)),
        route_allocations=since((8, 4, 0)),
        update=since((8, 6, 0)),
        priority=since((8, 6, 0)),
        start_waits_30s=since((8, 10, 0)),
        deployment_id=since((8, 8, 0)),
        per_memory=since((8, 11, 0)),
        finish_pending_work=since((8, 11, 0)),
        update_query_parameter=since((8, 15, 0)),
        adaptive=since((8, 16, 0)),
        zero_is_started=since((8, 16, 0)),
        # January 2026 patches; recorded in 8.19.14 and 9.5.3, absent in 8.19.0 and 9.1.10. The exact patch numbers
        # are [U].
        low_priority_adaptive=since((8, 19, 10), (9, 2, 4), (9, 3, 0)),
        manage_inference=since((8, 14, 0)),
        # Inference endpoints: the numbers of the public pull requests; a patch in between is [U].
        endpoints=since((8, 11, 0)),
        endpoint_paths_without_type=since((8, 13, 0)),
        endpoint_names=since((8, 15, 0)),
        endpoint_licence=since((8, 15, 0)),  # not in public sources of 8.12; the release is [U]
        endpoint_references=since((8, 15, 0)),  # 109123, 110487
        endpoint_references_indexes=since((8, 16, 0)),  # recorded: 8.15.3 answers with pipelines only; 110399
        one_service=since((8, 16, 0)),
        endpoint_update=since((8, 16, 0)),  # 114457; its messages are recorded in 8.16.0
        endpoint_update_without_type=since((8, 17, 2), (8, 18, 0)),  # 121231
        # Refused in 9.2.8, not in 9.5.3 (around-deployments.md 7 item 12); the version in between is [U].
        endpoint_update_any_id=since((9, 3, 0)),
        # Recorded: 500 to 8.19.0, in 9.0.1 and 9.1.10; 400 from 8.19.8 and 9.2.8 on (around-deployments.md 7 item 12).
        endpoint_update_reads_any_body=since((8, 19, 8), (9, 2, 8), (9, 3, 0)),
        # Refused in 9.0.1, 9.1.10 and 9.2.8, not in 8.x and 9.5.3; the version in between is [U].
        endpoint_update_refuses_null=(9, 0, 0) <= triple < (9, 3, 0),
        # Refused in 9.2.8, there in 9.5.3; 149723 is of May 2026.
        endpoint_update_chunking=since((9, 5, 0)),
        # Which release began is [U] (around-deployments.md 4.3).
        endpoint_update_of_one=since((9, 5, 0)),
        # 141682 and 141687, February 2026; main had it in 140003. The exact patch numbers are [U].
        endpoint_update_keeps_chunking=since((8, 19, 12), (9, 2, 6), (9, 3, 1), (9, 4, 0)),
        # 153688, July 2026, in 8.19, 9.3, 9.4 and 9.5; the exact patch numbers are [U].
        endpoint_attached_dimensions=since((8, 19, 20), (9, 3, 6), (9, 4, 5), (9, 5, 0)),
        endpoint_deploys_first=since((9, 5, 0)),  # 153886
        # 129090, June 2025; whether patches of 8.18 and 9.0 have it is [U].
        endpoint_force_leaves_deployment=since((8, 19, 0), (9, 0, 99), (9, 1, 0)),
        endpoint_update_asks_service=since((9, 4, 0)),  # around-deployments.md 1.2
        input_type=since((8, 19, 0), (9, 0, 99), (9, 1, 0)),  # recorded in 8.19.0 and 9.1.10, not in 9.0.1
        region_policy=since((9, 5, 0)),  # 153093 dropped the feature flag in July 2026
        request_classes=since((9, 5, 0)),  # not in 9.1.10; which version in between began is [U]
        chunking=since((8, 16, 0)),
        recursive_chunking=since((8, 19, 0), (9, 0, 99), (9, 1, 0)),  # recorded in 8.19.0 and 9.1.10, not in 9.0.1
        live_allocations=since((8, 17, 0)),  # 115233
        rerank_default=since((8, 18, 0)),
        endpoint_start_check=since((8, 13, 0)),  # 103996; its message is recorded in 8.13.4, not in 8.10.4
        endpoint_id_text=since((8, 18, 0)),  # 119543
        # 129325, June 2025. Late patches of 8.18 and 9.0 have it, too (129909, 129908), but which is [U]: none here.
        endpoint_stop_check=since((8, 19, 0), (9, 0, 99), (9, 1, 0)),
        # 130940, in the release notes of 9.2.0; its message is recorded in 9.5.3, not in 8.19.21 and 9.1.10.
        endpoint_update_check=since((9, 2, 0)),
        pipeline_dates=since((9, 2, 0)),  # 130847
        # From the planner that counts by allocation to pull request 133930 of September 2025; its patches are [U].
        reasons_name_the_size=since((8, 16, 0)) and not since((9, 2, 0)),
        # 146910, April 2026: 9.4.0 and a patch of 9.3 [U].
        zero_survives_shutdown=since((9, 4, 0)),
        # Recorded in 8.19.14 and 9.1.10, absent in 8.19.0 and 9.0.1. The exact patch numbers are [U].
        end_of_file_type=since((8, 19, 1), (9, 1, 0)),
        # Recorded in 8.19.21 and 9.5.3, absent in 8.19.14 and 9.1.10. The exact patch numbers are [U].
        object_end_is_parsed=since((8, 19, 15), (9, 2, 0)),
        timeouts_are_429=since((9, 0, 0)),
        # Recorded in 9.0.1 and 9.1.10, absent in 9.5.3.
        timed_out_header=since((9, 0, 0)) and not since((9, 2, 0)),
        # elastic/elasticsearch pull request 128914, June 2025: in 8.19.0 and 9.1.0, after 9.0.0.
        scaler_times=since((8, 19, 0)) and triple[:2] != (9, 0),
        default_queue_capacity=10000 if large_queue else 1024,
        max_queue_capacity=100000 if large_queue else 1000000,
    )
