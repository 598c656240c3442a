# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that each playbook has the form that makes it safe in AWX: a survey, checked variables, a single artifact."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.answers import Form, answers
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.questions import KINDS, questions
from checks.collection import ROOT, read_yaml
from support.documents import rows

Json = dict[str, t.Any]
ASK = "mlops.elasticsearch.survey_answers"
INCLUDE = "ansible.builtin.include_role"
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
READS = {"capacity", "report"}
"""Playbooks that change nothing."""
KEYS = ["question_name", "question_description", "variable", "type", "required", "min", "max", "default", "choices"]
NOT_ASKED = {"guard", "fit"}
"""Variables that are not for a survey: a limit is the owner's, and a list of dictionaries no answer."""


def survey(path: Path) -> Json:
    found: Json = json.loads((path.parent / "files" / f"{path.stem}_survey.json").read_text())
    return found


def tasks(nodes: t.Sequence[Json]) -> Iterator[Json]:
    """Yield each task and each block, also those within blocks."""
    for node in nodes:
        yield node
        for part in ("block", "rescue", "always"):
            yield from tasks(node.get(part, ()))


def play(path: Path) -> Json:
    [only] = read_yaml(str(path.relative_to(ROOT)))
    return t.cast(Json, only)


def asking(path: Path) -> Json:
    [asks] = [task for task in tasks(play(path)["tasks"]) if ASK in task]
    return t.cast(Json, asks[ASK])


def head(path: Path) -> dict[str, str]:
    """Return what the comment at the head says of each variable."""
    text = path.read_text().partition("\n---\n")[0]
    return dict(re.findall(r"^#   (\w+)  +(\S.*)$", text, re.MULTILINE))


def stem(path: Path) -> str:
    return path.stem


def test_there_are_playbooks() -> None:
    assert PLAYBOOKS
    assert {f"{path.stem}_survey" for path in PLAYBOOKS} == {
        path.stem for path in (ROOT / "playbooks/files").glob("*.json")
    }


@pytest.mark.parametrize("path", PLAYBOOKS, ids=stem)
def test_the_survey_is_one_that_awx_stores_without_a_change(path: Path) -> None:
    found = survey(path)
    assert list(found) == ["name", "description", "spec"]
    assert found["description"] == f"The variables of the playbook mlops.elasticsearch.{path.stem}"
    for question in found["spec"]:
        assert list(question) == [*KEYS, "new_question"]
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", question["variable"])
        assert question["type"] in KINDS
        assert type(question["required"]) is bool
        assert question["question_name"]
        assert question["question_description"].endswith(".")
        chosen = question["type"].startswith("multi")
        assert isinstance(question["choices"], list) if chosen else question["choices"] == ""
        assert all(isinstance(choice, str) for choice in question["choices"])
        for bound in (question["min"], question["max"]):
            assert bound is None or (type(bound) is int and not chosen)
    names = [question["variable"] for question in found["spec"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", PLAYBOOKS, ids=stem)
def test_no_default_breaks_the_rules_of_its_question(path: Path) -> None:
    """AWX drops such a default without a word. A required text needs a minimum: AWX takes an empty one otherwise."""
    for question in survey(path)["spec"]:
        optional = {**question, "required": False}
        [asked] = questions({"spec": [optional]}, path.name)
        empty = question["default"] == ""
        assert answers([asked], {}, Form()).found == {asked.variable: None if empty else question["default"]}
        if question["required"] and question["type"] in ("text", "textarea", "password"):
            assert question["min"] >= 1


@pytest.mark.parametrize("path", PLAYBOOKS, ids=stem)
def test_the_head_names_each_variable(path: Path) -> None:
    asked = {question["variable"] for question in survey(path)["spec"]}
    described = head(path)
    assert asked <= described.keys() <= asked | NOT_ASKED
    assert f"{path.stem}_result" in path.read_text().partition("\n---\n")[0]
    for question in survey(path)["spec"]:
        if not question["required"] and question["default"] not in ("", "true", "false"):
            assert str(question["default"]) in described[question["variable"]], "say its default"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=stem)
def test_the_variables_are_checked_against_the_survey(path: Path) -> None:
    asked = {question["variable"]: question for question in survey(path)["spec"]}
    asks = asking(path)
    assert asks["survey"] == path.stem
    assert {*asks.get("lists", ()), *asks.get("times", ()), *asks.get("defaults", {})} <= asked.keys()
    form = Form(asks.get("defaults", {}), asks.get("lists", ()), asks.get("times", ()))
    given = {name: asked[name] for name in form.defaults}
    found = answers(questions({"spec": [*given.values()]}, path.name), {}, form)
    assert found.wrong == ()
    assert {"dry_run"} & asked.keys() == (set() if path.stem in READS else {"dry_run"})
    if path.stem not in READS:
        assert asked["dry_run"]["choices"] == ["true", "false"]
        assert found.found["dry_run"] == "false"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=stem)
def test_no_artifact_replaces_what_the_playbook_sets(path: Path) -> None:
    """Names that begin with two underscores, or with a reserved one, are refused by survey_answers.

    Those of Ansible itself count wherever they come from, as the guide says.
    """
    its = play(path)
    reserved = asking(path).get("reserved", ())
    for node in [its, *tasks(its["tasks"]), *of_role(path)]:
        own = {
            *node.get("vars", {}),
            *filter(None, (node.get("register"), node.get("loop_control", {}).get("loop_var"))),
        }
        own |= set(node.get("ansible.builtin.set_fact", {})) - {"cacheable"}
        begins = ("__", "ansible_", *(f"{name}_" for name in reserved))
        assert [name for name in own if not name.startswith(begins) and name not in reserved] == []


def of_role(path: Path) -> Iterator[Json]:
    """Yield the tasks of the role that the playbook includes, if it does."""
    names = [task[INCLUDE]["name"] for task in tasks(play(path)["tasks"]) if INCLUDE in task]
    for name in names:
        for file in sorted((ROOT / "roles" / name.rpartition(".")[2] / "tasks").glob("*.yml")):
            yield from tasks(read_yaml(str(file.relative_to(ROOT))))


@pytest.mark.parametrize("path", PLAYBOOKS, ids=stem)
def test_a_job_hands_on_a_single_variable_also_if_it_fails(path: Path) -> None:
    its = play(path)
    assert (its["hosts"], its["connection"], its["gather_facts"]) == ("localhost", "local", False)
    always = [task for block in tasks(its["tasks"]) for task in block.get("always", ())]
    [stats] = [task["ansible.builtin.set_stats"] for task in tasks(always) if "ansible.builtin.set_stats" in task]
    assert list(stats["data"]) == [f"{path.stem}_result"]
    assert stats["aggregate"] is False
    assert not stats.get("per_host")
    assert sum("set_stats" in str([*task]) for task in tasks(its["tasks"])) == 1


@pytest.mark.parametrize("path", PLAYBOOKS, ids=stem)
def test_messages_advise_what_the_survey_asks_for(path: Path) -> None:
    offered = play(path).get("vars", {}).get("__offered_options", ())
    assert set(offered) <= {question["variable"] for question in survey(path)["spec"]} | NOT_ASKED


@pytest.mark.parametrize("path", PLAYBOOKS, ids=stem)
def test_the_guide_and_the_readme_name_each_playbook(path: Path) -> None:
    assert f"| playbook `{path.stem}` |" in (ROOT / "README.md").read_text()
    assert [cells for cells in rows("playbooks") if cells[0] == f"``{path.stem}``"]
