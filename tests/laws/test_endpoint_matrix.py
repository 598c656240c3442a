# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what each version of Elasticsearch takes to change an inference endpoint."""

from __future__ import annotations

import typing as t

import pytest

from laws.endpoint_matrix import CHANGES, VERSIONS, Row, row, rows

THROUGH, DEPLOYMENT = "PUT /_inference/sparse_embedding/e/_update", "POST /_ml/trained_models/e/deployment/_update"
AGAIN = ("DELETE /_inference/sparse_embedding/e", "PUT /_inference/sparse_embedding/e")
Expected = tuple[str, tuple[str, ...]]
REFUSED: Expected = ("endpoint_differs", ())
OLD: Expected = ("unsupported_version", ())
OWNER: Expected = ("adaptive_allocations_enabled", ())
ENDPOINT, TWICE = ("update", (THROUGH,)), ("update", (THROUGH, THROUGH))
ALONE, RECREATED = ("update", (DEPLOYMENT,)), ("recreate", AGAIN)

EXPECTED: dict[str, tuple[Expected | None, ...]] = {
    "fixed to another number": (ALONE, ENDPOINT, ENDPOINT, ENDPOINT, ENDPOINT, ENDPOINT, ENDPOINT),
    "fixed to adaptive": (OLD, ALONE, ALONE, ALONE, ENDPOINT, ENDPOINT, ENDPOINT),
    "other bounds": (None, ALONE, ALONE, ALONE, ENDPOINT, ENDPOINT, ENDPOINT),
    "adaptive to fixed": (None, ALONE, ALONE, ALONE, TWICE, TWICE, TWICE),
    "a number while adaptive": (None, OWNER, OWNER, OWNER, OWNER, OWNER, OWNER),
    "chunking": (OLD, REFUSED, REFUSED, REFUSED, REFUSED, ENDPOINT, ENDPOINT),
    "chunking, recreated": (OLD, RECREATED, RECREATED, RECREATED, RECREATED, ENDPOINT, ENDPOINT),
    "threads": (REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "threads, recreated": (RECREATED, RECREATED, RECREATED, RECREATED, RECREATED, RECREATED, RECREATED),
}
"""Change to what each of :data:`VERSIONS` does; the first one has no adaptive allocations to begin with."""


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], Row]:
    return {(each.version, each.change): each for each in rows()}


@pytest.mark.parametrize("change", CHANGES)
def test_each_version_makes_each_change_in_its_way(change: str, found: dict[tuple[str, str], Row]) -> None:
    for version, expected in zip(VERSIONS, EXPECTED[change], strict=True):
        seen = found.get((version, change))
        if seen is None:
            assert expected is None, version
            continue
        sent = tuple(" ".join(request.split()[:2]) for request in seen.requests)
        assert (seen.result, sent) == expected, version
        assert seen.predicted, version
        assert seen.second_run == (0 if seen.result in ("update", "recreate") else None), version


def test_each_update_has_one_setting(found: dict[tuple[str, str], Row]) -> None:
    requests: t.Iterable[str] = (request for each in found.values() for request in each.requests)
    for request in requests:
        assert not (request.startswith(THROUGH) and "num_allocations" in request and "adaptive" in request)


SWITCHES: dict[str, dict[str, str]] = {
    "9.1.10": {"endpoint_update_chunking": "kept"},
    "9.2.1": {"endpoint_update_settings": "exactly_one", "endpoint_update_chunking": "kept"},
    "9.5.3": {"endpoint_update_settings": "both"},
    "strict": {"endpoint_update_settings": "strict", "endpoint_update_number_alone": "ends_adaptive"},
}
"""What is unknown of a version, otherwise than the emulator plays it by itself."""


@pytest.mark.parametrize("version", SWITCHES)
def test_what_is_unknown_of_a_version_makes_no_difference(version: str, found: dict[tuple[str, str], Row]) -> None:
    for change in ("fixed to another number", "fixed to adaptive", "other bounds", "adaptive to fixed"):
        assert row(version, change, SWITCHES[version]) == found[version, change]
