# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what options take: each type, whatever it arrives as."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.given import checked, is_given
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.spec import Spec

Json = dict[str, t.Any]
DATE = datetime.date(2026, 1, 2)
GUARD: Json = {"type": "dict", "options": {"max": {"type": "int"}, "on": {"type": "bool"}}}
SPEC = Spec(
    {
        "id": {"type": "str"},
        "model": {"type": "str"},
        "ids": {"type": "list", "elements": "str"},
        "text": {"type": "str"},
        "state": {"type": "str", "choices": ["started", "stopped"]},
        "policy": {"type": "str", "choices": ["fail", "off"]},
        "switch": {"type": "str", "choices": ["on", "off", "no"]},
        "policies": {"type": "list", "elements": "str", "choices": ["yes", "no"]},
        "path": {"type": "path"},
        "number": {"type": "int"},
        "flag": {"type": "bool"},
        "time": {"type": "raw"},
        "kinds": {"type": "list", "elements": "str", "choices": ["a", "b"]},
        "guard": GUARD,
        "headers": {"type": "dict"},
        "secrets": {"type": "dict", "no_log": True},
        "items": {"type": "list", "elements": "dict", "options": {"id": {"type": "str"}, "guard": GUARD}},
    },
    ids=("id", "ids"),
    may_be_empty=("text",),
    never_empty={"id": "model"},
)


def label(option: str, index: int, item: Json) -> str:
    return f"item {index} of {option}"


def read(**given: t.Any) -> Json:
    return checked(SPEC, given, label)


