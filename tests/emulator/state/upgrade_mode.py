# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse what machine learning refuses in upgrade mode (around-deployments.md 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..wire import errors

if TYPE_CHECKING:
    from .cluster import Cluster

BUSY: Final = "upgrade_mode_busy"
"""The setting of the emulator that says that a change of the mode is under way."""
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


def change(cluster: Cluster, desired: bool) -> bool:
    """Set the mode, and return whether that changed anything; refuse while another change is under way.

    The words of 8.18 on are recorded (``cluster_ml``); those before are around-deployments.md 5.4 [S].
    """
    present = enabled(cluster)
    if cluster.settings.get(BUSY):
        text = f"{desired}".lower(), f"{present}".lower()
        if not cluster.version.at_least((8, 18, 0)):
            raise errors.status(429, "Cannot change [upgrade_mode]. Previous request is still being processed.")
        of = "for feature name [ml]"
        words = f"Attempted to set [upgrade_mode] {of} to [{text[0]}] from [{text[1]}]"
        cause = errors.ApiError(500, "illegal_state_exception", f"{words} while previous request was processing.")
        what = f"Cannot change [upgrade_mode] {of}. Previous request is still being processed."
        raise errors.ApiError(429, "status_exception", what, cause)
    if present != desired:
        cluster.settings["upgrade_mode"] = desired
    return present != desired
