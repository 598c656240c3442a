# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the stand-in for AWX refuses what AWX refused, in the same words: see ``tests/recorded/awx``."""

from __future__ import annotations

import json
import typing as t

import yaml

from support.awx_rules import refused_answers, refused_inputs, refused_rule, refused_survey
from support.documents import ROOT

Json = dict[str, t.Any]
ROWS: list[Json] = [json.loads(line) for line in (ROOT / "tests/recorded/awx/answers.jsonl").read_text().splitlines()]
SURVEY: Json = json.loads((ROOT / "playbooks/files/scale_survey.json").read_text())
QUESTION: Json = {"variable": "v", "question_name": "v", "choices": ["a", "b"]}


def of_kind(kind: str) -> list[Json]:
    found = [row for row in ROWS if row["kind"] == kind]
    assert len(found) > 3
    return found


def question(row: Json) -> Json:
    default = {} if row["default"] == "absent" else {"default": row["default"]}
    return {**QUESTION, **default, "type": row["type"], "required": row["required"]}


def test_answers_are_judged_as_awx_judges_them() -> None:
    for row in of_kind("survey_question"):
        survey = {"name": "", "description": "", "spec": [question(row)]}
        assert refused_survey(survey) == row.get("spec_error", {}).get("error"), row
        if "spec_error" in row:
            continue
        answers = {"v": row["sent"]} if "sent" in row else {}
        assert refused_answers(survey, answers) == row.get("error", {}), row


def test_credentials_are_judged_as_awx_judges_them() -> None:
    kind = yaml.safe_load((ROOT / "extensions/awx/credential_type.yml").read_text())
    for row in of_kind("credential_inputs_by_api"):
        refused = refused_inputs(row["inputs"], kind)
        assert bool(refused) == (row["status"] == 400), row
        assert not refused or refused in (row["answer"], {"inputs": row["answer"]})


def test_schedules_need_what_nodes_may_leave_open() -> None:
    refused = {row["case"]: row["answer"] for row in of_kind("api")}
    assert refused["node, no answers"] is None
    assert refused_answers(SURVEY, {}, required=False) == {}
    [missing] = refused["schedule, no answers"].values()
    [found] = refused_answers(SURVEY, {}).values()
    assert set(missing) <= set(found)
    assert {*refused["node, guard"]} == {*refused_answers(SURVEY, {"guard": {}}, required=False)} == {"extra_data"}


def test_a_survey_that_awx_does_not_store_is_seen() -> None:
    assert refused_survey(SURVEY) is None
    first, *rest = SURVEY["spec"]
    wrong: list[list[Json]] = [
        [],
        [first, first],
        [{**first, "default": None}],
        [{**first, "required": "yes"}],
        [{**first, "min": "1"}],
        [{**first, "type": "number"}],
        [{**first, "type": "multiplechoice", "choices": ["a"], "default": "b"}],
        [{**first, "type": "multiselect", "choices": ["a"], "default": ["a"]}],
    ]
    assert [spec for spec in wrong if refused_survey({**SURVEY, "spec": spec}) is None] == []
    assert refused_survey({"spec": rest}) is not None


def test_a_schedule_needs_a_start_in_a_time_zone() -> None:
    start, rule = "DTSTART:20260101T000000", "RRULE:FREQ=DAILY;INTERVAL=1"
    assert refused_rule(f"{start}Z {rule}") == refused_rule(f"DTSTART;TZID=Etc/UTC:20260101T000000 {rule}") == {}
    wrong = (
        rule,
        f"{start} {rule}",
        f"{start}Z",
        f"{start}Z RRULE:FREQ=DAILY",
        f"{start}Z RRULE:FREQ=SECONDLY;INTERVAL=9",
    )
    assert [each for each in wrong if not refused_rule(each)] == []
