# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers to a survey, made of the variables that a job gets.

AWX checks answers at a launch. In a workflow, artifacts and variables of other jobs replace them without a check, and
from ansible-core 2.19 on a text arrives as what YAML makes of it without quotes: ``007`` as 7, ``no`` as false.
"""

from __future__ import annotations

import contextlib
import math
import re
import typing as t

import yaml

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.durations import seconds
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.given import is_given

from .questions import Question

_LOST = (
    "so it may have been another {what}: 007, for instance, arrives as 7. Quotes do not help in a survey from "
    "ansible-core 2.19 on. Set it among the variables of the job template, in quotes, or use {one} that YAML reads as "
    "text, such as model-7."
)
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_SHOWN = 40
# A quote or a brace at an end, within a bracket or not, or one bracket of two.
_PART_OF_LIST = re.compile(r"""^\[?\s*["'{]|["'}]\s*\]?$|^\[[^]]*$|^[^[]*\]$|,""")


class Answers(t.NamedTuple):
    """``found`` has each question, null for one that is not answered; ``wrong`` a sentence for each wrong answer."""

    found: dict[str, t.Any]
    wrong: tuple[str, ...]


class Form(t.NamedTuple):
    """All that a survey cannot say.

    ``defaults`` go over those of the survey. ``lists``: questions for a text whose answer is a list of texts, an item a
    line or separated by commas. ``times``: questions whose answer may be a time such as 5m.
    """

    defaults: t.Mapping[str, t.Any] = {}
    lists: t.Collection[str] = ()
    times: t.Collection[str] = ()


class _Wrong(Exception):
    """An answer is wrong; the message is a sentence that says so."""


def answers(questions: t.Iterable[Question], given: t.Mapping[str, t.Any], form: Form) -> Answers:
    """Return the answers in *given*, the variables, or why some are wrong."""
    found: dict[str, t.Any] = {}
    wrong: list[str] = []
    for question in questions:
        try:
            found[question.variable] = _answer(question, given.get(question.variable), form)
        except _Wrong as exc:
            found[question.variable] = None
            wrong.append(str(exc))
    return Answers(found, tuple(wrong))


def _answer(question: Question, value: t.Any, form: Form) -> t.Any:
    read = _reader(question, form)
    for each in (value, form.defaults.get(question.variable)):
        if _is_answer(question, each, form):
            return read(question, each)
    if question.required:
        raise _Wrong(f"{question.variable} is missing. {question.description}".rstrip())
    return _of_survey(question, read, form)


def _of_survey(question: Question, read: _Reader, form: Form) -> t.Any:
    """Return the default of the survey. As AWX does, drop one that breaks the rules of its own question."""
    if not _is_answer(question, question.default, form) or question.kind == "multiselect":
        return None  # that of a multiselect is a text, and so breaks the rule that it is a list
    try:
        return read(question, question.default)
    except _Wrong:
        return None


def _is_answer(question: Question, value: t.Any, form: Form) -> bool:
    """Return whether *value* counts as given: null, blanks and a list of only those do not."""
    if isinstance(value, list) and _takes_list(question, form):
        return any(_is_answer(question, item, form) for item in value)
    return is_given(value.strip() if isinstance(value, str) else value)


def _takes_list(question: Question, form: Form) -> bool:
    return question.kind == "multiselect" or question.variable in form.lists


_Reader: t.TypeAlias = "t.Callable[[Question, t.Any], t.Any]"


def _reader(question: Question, form: Form) -> _Reader:
    if question.variable in form.lists:
        return _texts
    return _time if question.variable in form.times else _READERS[question.kind]


def _text(question: Question, value: t.Any) -> str:
    text = _kept(question, value).strip()
    _check_length(question, text)
    return text


def _password(question: Question, value: t.Any) -> str:
    text = _kept(question, value)
    _check_length(question, text)
    return text


def _texts(question: Question, value: t.Any) -> list[str]:
    """Return a list of texts. The survey bounds the length of the whole answer, as a person enters it."""
    lines = value if isinstance(value, list) else _split(question, _kept(question, value).strip())
    items = [_kept(question, each).strip() for each in lines if each is not None]
    found = [item for item in items if item]
    for item in filter(_is_part_of_list, found):
        raise _Wrong(
            f"{question.variable} must be a list of texts, an item a line or with commas, without quotes: {item} is "
            "part of a list."
        )
    _check_length(question, "\n".join(found))
    return found


def _is_part_of_list(item: str) -> bool:
    """Return whether *item* is not an id, name or pattern. It would match nothing, and so leave nothing out."""
    return _PART_OF_LIST.search(item) is not None


def _split(question: Question, text: str) -> list[t.Any]:
    """Return the items of a text: of a list as JSON or YAML writes it, or lines and what is between commas."""
    if not (text.startswith("- ") or (text.startswith("[") and text.endswith("]"))):
        return text.replace(",", "\n").splitlines()
    read = None
    with contextlib.suppress(yaml.YAMLError, ValueError):
        read = yaml.safe_load(text)
    if isinstance(read, list):
        return read
    raise _Wrong(
        f"{question.variable} is no list that YAML can read. Put quotes around what begins with *, "
        "or give an item a line."
    )


def _kept(question: Question, value: t.Any) -> str:
    """Return a text that arrived as one."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        raise _Wrong(f"{question.variable} must be a text, not {_shown(question, value)}.")
    what = "id" if question.variable.endswith("_id") else "text"
    arrived = "" if question.kind == "password" else f" {_plain(value)},"
    lost = _LOST.format(what=what, one="an id" if what == "id" else "one")
    raise _Wrong(f"{question.variable} is{arrived} not a text, {lost}")


def _check_length(question: Question, text: str) -> None:
    least, most = question.least, question.most
    if least is not None and len(text) < least:
        raise _Wrong(f"{question.variable} must have at least {least} characters, not {len(text)}.")
    if most is not None and len(text) > most:
        raise _Wrong(f"{question.variable} must have at most {most} characters, not {len(text)}.")


def _integer(question: Question, value: t.Any) -> int:
    number = _number(question, value, "a whole number")
    if number != int(number):
        raise _Wrong(_not_a("a whole number", question, value))
    return int(number)


def _float(question: Question, value: t.Any) -> float:
    return _number(question, value, "a number")


def _number(question: Question, value: t.Any, what: str) -> float:
    number = _parsed(value)
    if number is None:
        raise _Wrong(_not_a(what, question, value))
    if question.most is not None and number > question.most:
        raise _Wrong(f"{question.variable} must be {what} of at most {question.most}, not {_shown(question, value)}.")
    if question.least is not None and number < question.least:
        raise _Wrong(_not_a(what, question, value))
    return number


def _parsed(value: t.Any) -> float | None:
    """Return a finite number, given as one or as text."""
    if isinstance(value, str):
        value = _of_text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def _of_text(text: str) -> float | None:
    for read in (int, float):
        with contextlib.suppress(ValueError):
            return read(text)
    return None


def _not_a(what: str, question: Question, value: t.Any) -> str:
    least = "" if question.least is None else f" of at least {question.least}"
    return f"{question.variable} must be {what}{least}, not {_shown(question, value)}."


def _time(question: Question, value: t.Any) -> float:
    """Return the seconds of a time."""
    try:
        length = seconds(question.variable, value, zero=True)
    except Refusal:
        raise _Wrong(
            f"{question.variable} must be a number of seconds or a time such as 5m, not {_shown(question, value)}."
        ) from None
    if question.kind in ("integer", "float"):
        _check_seconds(question, length, value)
    return int(length) if length == int(length) else length


def _check_seconds(question: Question, length: float, value: t.Any) -> None:
    if question.least is not None and length < question.least:
        raise _Wrong(f"{question.variable} must be at least {question.least} seconds, not {_shown(question, value)}.")
    if question.most is not None and length > question.most:
        raise _Wrong(f"{question.variable} must be at most {question.most} seconds, not {_shown(question, value)}.")


def _choice(question: Question, value: t.Any) -> str:
    meant = _meant(question.choices, value)
    if len(meant) != 1:  # of 8.1 and 8.10 either may have been meant by the number 8.1
        raise _Wrong(f"{question.variable} must be {_listed(question.choices)}, not {_shown(question, value)}.")
    return meant[0]


def _meant(choices: t.Iterable[str], value: t.Any) -> list[str]:
    """Return the choices that *value* may stand for: as a text, in other letters, or as what YAML makes of them."""
    if isinstance(value, bool):
        return [choice for choice in choices if _truth(choice) is value]
    if not isinstance(value, str):
        return [choice for choice in choices if _is_read_as(choice, value)]
    text = value.strip()
    same = [choice for choice in choices if choice == text]
    same = same or [choice for choice in choices if choice.lower() == text.lower()]
    return same or [choice for choice in choices if _truth(choice) is _truth(text) is not None]


def _is_read_as(choice: str, value: t.Any) -> bool:
    try:
        read = yaml.safe_load(choice)
    except yaml.YAMLError:
        return False
    return type(read) is type(value) and read == value


def _truth(text: str) -> bool | None:
    word = text.lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _selection(question: Question, value: t.Any) -> list[str]:
    """Return the chosen items. A text has an item a line, or separates them by commas."""
    items = value if isinstance(value, list) else _lines(question, value) if isinstance(value, str) else [value]
    return [_choice(question, item) for item in items if is_given(item)]


def _lines(question: Question, text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    found = [[line] if line in question.choices else line.split(",") for line in lines]
    return [item.strip() for items in found for item in items]


_READERS: dict[str, _Reader] = {
    "text": _text,
    "textarea": _text,
    "password": _password,
    "integer": _integer,
    "float": _float,
    "multiplechoice": _choice,
    "multiselect": _selection,
}


def _plain(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(question: Question, value: t.Any) -> str:
    """Return what a message calls a wrong value."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a dictionary"
    return f"'{_plain(value)[:_SHOWN]}'"


def _listed(choices: t.Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(choices[:-1]), *choices[-1:])))
