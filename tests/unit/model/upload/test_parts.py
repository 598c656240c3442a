# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test into which parts a definition is cut, and what is refused."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.parts import (
    LARGEST_PART,
    MOST_PARTS,
    USUAL_PART,
    Parts,
    part_size_option,
)

CONTENT_LENGTH = 100 << 20
"""The default of http.max_content_length."""


def test_a_small_file_is_one_part() -> None:
    assert Parts.of(1) == Parts(1, USUAL_PART)
    assert (Parts.of(1).total, Parts.of(1).last, Parts.of(1).length(0)) == (1, 0, 1)


@pytest.mark.parametrize("size", [USUAL_PART * MOST_PARTS, USUAL_PART * MOST_PARTS + 1, 50 << 30, 600 << 30])
def test_no_size_has_too_many_parts(size: int) -> None:
    found = Parts.of(size)
    assert found.total <= MOST_PARTS
    assert found.part_size % (1 << 20) == 0
    assert len(found.body(b"")) + found.part_size * 4 / 3 < CONTENT_LENGTH * 0.9


@given(st.integers(1, 10_000_000), st.integers(1000, 10_000_000))
def test_parts_hold_every_byte_once(size: int, part_size: int) -> None:
    found = Parts.of(size, part_size)
    assert sum(found.length(number) for number in range(found.total)) == size
    assert all(0 < found.length(number) <= part_size for number in (0, found.last))


@given(st.binary(min_size=1, max_size=50))
def test_a_body_is_what_elasticsearch_reads(content: bytes) -> None:
    body = json.loads(Parts(1000, 50).body(content))
    assert base64.b64decode(body.pop("definition"), validate=True) == content
    assert body == {"total_definition_length": 1000, "total_parts": 20} == Parts(1000, 50).as_body()


@pytest.mark.parametrize(
    ("size", "part_size", "code", "says"),
    [
        (0, None, "invalid_definition", "is empty"),
        (LARGEST_PART * MOST_PARTS + 1, None, "invalid_definition", "more than 10000 parts can hold"),
        (100, 0, "invalid_value", "upload_part_size is 0b"),
        (100, LARGEST_PART + 1, "invalid_value", "between 1b and 64mb"),
        (10_001, 1, "invalid_value", "would have 10001 parts"),
        (5 << 30, 1 << 10, "invalid_value", "Set it to 1mb or more, or leave it out."),
    ],
)
def test_what_cannot_work_is_refused(size: int, part_size: int | None, code: str, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        Parts.of(size, part_size)
    assert refused.value.code == code


def test_the_least_part_size_is_taken() -> None:
    assert Parts.of(10_000, 1).total == MOST_PARTS


def test_the_option_is_a_size() -> None:
    assert part_size_option(None) is None
    assert part_size_option("4mb") == 4 << 20


@pytest.mark.parametrize("text", ["4", "-1", "0", "", "many", "0b"])
def test_the_option_is_no_other_text(text: str) -> None:
    with pytest.raises(Refusal, match="upload_part_size is not a size"):
        part_size_option(text)
