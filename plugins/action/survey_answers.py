# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the variables of a play against the survey of its job template."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.given import is_given
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import untagged
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.answers import Answers, Form, answers
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.limits import (
    ENVIRONMENT,
    VARIABLE,
    Limits,
    limits,
    misspelt,
    replacing,
)
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.questions import Question, questions

Json = dict[str, t.Any]
SURVEYS = Path(__file__).resolve().parent.parent.parent / "playbooks/files"


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: Json | None = None) -> Json:
        self._supports_check_mode = True
        result: Json = super().run(tmp, task_vars)
        options = self._options()
        try:
            asked = questions(*self._survey(options["survey"]))
            form = Form(untagged(options["defaults"], "defaults"), options["lists"], options["times"])
        except Refusal as exc:
            raise AnsibleError(str(exc)) from None
        return {**result, **self._checked(asked, form, options["reserved"], task_vars or {})}

    def _options(self) -> Json:
        """Return the options of the task. Null and empty text count as not given."""
        checked = ArgumentSpecValidator(SPEC.argument_spec).validate(
            {name: value for name, value in self._task.args.items() if is_given(value)}
        )
        if checked.error_messages:
            kind = "Unsupported parameters: " if isinstance(checked.errors[0], UnsupportedError) else ""
            raise AnsibleError(f"{kind}{checked.errors.msg}")
        return dict(checked.validated_parameters)

    def _checked(self, asked: t.Sequence[Question], form: Form, reserved: t.Collection[str], task_vars: Json) -> Json:
        names = [*(question.variable for question in asked), VARIABLE]
        given, unreadable = self._given(names, task_vars)
        found = answers([question for question in asked if question.variable not in unreadable], given, form)
        bounds, wrong_bounds = self._limits(given)
        extra = load_extra_vars(self._loader)
        unlike = misspelt(extra, names, [name for name in names if name in unreadable or is_given(given[name])])
        wrong = [*replacing(extra, reserved), *unreadable.values(), *found.wrong, *wrong_bounds]
        return _result(
            asked, found, bounds._replace(replaced=(*bounds.replaced, *unlike)), [*wrong, *unlike] if wrong else []
        )

    def _survey(self, name: str) -> tuple[t.Any, str]:
        """Return the survey and its path. *name*: that of a playbook of this collection, or a path."""
        own = not name.endswith(".json")
        needle = name if own else self._find_needle("files", name)  # type: ignore[no-untyped-call]
        path = SURVEYS / f"{name}_survey.json" if own else Path(needle)
        try:
            return json.loads(path.read_text(encoding="utf-8")), str(path)
        except OSError:
            raise AnsibleError(f"The collection has no survey '{name}'. A file of yours ends with .json.") from None
        except ValueError:
            raise AnsibleError(f"The survey {path} is not JSON.") from None

    def _given(self, names: t.Iterable[str], task_vars: Json) -> tuple[Json, dict[str, str]]:
        """Return the values of variables, and a sentence for each one that has none."""
        found: Json = {}
        wrong: dict[str, str] = {}
        for name in names:
            try:
                # As a dictionary: from ansible-core 2.19 on, only there may a template result in omit.
                value = self._templar.template({name: task_vars.get(name)}).get(name)
                found[name] = untagged(value, name, dates=True)
            except (AnsibleError, Refusal) as exc:
                wrong[name] = f"{name} cannot be read: {exc}"
        return found, wrong

    def _limits(self, given: Json) -> tuple[Limits, tuple[str, ...]]:
        own: Json = {}
        self._compute_environment_string(own)  # type: ignore[no-untyped-call]
        try:
            return limits(own.get(ENVIRONMENT, os.environ.get(ENVIRONMENT)), given.get(VARIABLE)), ()
        except Refusal as exc:
            return Limits({}, {}, ()), (str(exc),)


def _result(asked: t.Iterable[Question], found: Answers, bounds: Limits, wrong: t.Sequence[str]) -> Json:
    given: Json = {question.variable: found.found.get(question.variable) for question in asked}
    result: Json = {
        "changed": False,
        "answers": given,
        "guard": bounds.guard,
        "guard_of_list": bounds.guard_of_list,
        "replaced": list(bounds.replaced),
        "failure": None,
    }
    # Others may see the result of a task, not only its messages.
    if any(question.kind == "password" and given[question.variable] is not None for question in asked):
        result["_ansible_no_log"] = not wrong
    if wrong:
        empty = dict.fromkeys(given)
        result |= {"failed": True, "msg": " ".join(wrong), "answers": empty, "failure": {"code": "invalid_answers"}}
    return result
