# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what answers to a survey become, and what is said of wrong ones."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.answers import Answers, Form, answers
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.questions import questions

Json = dict[str, t.Any]
KINDS: Json = {"choice": "multiplechoice", "several": "multiselect"}


def asked(kind: str, *, name: str = "v", **more: t.Any) -> Json:
    return {"variable": name, "type": KINDS.get(kind, kind), "required": False, **more}


def read(question: Json, value: t.Any, form: Form | None = None) -> Answers:
    """Return what becomes of the only answer."""
    return answers(questions({"spec": [question]}, "s.json"), {question["variable"]: value}, form or Form())


LISTS, TIMES = Form(lists=["v"]), Form(times=["v"])
NUMBER = asked("integer", min=1, max=8)
CHOICE = asked("choice", choices=["fail", "skip", "override"])
FLAG = asked("choice", choices=["true", "false"])
VERSIONS = asked("choice", choices="8.1\n8.10\n9\n2026-01-02\n@x")
SEVERAL = asked("several", choices=["a", "b", "c, d"])
TEXT = asked("text", min=1, max=5)
TIME = asked("integer", min=1, max=7200)


@pytest.mark.parametrize(
    ("question", "value", "expected"),
    [
        (TEXT, " a b ", "a b"),
        (asked("text", min="", max=None), "x" * 99, "x" * 99),
        (asked("textarea"), "a\nb\n", "a\nb"),
        (asked("password"), " a ", " a "),
        (NUMBER, 3, 3),
        (NUMBER, "8", 8),
        (NUMBER, 2.0, 2),
        (NUMBER, " 2.0", 2),
        (asked("integer"), -7, -7),
        (asked("float", max=2.5), "1.5", 1.5),
        (asked("float"), 2, 2),
        (CHOICE, " skip ", "skip"),
        (CHOICE, "SKIP", "skip"),
        (FLAG, True, "true"),
        (FLAG, False, "false"),
        (FLAG, "Yes", "true"),
        (FLAG, "off", "false"),
        (asked("choice", choices=["yes", "no"]), True, "yes"),
        (asked("choice", choices=["on", "On"]), "On", "On"),
        (VERSIONS, 9, "9"),
        (VERSIONS, "8.1", "8.1"),
        (VERSIONS, datetime.date(2026, 1, 2), "2026-01-02"),
        (SEVERAL, ["a", "", None, "b"], ["a", "b"]),
        (SEVERAL, "a\nc, d", ["a", "c, d"]),
        (SEVERAL, "a, b", ["a", "b"]),
        (asked("several", choices=["1", "2"]), 2, ["2"]),
        (asked("several", choices=["true", "b"]), [True], ["true"]),
    ],
)
def test_an_answer_has_the_type_of_its_question(question: Json, value: t.Any, expected: t.Any) -> None:
    found = read(question, value)
    assert found == Answers({"v": expected}, ())
    assert type(found.found["v"]) is type(expected)


@pytest.mark.parametrize(
    ("question", "value", "sentence"),
    [
        (TEXT, "a lot of text", "v must have at most 5 characters, not 13."),
        (asked("text", min=3), "a", "v must have at least 3 characters, not 1."),
        (TEXT, ["a"], "v must be a text, not a list."),
        (asked("textarea"), {"a": 1}, "v must be a text, not a dictionary."),
        (NUMBER, 0, "v must be a whole number of at least 1, not '0'."),
        (NUMBER, "9", "v must be a whole number of at most 8, not '9'."),
        (NUMBER, 1.5, "v must be a whole number of at least 1, not '1.5'."),
        (NUMBER, True, "v must be a whole number of at least 1, not 'true'."),
        (NUMBER, "many", "v must be a whole number of at least 1, not 'many'."),
        (NUMBER, [], "v must be a whole number of at least 1, not a list."),
        (NUMBER, 10**400, "v must be a whole number of at most 8, not '1000"),
        (NUMBER, "1e999", "v must be a whole number of at least 1, not '1e999'."),
        (asked("integer"), float("nan"), "v must be a whole number, not 'nan'."),
        (asked("float"), "a", "v must be a number, not 'a'."),
        (asked("float", max=2.5), 3, "v must be a number of at most 2.5, not '3'."),
        (CHOICE, "perhaps", "v must be fail, skip or override, not 'perhaps'."),
        (CHOICE, True, "v must be fail, skip or override, not 'true'."),
        (CHOICE, ["fail"], "v must be fail, skip or override, not a list."),
        (FLAG, 1, "v must be true or false, not '1'."),
        (asked("choice", choices=["a"]), "b", "v must be a, not 'b'."),
        (VERSIONS, 8.1, "v must be 8.1, 8.10, 9, 2026-01-02 or @x, not '8.1'."),
        (asked("choice", choices=["9"]), 9.0, "v must be 9, not '9.0'."),
        (SEVERAL, ["a", "z"], "v must be a, b or c, d, not 'z'."),
    ],
)
def test_a_wrong_answer_is_named_in_a_sentence(question: Json, value: t.Any, sentence: str) -> None:
    found = read(question, value)
    assert found.found == {"v": None}
    [said] = found.wrong
    assert said.startswith(sentence)
    assert len(said) < 120


