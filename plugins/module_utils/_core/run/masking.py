# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masking of secrets in results: in values, and in keys that are not the collection's."""

from __future__ import annotations

import json
import typing as t

from ansible.module_utils.common.parameters import remove_values, sanitize_keys

from .result import Json

_KEYS = """
adaptive_allocations after allocation_count allocation_status allocations allow_no_match allow_zero ansible_facts
api_calls as_list assigned assignment_state average_inference_time_ms average_inference_time_ms_last_minute before body
cache_hit_count cache_hit_ratio cache_size changed cluster cluster_name code current_allocations degraded deployment
deployment_id deployments diff enabled error error_count failed failure finish_pending_work flavor force health
health_reason inference_cache_hit_count inference_count inference_endpoints inference_threads ingest_pipelines
initial_number_of_allocations kind last_access max_number_of_allocations method min_number_of_allocations missing
model_aliases model_id model_threads msg name node_id node_name nodes none num_allocations number_of_allocations
number_of_pending_requests ok operation operations path peak_requests_per_minute peak_throughput_per_minute
pending_requests polls predicted priority query queue_capacity queue_use reached reason recover
rejected_execution_count replace requests_last_minute restart rollback routing_source routing_state routing_table
running seconds server service_settings skipped skipped_because start start_time starting state status stop summary
target_allocation_count target_allocations threads_per_allocation throughput_last_minute timeout timeout_count type
unchanged update usage used_by uuid version wait_for waited wanted warnings zero
"""
KEYS = frozenset(_KEYS.split())
"""The keys of results. They are public, whatever a secret is, and playbooks rely on them."""


def mask_secrets(result: Json, texts: t.Collection[str], names: t.Collection[str] = ()) -> Json:
    """Return *result* with the secrets *texts* masked.

    Keys of results stay, and so do those in *names*. ``changed``, ``failed`` and ``failure`` stay with their values.
    """
    # Walking through the result of a large fleet takes longer than all the rest: only if there is something to find.
    shown = json.dumps(result)
    if not any(json.dumps(text)[1:-1] in shown for text in texts):
        return result
    flags = {name: result[name] for name in ("changed", "failed", "failure") if name in result}
    keyed: Json = sanitize_keys(result, texts, KEYS.union(names))
    return {**remove_values(keyed, texts), **flags}
