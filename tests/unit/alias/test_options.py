# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the options of an alias: what no version takes is refused before anything is read."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.options import desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.records import Desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from support.documents import ROOT

GIVEN = {"model_alias": "a", "model_id": "m", "reassign": False, "state": "present"}
RECORDED = [json.loads(line) for line in (ROOT / "tests/recorded/classes/aliases.jsonl").read_text().splitlines()]
NAMES = {
    row["put_alias"]: row["validation"] is None for row in RECORDED if row.get("put_alias") and "validation" in row
}


@pytest.mark.parametrize(("name", "is_taken"), [*NAMES.items(), ("a.b", True), ("1", True), ("a\n", False)])
def test_names_that_elasticsearch_takes(name: str, is_taken: bool) -> None:
    given = {**GIVEN, "model_alias": name, "model_id": "model"}
    if is_taken:
        assert desired(given) == Desired(name, "model", False, "present")
        return
    with pytest.raises(Refusal) as caught:
        desired(given)
    assert caught.value.code == "invalid_value"


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"model_alias": ""}, "invalid_value", "model_alias '' is not a name for an alias. It takes lowercase letters"),
        ({"model_alias": "v1"}, "invalid_value", "It begins with a letter or a digit, and ends with a letter."),
        (
            {"model_id": "a"},
            "invalid_value",
            "model_alias and model_id are both 'a'. An alias needs a name",
        ),
        ({"model_id": "m*"}, "invalid_value", "model_id 'm*' is not the id of one deployment or model."),
        ({"model_id": ""}, "incomplete_options", "model_alias is given without model_id. A variable may be empty."),
    ],
)
def test_what_is_refused(given: dict[str, t.Any], code: str, message: str) -> None:
    with pytest.raises(Refusal) as caught:
        desired({**GIVEN, **given})
    assert (caught.value.code, message in str(caught.value)) == (code, True), str(caught.value)


def test_an_alias_is_deleted_whatever_it_refers_to() -> None:
    assert desired({**GIVEN, "model_id": None, "state": "absent"}) == Desired("a", None, False, "absent")