@pytest.mark.parametrize("value", [7, 1.1, False, datetime.date(2026, 1, 2), datetime.time(12, 30)], ids=str)
def test_a_text_that_lost_its_type_is_refused(value: t.Any) -> None:
    [said] = read(asked("text", name="model_id"), value).wrong
    assert said.startswith(f"model_id is {str(value).lower() if value is False else value}, not a text, ")
    assert "so it may have been another id: 007, for instance, arrives as 7." in said
    assert "or use an id that YAML reads as text, such as model-7." in said
    [other] = read(asked("textarea"), value).wrong
    assert "so it may have been another text" in other
    [hidden] = read(asked("password"), value).wrong
    assert hidden.startswith("v is not a text, so")
    [item] = read(asked("text"), ["a", value], LISTS).wrong
    assert item.startswith("v is ")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a, b\nc,,\n", ["a", "b", "c"]), (["a", " b ", "", None], ["a", "b"]), ("a", ["a"]), ([" "], None), ([], None)]
    + [(text, ["a", "b"]) for text in ('["a", "b"]', " [a, b]", "- a\n- b")]
    + [("[ab]*, c", ["[ab]*", "c"]), ("it's, [[]a", ["it's", "[[]a"])],
)
def test_a_text_may_be_a_list_of_texts(value: t.Any, expected: t.Any) -> None:
    assert read(asked("textarea", max=9), value, LISTS) == Answers({"v": expected}, ())


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('["a", "b"', '["a"'),
        ("'a','b'", "'a'"),
        ("{a: 1}", "{a: 1}"),
        ("a, b]", "b]"),
        ("- a, b", "a, b"),
        ("[a", "[a"),
    ],
)
def test_a_text_that_is_half_a_list_is_refused(text: str, part: str) -> None:
    """Test that it is no pattern, which would match nothing and so leave nothing out."""
    assert read(asked("textarea"), text, LISTS).wrong == (
        "v must be a list of texts, an item a line or with commas, without quotes: " + part + " is part of a list.",
    )


@pytest.mark.parametrize("text", ["- *-test", "- a\n- *-test", "[*-test]", "[2024-13-45]", "[0b_]"])
def test_a_list_that_yaml_cannot_read_is_refused(text: str) -> None:
    assert read(asked("textarea"), text, LISTS).wrong == (
        "v is no list that YAML can read. Put quotes around what begins with *, or give an item a line.",
    )


def test_the_length_of_a_list_is_that_of_its_text() -> None:
    assert read(asked("text", max=5), ["aaa", "bbb"], LISTS).wrong == ("v must have at most 5 characters, not 7.",)
    assert read(asked("text"), {"a": 1}, LISTS).wrong == ("v must be a text, not a dictionary.",)


