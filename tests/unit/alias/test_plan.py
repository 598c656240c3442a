# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test plans of aliases: each rule, in the order of Elasticsearch, and what cannot be read."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.plan import decide
from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.records import (
    Alias,
    DeploymentStatus,
    Desired,
    Situation,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.model import Model

SERVER = Server("9.5.3", "default", "c")
OLD = Model("old", "pytorch", task="ner", field_names=frozenset(("a", "b")))
NEW = dataclasses.replace(OLD, model_id="new")
MOVE = Desired("a", "new", True, "present")
MOVABLE = Situation(Alias("a", "old"), {"old": OLD, "new": NEW}, {"a": "old"})
OLD_RUNS = {"old": DeploymentStatus("old", True)}
BOTH_RUN = {**OLD_RUNS, "new": DeploymentStatus("new", True)}


def refusal(desired: Desired, current: Situation) -> Refusal:
    with pytest.raises(Refusal) as caught:
        decide(desired, current, SERVER)
    return caught.value


def change(**more: t.Any) -> Situation:
    return dataclasses.replace(MOVABLE, **more)


def new(**more: t.Any) -> dict[str, Model]:
    return {"old": OLD, "new": dataclasses.replace(NEW, **more)}


RULES: list[tuple[Desired, Situation, str, str]] = [
    (
        MOVE,
        change(upgrade_mode=True),
        "upgrade_mode",
        "'a' cannot be changed now: the upgrade mode of",
    ),
    (
        dataclasses.replace(MOVE, reassign=False),
        MOVABLE,
        "alias_refers_elsewhere",
        "Model alias 'a' refers to model 'old', and the task would move it to 'new'. Set reassign to true to move it.",
    ),
    (
        dataclasses.replace(MOVE, model_alias="old"),
        change(refers_to=None),
        "alias_names_model",
        "'old' is the id of a trained model, and no alias can have it. Choose another model_alias.",
    ),
    (
        dataclasses.replace(MOVE, model_id="missing"),
        MOVABLE,
        "model_missing",
        "Cannot set model alias 'a': the cluster has no trained model 'missing'. Check model_id, or create the model "
        "first. The models are 'new', 'old'.",
    ),
    (MOVE, change(licensed=False), "missing_licence", "'a' cannot be changed now: the licence of the cluster"),
    (
        MOVE,
        change(models=new(task="fill_mask")),
        "model_kind_differs",
        "Model alias 'a' cannot move from model 'old' to 'new': its inference task is fill_mask, and that",
    ),
    (MOVE, change(models=new(model_type="x")), "model_kind_differs", "its type is x, and that of 'old' is pytorch."),
    (
        MOVE,
        change(deployments=OLD_RUNS),
        "model_not_deployed",
        "it is not deployed, and 'old' is. Start a deployment of 'new' first.",
    ),
    (
        MOVE,
        change(deployments={**BOTH_RUN, **{name: DeploymentStatus("new", False) for name in ("d", "e")}}),
        "model_not_allocated",
        "no node runs its deployments 'd' and 'e' yet, and 'old' is running.",
    ),
]


@pytest.mark.parametrize(("desired", "current", "code", "message"), RULES, ids=lambda value: str(value)[:20])
def test_each_rule(desired: Desired, current: Situation, code: str, message: str) -> None:
    found = refusal(desired, current)
    assert (found.code, message in str(found)) == (code, True), str(found)


def test_of_two_rules_the_first_of_elasticsearch_is_named() -> None:
    of_situations = [(current, code) for desired, current, code, _message in RULES if desired == MOVE]
    for (first, code), (second, _code) in itertools.combinations(of_situations, 2):
        changed = {
            field.name: getattr(first, field.name)
            for field in dataclasses.fields(first)
            if getattr(first, field.name) != getattr(MOVABLE, field.name)
        }
        assert refusal(MOVE, dataclasses.replace(second, **changed)).code == code


def test_an_alias_of_another_model_is_no_model() -> None:
    current = change(aliases={"a": "old", "other": "new"})
    found = refusal(dataclasses.replace(MOVE, model_id="other"), current)
    assert str(found).endswith("That is an alias of model 'new': name the model itself.")


@pytest.mark.parametrize(
    "current",
    [
        MOVABLE,
        change(deployments=BOTH_RUN),
        change(deployments={"old": DeploymentStatus("old", False), "new": DeploymentStatus("new", False)}),
        change(deployments={"new": DeploymentStatus("new", False)}),
        change(models={"old": dataclasses.replace(OLD, task=None), "new": NEW}),
        change(models={"new": dataclasses.replace(NEW, model_type="x")}),
        change(licensed=False, models=new(license_level="basic")),
        change(models={name: dataclasses.replace(OLD, model_id=name, model_type="x") for name in ("old", "new")}),
    ],
)
def test_what_elasticsearch_moves(current: Situation) -> None:
    plan = decide(MOVE, current, SERVER)
    assert (plan.operation, plan.before, plan.after) == ("reassign", Alias("a", "old"), Alias("a", "new"))
    assert [step.kind for step in plan.steps] == ["set"]
    assert plan.warnings == ()


@pytest.mark.parametrize(
    ("fields", "warns"), [(("a", "b"), False), (("a", "c"), False), (("c", "d"), True), (("c",), True), ((), True)]
)
def test_other_input_fields_are_a_warning(fields: tuple[str, ...], warns: bool) -> None:
    plan = decide(MOVE, change(models=new(field_names=frozenset(fields))), SERVER)
    expected = ["The input fields of models 'old' and 'new' differ: documents may give other results."]
    assert list(plan.warnings) == (expected if warns else [])


def test_a_licence_that_cannot_be_read_is_said() -> None:
    [warning] = decide(MOVE, change(licensed=None), SERVER).warnings
    assert warning.startswith(
        "Whether the licence allows model alias 'a' is left to Elasticsearch: the user may not read"
    )


DELETE = Desired("a", None, False, "absent")


@pytest.mark.parametrize(
    ("desired", "current", "code", "message"),
    [
        (
            dataclasses.replace(DELETE, model_id="new"),
            MOVABLE,
            "alias_refers_elsewhere",
            "Model alias 'a' refers to model 'old', and not to 'new'. Leave model_id out to delete the alias",
        ),
        (
            DELETE,
            change(pipelines=("p", "q"), in_the_way=("p",)),
            "alias_in_use",
            "Model alias 'a' is used by ingest pipeline 'p', and Elasticsearch deletes no alias that one uses.",
        ),
        (DELETE, change(in_the_way=("p", "q")), "alias_in_use", "is used by ingest pipelines 'p' and 'q', and"),
        (DELETE, change(upgrade_mode=True), "upgrade_mode", "'a' cannot be changed now: the upgrade mode"),
    ],
)
def test_deletes_that_are_refused(desired: Desired, current: Situation, code: str, message: str) -> None:
    found = refusal(desired, current)
    assert (found.code, message in str(found)) == (code, True), str(found)


def test_deletes() -> None:
    for desired in (DELETE, dataclasses.replace(DELETE, model_id="old")):
        plan = decide(desired, MOVABLE, SERVER)
        assert (plan.operation, plan.after, [step.kind for step in plan.steps]) == ("delete", None, ["delete"])
    assert not decide(DELETE, change(refers_to=None), SERVER).changed
    [warning] = decide(DELETE, change(pipelines=None), SERVER).warnings
    assert warning.startswith("Whether ingest pipelines use model alias 'a' is left to Elasticsearch:")
    [warning] = decide(DELETE, change(pipelines=("p",)), SERVER).warnings
    assert warning.startswith("Model alias 'a' is used by ingest pipeline 'p', in places where Elasticsearch does not")


def test_an_alias_that_is_there_is_left_alone_whatever_else_is_wrong() -> None:
    current = change(refers_to=Alias("a", "new"), models={}, upgrade_mode=True, licensed=False)
    assert not decide(MOVE, current, SERVER).changed
