# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judge what AWX is given as AWX does, at commit e21dd0a0933f.

Surveys: ``JobTemplateSurveySpec`` of ``awx/api/views/__init__.py``. Answers: ``SurveyJobTemplateMixin`` of
``awx/main/models/mixins.py``. Credentials and notifications: their serializers in ``awx/api/serializers.py``, and
``awx/main/models/notifications.py``.
"""

from __future__ import annotations

import re
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
ANSWERS = {"integer": ((int,), "an integer"), "float": ((int, float), "a numeric type")}
"""The types of an answer, if it is no text."""


def refused_survey(survey: Json) -> str | None:
    """Return why AWX does not store a survey."""
    for name, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(survey.get(name), kind):
            return f"Field '{name}' is missing from survey spec."
    seen: set[str] = set()
    for number, question in enumerate(survey["spec"]):
        if reason := _refused_question(number, question):
            return reason
        if question["variable"] in seen:
            return f"'variable' '{question['variable']}' duplicated in survey question {number}."
        seen.add(question["variable"])
    return None if seen else "'spec' doesn't contain any items."


def _refused_question(number: int, question: Json) -> str | None:
    kinds = {"type": str, "question_name": str, "variable": str, "required": bool}
    wrong = [name for name, kind in kinds.items() if not isinstance(question.get(name), kind)]
    if wrong:
        return f"'{wrong[0]}' in survey question {number} is missing, or of another type."
    if question["type"] not in DEFAULTS:
        return f"'{question['type']}' in survey question {number} is not an allowed question type."
    default = question.get("default", "")
    if default != "" and not isinstance(default, DEFAULTS[question["type"]]):
        expectation = question["type"] if question["type"] in ANSWERS else "string"
        return f"Default value {default} in survey question {number} expected to be {expectation}."
    if any(not isinstance(question.get(bound), int | None) for bound in ("min", "max")):
        return f"A limit in survey question {number} expected to be integer."
    return _refused_choices(question, default) if question["type"].startswith("multi") else None


def _refused_choices(question: Json, default: str) -> str | None:
    if "choices" not in question:
        return "A question with choices must specify choices."
    defaults = default.splitlines()
    if question["type"] == "multiplechoice" and len(defaults) > 1:
        return "Multiple Choice (Single Select) can only have one default value."
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
        return _refused_choice(question, value)
    if kind == "password" and value == SECRET:  # stands for the default
        return [f"'{name}' value missing"] if question["required"] and question.get("default") is None else []
    expected, expectation = ANSWERS.get(kind, ((str,), "a string"))
    if type(value) not in expected:
        return [f"Value {value} for '{name}' expected to be {expectation}."]
    size, length = (len(value), f"length is {len(value)} ") if isinstance(value, str) else (value, "")
    low, high = question.get("min"), question.get("max")
    small = [f"'{name}' value {value} is too small ({length}must be at least {low})."]
    large = [f"'{name}' value {value} is too large (must be no more than {high})."]
    return (small if low is not None and size < low else []) + (large if high is not None and size > high else [])


def _refused_choice(question: Json, value: t.Any) -> list[str]:
    name, choices = question["variable"], question["choices"]
    if question["type"] == "multiselect" and not isinstance(value, list):
        return [f"'{name}' value is expected to be a list."]
    known = choices.splitlines() if isinstance(choices, str) else choices
    wrong = [each for each in (value if isinstance(value, list) else [value]) if each not in known]
    return [f"Value {each} for '{name}' expected to be one of {known}." for each in wrong]


def refused_rule(rule: str | None) -> Json:
    """Return why AWX refuses when a schedule runs, as ``SchedulePreviewSerializer`` says."""
    if rule is None:
        return {}
    if not re.match(r"DTSTART(;[^:]+:\d{8}T\d{6}|:\d{8}T\d{6}Z) RRULE:\S+$", rule):
        return {"rrule": ["DTSTART with a time zone, and one rule are required in rrule."]}
    return {} if "INTERVAL=" in rule and "SECONDLY" not in rule else {"rrule": ["INTERVAL required in rrule."]}


def refused_inputs(inputs: Json, kind: Json) -> Json:
    """Return why AWX refuses what a credential of this type is filled in with."""
    types = {field["id"]: bool if field["type"] == "boolean" else str for field in kind["inputs"]["fields"]}
    names = {bool: "boolean", str: "string"}
    for name, value in inputs.items():
        if name not in types:
            return {"inputs": [f"Additional properties are not allowed ('{name}' was unexpected)"]}
        if value is not None and not isinstance(value, types[name]):
            return {name: [f"{value!r} is not of type '{names[types[name]]}'"]}
    return {}


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
