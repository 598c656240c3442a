# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the architecture of a model with those of the nodes, and name the variant of packaged models.

Source: ``cluster_ml`` records; which nodes count, the public class that asks for them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from ..wire import errors
from .nodes import LINUX
from .settings import ARCHITECTURES, LAZY_NODES, text_of

if TYPE_CHECKING:
    from .cluster import Cluster

AGNOSTIC: Final = "platform_agnostic"


def of_nodes(cluster: Cluster) -> set[str]:
    """Return the architectures of the nodes with the role."""
    return {node.architecture for node in cluster.nodes.values() if node.ml}


def check(found: Collection[str], expected: str | None, model_id: str) -> None:
    """Refuse a model that needs another architecture; without any node every model fits."""
    if expected is None or not found:
        return
    listed = f"expected [{expected}]; but was [{', '.join(sorted(found))}]"
    if len(found) > 1:
        what = "ML nodes in this cluster have multiple platform architectures, but can only have one for this model"
        raise errors.ApiError(500, "illegal_state_exception", f"{what} ([{model_id}]); {listed}")
    if expected not in found:
        what = f"The model being deployed ([{model_id}]) is platform specific and incompatible with ML nodes"
        raise errors.illegal_argument(f"{what} in the cluster; {listed}")


def variant(cluster: Cluster) -> str:
    """Return the variant of packaged models that fits: what is set counts, then the nodes, then those to come."""
    found = set(filter(None, text_of(cluster.settings.get(ARCHITECTURES, "")).split(","))) or of_nodes(cluster)
    if not found and int(cluster.settings.get(LAZY_NODES, 0)) > 0:
        return LINUX
    return LINUX if found == {LINUX} else AGNOSTIC
