# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masking of secrets in results: in values, and in keys that are not the collection's."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t

from ..options.credentials import SHORTEST_SECRET
from ..warning import WarningText
from .result import Outcome

MASK = "*" * 8
NOTHING = "(?!)"
"""A pattern that no text has."""

_KEYS = """
adaptive_allocations after allocation_count allocation_status allocations allow_no_match allow_zero ansible_facts
api_calls as_list assigned assignment_state average_inference_time_ms average_inference_time_ms_last_minute before body
cache_hit_count cache_hit_ratio cache_size cache_size_exact changed cluster cluster_name code current_allocations
degraded deployment deployment_id deployments details diff enabled error error_count failed failure finish_pending_work
flavor force health health_reason inference_cache_hit_count inference_count inference_endpoints inference_threads
ingest_pipelines initial_number_of_allocations kind last_access max_number_of_allocations method
min_number_of_allocations missing model_aliases model_bytes model_id model_threads msg name node_id node_name nodes
none num_allocations number_of_allocations number_of_pending_requests ok operation operations path
peak_requests_per_minute peak_throughput_per_minute pending_requests polls predicted priority query queue_capacity
queue_use reached reason recover rejected_execution_count replace requests_last_minute restart rollback routing_source
routing_state routing_table running seconds server service_settings skipped skipped_because start start_time starting
state status stop summary target_allocation_count target_allocations threads_per_allocation throughput_last_minute
timeout timeout_count type unchanged update usage used_by uuid version wait_for waited wanted warnings zero
addresses capacity licence start_checks upgrade_mode versions
alias model_alias previous_model_id reassign
already_there bytes config create_time created_by current definition_bytes definition_sha256 description desired
differences download downloaded_parts field_names fully_defined input license_level model model_type name order
part_size parts platform_architecture resumed_at run semantic_text_indices sent_bytes sent_parts tags total_parts
upload verified
cluster_uuid named_by
architecture at_most displaced fit fits free jobs may_grow memory observed observed_memory overhead placed plan
privilege processors reasons roles shutting_down total used what zone
semantic_text_indices
config created_by create_time definition_bytes definition_sha256 deployed description download downloaded_parts
downloading field_names first_allocation_bytes fully_defined further_allocation_bytes in_use incomplete license_level
model_type models packaged platform_architecture required_memory tags task total_parts unused verified
prediction moved has_predicted_places max_assigned_allocations per_allocation_memory_bytes per_deployment_memory_bytes
routing_table_before
idle inference_id lost owned service task_settings task_type unknown chunking_settings
endpoint inference_id task_type service service_settings task_settings chunking_settings not_shown owned secrets_version
downloads num_threads
allowed_geos allowed_regions csp region region_policy updated_at updated_by created_at
field index
first inferences last reads rejected risen timed_out
refused attempts inference_results latency max mean min p50 p90 p99 task
"""
KEYS = frozenset(_KEYS.split())
"""The keys of results. They are public, whatever a secret is, and playbooks rely on them."""
_SENTENCES = frozenset(("msg", "reason", "reasons", "health_reason", "skipped_because", "details", "warnings"))
"""Keys with text for people, which stays readable if a part of it is masked."""


Register = t.Callable[[t.Iterable[str]], None]
_register: Register | None = None
with contextlib.suppress(ImportError):  # ansible-core has it from 2.22 on
    from ansible.module_utils.secrets import register_secrets as _register  # type: ignore[import-not-found,no-redef,unused-ignore]


def register(texts: t.Collection[str], registry: Register | None = _register) -> None:
    """Tell ansible-core of the secrets *texts*, so that it masks them in all that it prints.

    It masks them in the output of every later task. So it does not learn short ones: ``elastic`` is a part of too many
    other words.
    """
    if registry is not None:
        registry(text for text in texts if len(text) >= SHORTEST_SECRET)


def mask_secrets(outcome: Outcome, texts: t.Collection[str], names: t.Collection[str] = ()) -> Outcome:
    """Return *outcome* with the secrets *texts* masked, and with a warning if that makes ids unusable.

    Keys of results stay, and so do those in *names*. ``changed``, ``failed`` and ``failure`` stay with their values.
    """
    # Walking through the result of a large fleet takes longer than all the rest: only if there is something to find.
    shown = json.dumps(outcome)
    if not any(json.dumps(text)[1:-1] in shown for text in texts):
        return outcome
    result = outcome.result
    flags = {name: result[name] for name in ("changed", "failed", "failure") if name in result}
    walk = _Walk(texts, KEYS.union(names))
    masked = {**walk.value(result), **flags}
    warnings = walk.value(outcome.warnings, "warnings")
    return Outcome(masked, (*warnings, *_unusable(len(walk.unusable))))


def mask_text(text: str, texts: t.Collection[str]) -> str:
    """Return *text* with the secrets *texts* masked."""
    return _pattern(texts).sub(MASK, text)


def _pattern(texts: t.Collection[str]) -> re.Pattern[str]:
    """Return the pattern of any of *texts*, the longest first: none is masked in part, because it holds another one."""
    longest_first = sorted(filter(None, texts), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or NOTHING)


def _unusable(count: int) -> tuple[WarningText, ...]:
    """Return the warning that ids or other values are masked; a sentence can be read without a part of it."""
    values = "1 id or other value is" if count == 1 else f"{count} ids or other values are"
    text = WarningText(
        f"A credential occurs in the result: {values} masked, and later tasks cannot use what is masked. "
        "Use a credential that is no part of an id."
    )
    return (text,) if count else ()


class _Walk:
    """A walk through plain JSON, which masks secrets in values, and in keys that are not *kept*."""

    def __init__(self, texts: t.Collection[str], kept: t.Collection[str]) -> None:
        self._pattern = _pattern(texts)
        self._kept = kept
        self.unusable: set[str] = set()
        """What was masked and is no sentence."""

    def value(self, value: t.Any, key: str = "") -> t.Any:
        if isinstance(value, dict):
            return {self._key(name): self.value(item, name) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item, key) for item in value]
        if value is None or isinstance(value, bool):
            return value
        masked = self._text(str(value), key in _SENTENCES)
        return value if masked == str(value) else masked

    def _key(self, name: str) -> str:
        return name if name in self._kept else self._text(name, False)

    def _text(self, text: str, is_sentence: bool) -> str:
        masked = self._pattern.sub(MASK, text)
        if masked != text and not is_sentence:
            self.unusable.add(text)
        return masked
