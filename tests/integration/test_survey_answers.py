# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test survey_answers in plays: where variables, surveys and limits come from."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

from support.awx_variables import KEEPS_TEXT, extra_variables
from support.documents import block
from support.emulator_process import emulator
from support.playbook import Json, Played, run_playbook

ASK = "mlops.elasticsearch.survey_answers"
GUARD = "ELASTICSEARCH_ML_GUARD"
SCALE: Json = {"survey": "scale", "defaults": {"dry_run": "{{ 'false' }}"}, "times": ["wait_timeout"]}
NAMES: Json = {"question_name": "Names", "variable": "names", "type": "textarea", "required": False}
WORD: Json = {"question_name": "Word", "variable": "word", "type": "password", "required": False}


def play(*tasks: Json, **more: t.Any) -> str:
    named = [{"name": f"Task {number}", "ignore_errors": True, **task} for number, task in enumerate(tasks)]
    return yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, **more, "tasks": named}])


def results(played: Played) -> list[Json]:
    return played.must_pass().of(ASK)


def test_variables_of_any_kind_are_read(tmp_path: Path) -> None:
    """Texts that AWX writes, templates, what is omitted, extra variables, and an environment of the task."""
    variables = {"id": "senti", "deployment_id": "{{ id }}ment", "on_adaptive": "{{ omit }}", "wait_timeout": "5m"}
    answers = tmp_path / "answers"
    answers.write_text(extra_variables({"number_of_allocations": "3", "dry_run": "no"}, {"guard": "{max: 9}"}))
    tasks: list[Json] = [
        {ASK: SCALE},
        {ASK: SCALE, "check_mode": True, "environment": {GUARD: "{max: 7}"}},
        {ASK: SCALE, "environment": {GUARD: {"max": 6}}},
        {ASK: SCALE, "environment": {GUARD: "max"}},
        {ASK: SCALE, "vars": {"deployment_id": "{{ nowhere }}", "on_adaptive": "perhaps", "on_endpoint_owned": None}},
        {ASK: {**SCALE, "reserved": ["number_of_allocations"]}},
    ]
    args = ("--extra-vars", f"@{answers}")
    found = results(run_playbook(play(*tasks, vars=variables), *args, env={GUARD: "{max: 8}"}))
    first, of_task, dictionary, no_guard, wrong, reserved = found
    assert first["answers"] == {
        "deployment_id": "sentiment",
        "number_of_allocations": 3,
        "dry_run": "false",
        "on_adaptive": "fail",
        "on_endpoint_owned": "fail",
        "wait_timeout": 300,
    }
    assert (first["changed"], first["failure"], first["guard"]) == (False, None, {"max": 8})
    assert "The variable guard does not count" in first["replaced"][0]
    assert (of_task["guard"], dictionary["guard"]) == ({"max": 7}, {"max": 6})
    assert f"{GUARD} is no dictionary of limits" in no_guard["msg"]
    assert "deployment_id cannot be read: " in wrong["msg"]
    assert "on_adaptive must be fail, skip or override, not 'perhaps'." in wrong["msg"]
    assert "on_endpoint_owned" not in wrong["msg"]
    assert "The extra variable number_of_allocations would replace" in reserved["msg"]
    for failed in (no_guard, wrong, reserved):
        assert failed["failure"] == {"code": "invalid_answers"}
        assert set(failed["answers"].values()) == {None}


def test_a_project_has_a_survey_of_its_own(tmp_path: Path) -> None:
    """A file beside the playbook; a variable for a list; a password, which Ansible shows nowhere."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files/own_survey.json").write_text(json.dumps({"spec": [NAMES]}))
    (tmp_path / "files/word.json").write_text(json.dumps({"spec": [NAMES, WORD]}))
    (tmp_path / "files/text.json").write_text("no JSON")
    (tmp_path / "files/list.json").write_text("[]")
    tasks: list[Json] = [
        {ASK: {"survey": "own_survey.json", "lists": ["names"], "defaults": None, "times": "", "reserved": [None]}},
        {ASK: {"survey": str(tmp_path / "files/word.json"), "lists": ["names"]}},
        *({ASK: {"survey": name}} for name in ("text.json", "list.json", "other", "none.json")),
        {ASK: {"survey": "scale", "surveys": "x"}},
    ]
    book = tmp_path / "own.yml"
    book.write_text(play(*tasks))
    played = run_playbook(book, "-vvv", extra_vars={"names": "a, b\nc", "word": "hush-hush"})
    named, secret, text, no_list, other, none, unknown = results(played)
    assert named["answers"] == {"names": ["a", "b", "c"]}
    assert "answers" not in secret
    assert "hush-hush" not in played.output
    said = [each["msg"] for each in (text, no_list, other, none, unknown)]
    expected = ("is not JSON", "is not a survey", "no survey 'other'", "none.json", "Unsupported parameters: surveys")
    assert [part for part, message in zip(expected, said, strict=True) if part not in message] == []


def test_names_of_other_jobs_do_not_replace_results() -> None:
    lifted: Json = {"guard": None, "answers": {"deployment_id": "other"}}
    played = run_playbook(
        play({ASK: SCALE, "register": "__given"}), extra_vars={"__given": lifted, "deployment_id": "a"}
    )
    [refused] = results(played)
    assert "The extra variable __given would replace what the playbook works with." in refused["msg"]


def test_a_template_in_an_answer_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "answers"
    file.write_text(extra_variables({"deployment_id": "{{ 6 * 7 }}", "number_of_allocations": 1}))
    show = {"ansible.builtin.debug": {"msg": "{{ __given.answers.deployment_id }}"}}
    played = run_playbook(play({ASK: SCALE, "register": "__given"}, show), "--extra-vars", f"@{file}").must_pass()
    assert played.tasks[-1].result["msg"] == "{{ 6 * 7 }}"


@pytest.mark.parametrize("answer", ["007", "no", "1.10"])
def test_a_text_that_lost_its_type_is_refused(tmp_path: Path, answer: str) -> None:
    file = tmp_path / "answers"
    file.write_text(extra_variables({"deployment_id": answer, "number_of_allocations": 1}))
    [found] = results(run_playbook(play({ASK: SCALE}), "--extra-vars", f"@{file}"))
    if KEEPS_TEXT:
        assert found["answers"]["deployment_id"] == answer
    else:
        assert "not a text, so it may have been another id" in found["msg"]


def test_the_examples_run(tmp_path: Path) -> None:
    own = {"variable": "deployment_ids", "type": "textarea", "required": True}
    (tmp_path / "my_survey.json").write_text(json.dumps({"name": "", "description": "", "spec": [own]}))
    variables = {"deployment_id": "sentiment", "number_of_allocations": 2, "survey_folder": str(tmp_path)}
    with emulator() as cluster:
        cluster.api("POST", "/_ml/trained_models/sentiment/deployment/_start?wait_for=started")
        env = {"ELASTICSEARCH_URL": cluster.url, GUARD: "{max: 8}"}
        text = yaml.safe_dump(block("survey_answers", "EXAMPLES"))
        played = run_playbook(text, env=env, extra_vars={**variables, "deployment_ids": "a, b"}).must_pass()
    assert played.result("Scale")["after"]["number_of_allocations"] == 2
    assert played.result("Show what was asked for")["msg"] == ["a", "b"]
