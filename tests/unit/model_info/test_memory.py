# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the memory that a model needs, by version."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.model import Model
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info.memory import required_memory
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info.records import Deployed, SeenModel

MB = 1 << 20


def seen(size: int | None = 100, deployed: t.Any = None, **model: t.Any) -> SeenModel:
    found = Model(**{"model_id": "m", "model_type": "pytorch", **model})
    return SeenModel(found, {"model_size_bytes": size and size * MB}, deployed or Deployed())


def needs(model: SeenModel, version: str = "9.5.3", flavor: str = "default") -> tuple[int, int] | None:
    """Return the megabytes of the first allocation and of each further one."""
    found = required_memory(model, Server(version, flavor, "c"))
    return (found["first_allocation_bytes"] // MB, found["further_allocation_bytes"] // MB) if found else None


@pytest.mark.parametrize("version", ["8.8.0", "8.11.0", "8.15.3", "8.18.8", "8.19.21", "9.0.1", "9.5.3", "9.6.0"])
def test_a_model_without_figures_needs_its_size_twice(version: str) -> None:
    """Test planner.md 10 by its numbers: 240 MB, and the definition twice."""
    assert needs(seen(), version) == (440, 0)


def test_figures_count_from_where_they_are_more() -> None:
    small = {"per_deployment_memory_bytes": 50 * MB, "per_allocation_memory_bytes": 70 * MB}
    assert needs(seen(**small)) == (440, 70)
    large = {"per_deployment_memory_bytes": 500 * MB, "per_allocation_memory_bytes": 700 * MB}
    assert needs(seen(**large)) == (1300, 700)
    assert needs(seen(per_allocation_memory_bytes=700 * MB)) == (800, 700)


def test_elser_needs_the_same_whatever_its_allocations() -> None:
    assert needs(seen(400, model_id=".elser_model_2_linux-x86_64")) == (2004, 0)
    assert needs(seen(400, model_id=".elser_model_2"), "8.10.0") == (1040, 0)


def test_what_is_not_known_is_null() -> None:
    assert needs(seen(model_type="lang_ident")) is None
    assert needs(seen(None)) is None
    assert needs(seen(0)) is None
    assert needs(seen(), "8.7.1") is None
    assert needs(seen(), "9.5.3", "serverless") is None


def test_from_9_6_on_what_a_deployment_took_counts() -> None:
    deployed = Deployed(100 * MB, ("d",))
    assert needs(seen(None, deployed), "9.5.3") == (440, 0)
    assert needs(seen(None, deployed), "9.6.0") is None
