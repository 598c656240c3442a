# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the limits of a job, and by which names others could lift them."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.limits import (
    Limits,
    limits,
    misspelt,
    replacing,
)

NONE = Limits({}, {}, ())
EIGHT = {"max": 8, "max_step": 2}
EMPTY = [None, "", "  "]


@pytest.mark.parametrize(
    "given", [EIGHT, "{max: 8, max_step: 2}", json.dumps(EIGHT), "max: '8'\nmax_step: 2\n"], ids=str
)
@pytest.mark.parametrize("empty", EMPTY)
def test_a_guard_is_a_dictionary_or_its_text(given: t.Any, empty: t.Any) -> None:
    assert limits(given, empty) == Limits(EIGHT, {}, ())
    assert limits(empty, given) == Limits(EIGHT, {}, ())


@pytest.mark.parametrize("given", [*EMPTY, "{}", {}, "{max: null}", "on_violation: skip"], ids=str)
def test_what_limits_nothing(given: t.Any) -> None:
    assert limits(given, None) == NONE
    assert limits(None, given) == NONE


@pytest.mark.parametrize("other", [{"max": 999}, "{max: 999}", "no guard at all", 7], ids=str)
def test_the_environment_wins(other: t.Any) -> None:
    found = limits("{max: 8}", other)
    assert found.guard == {"max": 8}
    assert found.replaced == (
        "The variable guard does not count: the credential sets the limits (ELASTICSEARCH_ML_GUARD).",
    )


def test_a_list_has_limits_of_its_own() -> None:
    found = limits("{max: 8, max_total_step: 4, on_violation: skip}", None)
    assert found.guard == {"max": 8, "on_violation": "skip"}
    assert found.guard_of_list == {"max_total_step": 4, "on_violation": "skip"}
    assert limits("max_total_step: 4", None) == Limits({}, {"max_total_step": 4}, ())


WRONG = [
    ("8", "{name} is no dictionary of limits. Write it like"),
    ("{max: 8", "{name} is no dictionary of limits. Write it like"),
    ("[max]", "{name} is no dictionary of limits"),
    ("{max: 8, maximum: 9, 7: 1}", "{name} has 7, maximum. It takes number_of_allocations, min, max, max_step, "),
    ("{max: many}", "{name}.max takes a whole number, not 'many'."),
    ("{max: true}", "{name}.max takes a whole number, not true."),
    ("{max: -1}", "{name}.max must be 0 or more, not -1."),
    ("{max_total_step: -1}", "{name}.max_total_step must be 0 or more, not -1."),
    ("{min: 9, max: 8}", "{name}.min 9 is above {name}.max 8."),
    ("{max: 8, on_violation: ignore}", "{name}.on_violation must be fail or skip."),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_a_guard_that_cannot_be_read_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Refusal) as of_environment:
        limits(text, None)
    assert str(of_environment.value).startswith(sentence.replace("{name}", "ELASTICSEARCH_ML_GUARD"))
    with pytest.raises(Refusal) as of_variable:
        limits(None, text)
    assert str(of_variable.value).startswith(sentence.replace("{name}", "guard"))


@pytest.mark.parametrize("value", [7, True, [1]])
def test_a_guard_of_another_type_is_refused(value: t.Any) -> None:
    with pytest.raises(Refusal, match="guard is no dictionary of limits"):
        limits(None, value)


def test_names_that_would_replace_what_a_playbook_works_with() -> None:
    assert replacing({"deployment_id": 1, "_own": 1, "guard": 1}, ["model_rollout"]) == ()
    [one] = replacing(["__scale_given", "deployment_id"], [])
    assert one.startswith("The extra variable __scale_given would replace what the playbook works with. ")
    more = ["model_rollout", "__x", "model_rollout_state", "model_rollouts"]
    [several] = replacing(more, ["model_rollout"])
    assert several.startswith("The extra variables __x, model_rollout, model_rollout_state would replace")


def test_a_variable_that_is_nearly_asked_for() -> None:
    asked = ["except_ids", "deployment_ids", "mode", "guard"]
    extra = {"except": "a", "deployment_id": "b", "awx_job_id": 1, "scale_result": {}, "mode": "none", "gaurd": {}}
    said = misspelt(extra, asked, ["mode"])
    assert [sentence.split()[2] for sentence in said] == ["deployment_id", "except", "gaurd"]
    assert said[1] == "The variable except does not count. The playbook asks for except_ids: is that meant?"
    # What was given is not missing.
    assert misspelt(extra, asked, asked) == ()
