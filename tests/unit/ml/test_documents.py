# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that errors show nothing of a document."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.text import LONGEST_REASON, shorten
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.documents import hide, values_in, without


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ({"a": "Ada Lovelace"}, "value [Ada Lovelace] is wrong", "value [********] is wrong"),
        ([{"a": ["x", {"b": 52000}]}], "[[x, {b=52000}]]", "[[********, {b=********}]]"),
        ({"a": "a"}, "a text that has a letter", "******** text that has ******** letter"),
        ({"a": "(1)"}, "x(1)y", "x********y"),
        ({"a": 'say "hi"\n<b>'}, 'say \\"hi\\"\\n<b>', "********"),
        ({"a": "<b>"}, "no &lt;b&gt; here", "no ******** here"),
        ({"a": "two  words"}, "two words", "********"),
        ({"a": None, "b": True, "c": ""}, "None True", "None True"),
    ],
)
def test_values_of_documents(value: t.Any, text: str, shown: str) -> None:
    assert without(values_in(value), text) == shown


def test_what_a_cut_has_left() -> None:
    value = "confidential " * 200
    text = shorten(f"Input value [{value}] for field", LONGEST_REASON)
    assert text.endswith(" ...")
    assert without(values_in({"a": value}), f"Cannot infer: {text}.") == "Cannot infer: Input value [******** ...."
    assert without({"other"}, "cut ...") == "cut ..."
    assert without({"other"}, "an o ...") == "an o ..."


def test_an_error_keeps_the_rest() -> None:
    error = ApiError("server", "Cannot: Ada.", status=400, error_type="type", reason="Ada", empty=True, code="c")
    hidden = hide({"Ada"}, error)
    assert (str(hidden), hidden.as_result(), hidden.empty, hidden.code) == (
        "Cannot: ********.",
        {"kind": "server", "status": 400, "type": "type", "reason": "********"},
        True,
        "c",
    )
    assert hide({"Ada"}, ApiError("connection", "Ada")).reason is None
