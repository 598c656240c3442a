# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions of a survey, as AWX stores them."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal

KINDS = ("text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect")


class Question(t.NamedTuple):
    """A question. ``least`` and ``most`` bound a number, or the length of a text.

    ``default``: for an optional question; that of a required one is there for the browser alone, which shows it.
    """

    variable: str
    kind: str
    required: bool
    least: float | None
    most: float | None
    default: t.Any
    choices: tuple[str, ...]
    description: str


def questions(survey: t.Any, name: str) -> tuple[Question, ...]:
    """Return the questions of the parsed *survey*. *name*: that of its file.

    :raises Refusal: AWX would not take it either.
    """
    spec = survey.get("spec") if isinstance(survey, dict) else None
    if not isinstance(spec, list) or not all(map(_is_question, spec)):
        kinds = ", ".join(KINDS)
        raise Refusal(
            "invalid_value",
            f"The file {name} is not a survey",
            hint=f"It has a list 'spec' of questions, each with a variable and a type, one of {kinds}.",
        )
    return tuple(map(_question, spec))


def _is_question(given: t.Any) -> bool:
    return isinstance(given, dict) and isinstance(given.get("variable"), str) and given.get("type") in KINDS


def _question(given: t.Mapping[str, t.Any]) -> Question:
    choices = given.get("choices") or ()
    return Question(
        variable=given["variable"],
        kind=given["type"],
        required=bool(given.get("required")),
        least=_number(given.get("min")),
        most=_number(given.get("max")),
        default=given.get("default"),
        choices=tuple(map(str, choices.splitlines() if isinstance(choices, str) else choices)),
        description=str(given.get("question_description") or ""),
    )


def _number(bound: t.Any) -> float | None:
    """Return a bound; AWX stores one that is not there as null or empty text."""
    return bound if isinstance(bound, (int, float)) and not isinstance(bound, bool) else None
