# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the defaults and limits of anomaly detection in ``GET _ml/info``, which user interfaces read.

Source: the documented answer of the machine learning info API and the public YAML tests ``ml/ml_info``. That the
filters are the same in every version is inferred. The variant of packaged models: around-deployments.md 1.2.
"""

from __future__ import annotations

from typing import Any, Final

from ..state import architectures
from ..state.cluster import Cluster
from ..wire import values

LIMIT: Final = "xpack.ml.max_model_memory_limit"
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_ZONES: Final = ("GMT", "UTC")
_DEFAULT_LIMIT: Final = 1 << 30


def defaults(cluster: Cluster) -> dict[str, Any]:
    """Return the ``defaults`` of the answer; the memory of a job is at most the highest allowed."""
    limit = _limit(cluster)
    memory = _DEFAULT_LIMIT if limit is None else min(limit, _DEFAULT_LIMIT)
    words = [each for names in (_DAYS, _MONTHS) for each in (*names, *(name[:3] for name in names))]
    analyzer = {
        "char_filter": ["first_line_with_letters"],
        "tokenizer": "ml_standard",
        "filter": [
            {"type": "stop", "stopwords": [*words, *_ZONES]},
            {"type": "limit", "max_token_count": "100"},
        ],
    }
    detectors = {
        "categorization_analyzer": analyzer,
        "model_memory_limit": _megabytes(memory),
        "categorization_examples_limit": 4,
        "model_snapshot_retention_days": 10,
        "daily_model_snapshot_retention_after_days": 1,
    }
    found: dict[str, Any] = {"anomaly_detectors": detectors, "datafeeds": {"scroll_size": 1000}}
    if cluster.version.at_least((9, 5, 0)):
        found["model_platform_variant"] = architectures.variant(cluster)
    return found


def limits(cluster: Cluster) -> dict[str, Any]:
    """Return the ``limits`` of one job: what is set, and what the largest node can hold."""
    limit = _limit(cluster)
    largest = max((node.available() for node in cluster.nodes.values()), default=0)
    effective = largest if limit is None else min(limit, largest)
    found = {} if limit is None else {"max_model_memory_limit": _megabytes(limit)}
    return found | {"effective_max_model_memory_limit": _megabytes(effective)}


def _limit(cluster: Cluster) -> int | None:
    """Return the highest memory that a job may request; 0 is none."""
    text = cluster.settings.get(LIMIT)
    return (values.parse_bytes(str(text), LIMIT).bytes or None) if text is not None else None


def _megabytes(amount: int) -> str:
    """Return whole megabytes, or gigabytes where nothing is left over."""
    whole = amount >> 20
    return f"{whole >> 10}gb" if whole and whole % 1024 == 0 else f"{whole}mb"