@pytest.mark.parametrize(
    ("value", "expected"), [("90s", 90), ("0.5h", 1800), (7200, 7200), ("1500ms", 1.5), (2.5, 2.5), ("30", 30)]
)
def test_a_time_becomes_seconds(value: t.Any, expected: float) -> None:
    found = read(TIME, value, TIMES)
    assert found == Answers({"v": expected}, ())
    assert type(found.found["v"]) is type(expected)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (True, "v must be a number of seconds or a time such as 5m, not 'true'."),
        ("-1", "v must be a number of seconds or a time such as 5m, not '-1'."),
        ([], "v must be a number of seconds or a time such as 5m, not a list."),
        ("3h", "v must be at most 7200 seconds, not '3h'."),
        (0, "v must be at least 1 seconds, not '0'."),
    ],
)
def test_a_wrong_time(value: t.Any, sentence: str) -> None:
    assert read(TIME, value, TIMES).wrong == (sentence,)


def test_the_bounds_of_a_text_do_not_bound_its_time() -> None:
    assert read(asked("text", min=1, max=5), "3h", TIMES).found == {"v": 10800}


EMPTY = [None, "", "  ", "__omit_place_holder__1"]


@pytest.mark.parametrize("value", EMPTY)
def test_null_and_blanks_count_as_not_given(value: t.Any) -> None:
    for question in (TEXT, NUMBER, CHOICE, SEVERAL, asked("float"), asked("password"), asked("textarea")):
        assert read(question, value) == Answers({"v": None}, ())
        required = {**question, "required": True, "question_description": "It names it."}
        assert read(required, value).wrong == ("v is missing. It names it.",)
    assert read({**TEXT, "required": True}, value).wrong == ("v is missing.",)


@pytest.mark.parametrize("value", [*EMPTY, [], [None, " "]])
def test_a_list_of_nothing_counts_as_not_given(value: t.Any) -> None:
    assert read(SEVERAL, value) == Answers({"v": None}, ())
    assert read({**SEVERAL, "required": True}, value).wrong == ("v is missing.",)


@pytest.mark.parametrize(
    ("question", "default", "expected"),
    [
        (TEXT, "a", "a"),
        (TEXT, "", None),
        (TEXT, "too long for it", None),
        (NUMBER, 4, 4),
        (NUMBER, 9, None),
        (CHOICE, "skip", "skip"),
        (CHOICE, "other", None),
        (SEVERAL, "a", None),
    ],
)
def test_the_default_of_an_optional_question_holds_if_it_keeps_the_rules(
    question: Json, default: t.Any, expected: t.Any
) -> None:
    assert read({**question, "default": default}, None) == Answers({"v": expected}, ())
    # AWX shows that of a required one in the browser, and ignores it otherwise.
    assert read({**question, "default": default, "required": True}, None).wrong == ("v is missing.",)


def test_the_defaults_of_the_task_go_over_those_of_the_survey() -> None:
    form = Form(defaults={"v": "yes"})
    for required in (True, False):
        question = {**FLAG, "default": "false", "required": required}
        assert read(question, "", form).found == {"v": "true"}
        assert read(question, "no", form).found == {"v": "false"}
    assert read(FLAG, None, Form(defaults={"v": "x"})).wrong == ("v must be true or false, not 'x'.",)
    assert read({**FLAG, "default": "false"}, None, Form(defaults={"v": ""})).found == {"v": "false"}
    assert read(SEVERAL, None, Form(defaults={"v": ["a"]})).found == {"v": ["a"]}


def test_all_that_is_wrong_is_said() -> None:
    both = questions({"spec": [asked("integer", name="a"), asked("text", name="b"), asked("text", name="c")]}, "s")
    found = answers(both, {"a": "x", "b": 7, "c": "good"}, Form())
    assert found.found == {"a": None, "b": None, "c": "good"}
    assert len(found.wrong) == 2


@pytest.mark.parametrize(
    "survey", [None, [], {}, {"spec": {}}, {"spec": ["a"]}, {"spec": [{"variable": "v"}]}, {"spec": [{"type": "text"}]}]
)
def test_what_is_no_survey_is_refused(survey: t.Any) -> None:
    with pytest.raises(Refusal, match="The file s.json is not a survey"):
        questions(survey, "s.json")


def test_bounds_of_awx_may_be_empty() -> None:
    [question] = questions({"spec": [asked("integer", min="", max=True, default="")]}, "s")
    assert (question.least, question.most, question.choices) == (None, None, ())


def test_an_option_says_what_a_survey_cannot() -> None:
    assert SPEC.argument_spec.keys() - set(Form._fields) == {"survey", "reserved"}
