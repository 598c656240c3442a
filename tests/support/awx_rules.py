# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judge what AWX is given as AWX does, at commit e21dd0a0933f.

Surveys: ``JobTemplateSurveySpec`` of ``awx/api/views/__init__.py``. Answers: ``SurveyJobTemplateMixin`` of
``awx/main/models/mixins.py``. Credentials and notifications: their serializers in ``awx/api/serializers.py``, and
``awx/main/models/notifications.py``.
"""

from __future__ import annotations

import typing as t

Json = dict[str, t.Any]

SECRET = "$encrypted$"
"""What AWX shows of a secret."""
NOTIFICATION_SECRETS = ("password", "token")
NOTIFICATIONS: dict[str, Json] = {
    "slack": {},
    "webhook": {"http_method": "POST", "disable_ssl_verification": False, "username": "", "password": ""},
}
"""The fields with a default, by type of the notification."""
DEFAULTS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str),
    "integer": int,
    "float": (float, int),
}
"""The types of a question's default, by type of the question."""


def refused_survey(survey: Json) -> str | None:
    """Return why AWX does not store a survey."""
    for name, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(survey.get(name), kind):
            return f"Field '{name}' is missing from survey spec."
    seen: set[str] = set()
    for number, question in enumerate(survey["spec"]):
        if reason := _refused_question(question):
            return f"survey question {number}: {reason}"
        if question["variable"] in seen:
            return f"'variable' '{question['variable']}' duplicated in survey question {number}."
        seen.add(question["variable"])
    return None if seen else "'spec' doesn't contain any items."


def _refused_question(question: Json) -> str | None:
    kinds = {"type": str, "question_name": str, "variable": str, "required": bool}
    wrong = [name for name, kind in kinds.items() if not isinstance(question.get(name), kind)]
    if wrong:
        return f"'{wrong[0]}' missing or of another type"
    if question["type"] not in DEFAULTS:
        return f"'{question['type']}' is not an allowed question type"
    default = question.get("default", "")
    if default != "" and not isinstance(default, DEFAULTS[question["type"]]):
        return f"default {default} is of another type"
    if any(not isinstance(question.get(bound), int | None) for bound in ("min", "max")):
        return "limit expected to be integer"
    return _refused_choices(question, default) if question["type"].startswith("multi") else None


def _refused_choices(question: Json, default: str) -> str | None:
    if "choices" not in question:
        return "must specify choices"
    defaults = default.splitlines()
    if question["type"] == "multiplechoice" and len(defaults) > 1:
        return "can only have one default value"
    if any(item not in question["choices"] for item in defaults):
        return "Default choice must be answered from the choices listed."
    return None


def refused_answers(survey: Json, answers: Json, required: bool = True) -> Json:
    """Return why AWX refuses the answers of a schedule, or without *required* those of a node of a workflow."""
    questions = {question["variable"]: question for question in survey.get("spec", [])}
    wrong = [
        each for name in questions.keys() & answers.keys() for each in _refused_answer(questions[name], answers[name])
    ]
    if required:
        needed = (name for name, question in questions.items() if question["required"])
        wrong += [f"'{name}' value missing" for name in needed if name not in answers]
    if wrong:
        return {"variables_needed_to_start": wrong}
    unknown = sorted(answers.keys() - questions.keys())
    return {"extra_data": [f"Variables {', '.join(unknown)} are not allowed on launch."]} if unknown else {}


def _refused_answer(question: Json, value: t.Any) -> list[str]:
    name, kind = question["variable"], question["type"]
    if kind.startswith("multi"):
        choices = question["choices"].splitlines() if isinstance(question["choices"], str) else question["choices"]
        if kind == "multiselect" and not isinstance(value, list):
            return [f"'{name}' value is expected to be a list."]
        wrong = [each for each in (value if kind == "multiselect" else [value]) if each not in choices]
        return [f"Value {each} for '{name}' expected to be one of {choices}." for each in wrong]
    expected = {"integer": (int,), "float": (int, float)}.get(kind, (str,))
    if type(value) not in expected:
        expectation = {"integer": "an integer", "float": "a numeric type"}.get(kind, "a string")
        return [f"Value {value} for '{name}' expected to be {expectation}."]
    size = len(value) if expected == (str,) else value
    low, high = question.get("min"), question.get("max")
    small = [f"'{name}' value {value} is too small."] if low not in ("", None) and size < low else []
    large = [f"'{name}' value {value} is too large."] if high not in ("", None) and size > high else []
    return small + large


def refused_inputs(inputs: Json, kind: Json) -> Json:
    """Return why AWX refuses what a credential of this type is filled in with."""
    types = {field["id"]: bool if field["type"] == "boolean" else str for field in kind["inputs"]["fields"]}
    wrong = [name for name, value in inputs.items() if not isinstance(value, (types.get(name, ()), type(None)))]
    return {"inputs": [f"{name} is unknown, or of another type" for name in wrong]} if wrong else {}


def with_defaults(notification: Json) -> Json:
    """Return a notification template with the fields that AWX adds."""
    defaults = NOTIFICATIONS[notification["notification_type"]]
    return {**notification, "notification_configuration": {**defaults, **notification["notification_configuration"]}}


def without_secrets(item: Json, kind: Json | None) -> Json:
    """Return an object as AWX shows it. *kind*: the type of a credential."""
    fields = kind["inputs"]["fields"] if kind else []
    secrets = {
        "inputs": [field["id"] for field in fields if field.get("secret")],
        "notification_configuration": NOTIFICATION_SECRETS,
    }
    return {name: _hidden(value, secrets[name]) if name in secrets else value for name, value in item.items()}


def _hidden(fields: Json, secrets: t.Collection[str]) -> Json:
    return {name: SECRET if name in secrets and value else value for name, value in fields.items()}