def refused(**given: t.Any) -> str:
    with pytest.raises(Refusal) as caught:
        read(**given)
    assert caught.value.code == "invalid_arguments"
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"text": 1.5}, {"text": "1.5"}),
        ({"text": DATE}, {"text": "2026-01-02"}),
        ({"text": ""}, {"text": ""}),
        ({"text": None, "number": "", "flag": None, "ids": "", "time": ""}, {}),
        ({"id": "__omit_place_holder__1234", "model": "m"}, {"model": "m"}),
        ({"id": "007"}, {"id": "007"}),
        ({"policy": False}, {"policy": "off"}),
        ({"policy": "False"}, {"policy": "off"}),
        ({"policy": "off"}, {"policy": "off"}),
        ({"policy": None, "switch": ""}, {}),
        ({"switch": True}, {"switch": "on"}),
        ({"policies": [True, False, "no"]}, {"policies": ["yes", "no", "no"]}),
        ({"number": " 7 "}, {"number": 7}),
        ({"number": 7.0}, {"number": 7}),
        ({"number": -1}, {"number": -1}),
        ({"flag": "yes"}, {"flag": True}),
        ({"flag": 0}, {"flag": False}),
        ({"time": DATE}, {"time": "2026-01-02"}),
        ({"time": True}, {"time": True}),
        ({"kinds": "a, b,\nc"}, {"kinds": ["a", "b", "c"]}),
        ({"kinds": ["a", None, ""]}, {"kinds": ["a"]}),
        ({"kinds": '["a", "b"]'}, {"kinds": ["a", "b"]}),
        ({"kinds": " ['a', 'b'] "}, {"kinds": ["a", "b"]}),
        ({"kinds": [None, ""]}, {}),
        ({"ids": []}, {"ids": []}),
        ({"guard": {"max": "", "on": None}}, {}),
        ({"guard": '{"max": 2}'}, {"guard": {"max": 2}}),
        ({"guard": "max=2 on=no"}, {"guard": {"max": 2, "on": False}}),
        ({"headers": {1: DATE, "b": None, "c": "", "d": 2}}, {"headers": {"1": "2026-01-02", "d": 2}}),
        ({"items": [{"guard": None}, "id=7"]}, {"items": [{}, {"id": "7"}]}),
        ({"items": []}, {"items": []}),
        ({"other": True, "unknown": None}, {"other": True}),
    ],
    ids=str,
)
def test_values_that_are_taken(given: Json, expected: Json) -> None:
    assert read(**given) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": True}, "text takes a text, not true."),
        ({"state": ["started"]}, "state takes one of started, stopped, not a list."),
        ({"policy": True}, "policy takes one of fail, off, not true."),
        ({"switch": False}, "switch takes one of on, off, no, not false."),
        ({"state": False}, "state takes one of started, stopped, not false."),
        ({"path": 7}, "path takes a path as text, not 7."),
        ({"number": True}, "number takes a whole number, not true."),
        ({"number": "many"}, "number takes a whole number, not 'many'."),
        ({"number": 1.5}, "number takes a whole number, not 1.5."),
        ({"number": float("nan")}, "number takes a whole number, not nan."),
        ({"number": 2**31}, "number takes a whole number up to 2147483647, not 2147483648."),
        ({"number": "3000000000"}, "number takes a whole number up to 2147483647, not '3000000000'."),
        ({"number": -(10**30)}, "number takes a whole number up to 2147483647, not a number."),
        ({"number": b"7"}, "number takes a whole number, not a value of another type."),
        ({"number": DATE}, "number takes a whole number, not the date 2026-01-02."),
        ({"flag": "perhaps"}, "flag takes true or false, not 'perhaps'."),
        ({"flag": {}}, "flag takes true or false, not a dictionary."),
        ({"kinds": 1}, "kinds takes a list, not 1."),
        ({"kinds": ","}, "kinds takes a list, not a text."),
        ({"kinds": '["a", b]'}, "kinds takes a list, not a text."),
        ({"kinds": "['a', 'b'"}, "kinds takes a list, not a text."),
        ({"kinds": [["a"]]}, "kinds[0] takes one of a, b, not a list."),
        ({"guard": 8}, "guard takes a dictionary with max, on, not 8."),
        ({"guard": ""}, "guard takes a dictionary with max, on, not an empty text. Leave it out, or"),
        ({"guard": {"max": True}}, "guard.max takes a whole number, not true."),
        ({"headers": "secret text"}, "headers takes a dictionary, not a text."),
        ({"secrets": 12345678}, "secrets takes a dictionary, not a number."),
        ({"items": "id=7"}, "items takes a list of dictionaries, not a text."),
        ({"items": [{}, None]}, "items[1] takes a dictionary, not null."),
        ({"items": [{"guard": 8}]}, "item 0 of items: guard takes a dictionary with max, on, not 8."),
        ({"items": [{"guard": {"max": "x"}}]}, "item 0 of items: guard.max takes a whole number, not 'x'."),
        ({"id": ["a"]}, "id takes a text, not a list."),
        ({"ids": ["a", None]}, "ids[1] has no value. Give it one, or leave it out."),
        ({"ids": ["", None]}, "ids[0] has no value. Give it one, or leave it out. ids[1] has no value."),
        ({"id": None, "model": "m"}, "id has no value, and model alone may name another deployment."),
        ({"id": "", "model": "m"}, "id has no value, and model alone may name another deployment."),
    ],
    ids=str,
)
def test_values_that_are_refused(given: Json, said: str) -> None:
    assert refused(**given).startswith(said)


@pytest.mark.parametrize("value", [7, True, 1.1, DATE], ids=str)
def test_an_id_that_is_no_text_is_lost(value: t.Any) -> None:
    shown = f"the date {value}" if value is DATE else str(value).lower()
    assert refused(id=value).startswith(f"id is {shown}, not a text. The id that was meant is lost: 007, for instance")
    assert refused(ids=value).startswith(f"ids is {shown}, not a text.")
    assert refused(ids=["a", value]).startswith(f"ids[1] is {shown}, not a text.")
    assert refused(items=[{"id": value}]).startswith(f"item 0 of items: id is {shown}, not a text.")


def test_all_mistakes_are_named_at_once() -> None:
    said = refused(number=True, flag="perhaps", items=[{"guard": 1}, {"id": 7}])
    assert [said.count(text) for text in ("number takes", "flag takes", "guard takes", "id is 7")] == [1, 1, 1, 1]
    assert said.endswith("such as model-7.")


def test_what_counts_as_given() -> None:
    given: list[t.Any] = [0, False, " ", [], {}, ["a", None], {"a": None, "b": 0}, [{"a": None}]]
    missing: list[t.Any] = [None, "", [None], ["", None], {"a": None, "b": ""}, {"a": {"b": None}}]
    assert list(map(is_given, given + missing)) == [True] * len(given) + [False] * len(missing)
