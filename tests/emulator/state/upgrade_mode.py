# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse what machine learning refuses in upgrade mode (around-deployments.md 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..wire import errors

if TYPE_CHECKING:
    from .cluster import Cluster

_REFUSED: Final = frozenset(
    f"cluster:admin/xpack/ml/{name}"
    for name in (
        "inference/put",
        "inference/delete",
        "inference/model_aliases/put",
        "inference/model_aliases/delete",
        "trained_models/part/put",
        "trained_models/vocabulary/put",
        "trained_models/deployment/start",
    )
)


def enabled(cluster: Cluster) -> bool:
    """Return whether upgrade mode is on."""
    return bool(cluster.settings.get("upgrade_mode"))


def check(cluster: Cluster, action: str) -> None:
    """Refuse *action* if upgrade mode is on, and it is one of those that would change a model or start one."""
    if action in _REFUSED and enabled(cluster):
        raise errors.status(429, f"Cannot perform {action} action while upgrade mode is enabled")
