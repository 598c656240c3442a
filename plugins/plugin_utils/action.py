# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Base of the action plugins: the code of the module, run inside the controller where that gives the same result."""

from __future__ import annotations

import abc
import datetime
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import AnsibleValidationErrorMultiple, UnsupportedError
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Failure, Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.transport import preload
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment import (
    NAMES,
    insecure_variable,
    with_environment,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.given import checked as checked_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.secrets import secrets
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.spec import Spec
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.cluster import ClusterConnection, Connect
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.internal_error import InternalError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.masking import (
    mask_secrets,
    mask_text,
    register,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.progress import (
    ProgressCallback,
    no_progress,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.result import Outcome, failure
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.warning import WarningText, visible
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.arguments import with_module_defaults
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.connection_cache import cached
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.run_scope import first_in_run

# Workers are forked from the process that loads this file: they all find the library imported.
HAS_CLIENT = preload()

Json = dict[str, t.Any]
display = Display()


class MlAction(ActionBase):
    """``SPEC`` and ``run_task`` are those of the module with the same name, ``CLUSTER`` is what it connects to."""

    SPEC: Spec
    CLUSTER: type[ClusterConnection]

    @staticmethod
    @abc.abstractmethod
    def run_task(params: t.Mapping[str, t.Any], check_mode: bool, *, connect: Connect[t.Any] = ...) -> Outcome:
        """Do what the module does with validated *params*."""

    @staticmethod
    @abc.abstractmethod
    def empty_result() -> Json:
        """Return the result of a task that has read nothing."""

    @staticmethod
    def item_label(option: str, index: int, item: Json) -> str:
        """Return what a message calls an item of a list, by its place from 0."""
        return f"{option}[{index}]"

    @staticmethod
    def wrong_values(given: t.Sequence[t.Any], valid: t.Mapping[int, Json]) -> t.Iterable[str]:
        """Return what is wrong with the items *given* together, and with values of those that are *valid*, by place."""
        return ()

    def run(self, tmp: str | None = None, task_vars: Json | None = None) -> Json:
        self._supports_async = True
        self._supports_check_mode = True
        result: Json = super().run(tmp, task_vars)
        try:
            return {**result, **self.for_caller(self._finished(task_vars or {}), self._task, task_vars or {})}
        except AnsibleError:  # Ansible's own: a host that is not reached, a module that is not found
            raise
        except Exception as exc:
            return {**result, **self.empty_result(), **failure(InternalError(exc))}

    def _finished(self, task_vars: Json) -> Json:
        given: Json = dict(self._task.args)
        try:
            given = with_module_defaults(self._task, self._templar, self.SPEC)
            given = {name: untagged(value, name, dates=True) for name, value in given.items()}
            given = checked_options(self.SPEC, given, self.item_label, self._wrong_items)
            environment = self._environment()
            arguments = {**with_environment(given, environment), **self.more_arguments(given, task_vars)}
        except Refusal as exc:
            return self._refused(exc, given)
        register(secrets(arguments))
        checked = self._validator().validate(arguments)
        if checked.error_messages:
            return self._refused(Failure("invalid_arguments", self._message(checked.errors, arguments)), arguments)
        params = dict(checked.validated_parameters)
        try:
            self.refuse(params, task_vars)
        except Refusal as exc:
            return self._refused(exc, arguments)
        if self._in_process():
            outcome = self._run_here(params, secrets(arguments) | secrets(params), task_vars)
        else:
            outcome = self._run_module(arguments, task_vars)
        result = self.finished(params, outcome, task_vars)
        return self.with_warnings(result, *self._insecure(insecure_variable(given, arguments, environment)))

    @staticmethod
    def for_caller(result: Json, task: Task, task_vars: Json) -> Json:
        """Return *result* with messages that name what the role or the playbook of the *task* offers."""
        return result

    def with_warnings(self, result: Json, *warnings: WarningText) -> Json:
        """Return *result* with *warnings* added to those that it has.

        Ansible drops the warnings of an async task when it polls: they are shown at once.
        """
        if self._task.async_val:
            for text in visible(warnings, self._task.no_log):
                display.warning(text)
            return result
        known = result.get("warnings") or []
        new = [text for text in visible(warnings, self._task.no_log) if text not in known]
        return {**result, "warnings": [*known, *new]} if new else result

    def _insecure(self, variable: str) -> tuple[WarningText, ...]:
        """Return the warning that *variable* turns off the check of certificates; once in a run."""
        what = f"{variable}-{bool(self._task.no_log)}"
        if not variable or not first_in_run(str(self._task._uuid), what):
            return ()
        return (WarningText(f"The variable {variable} turns off the check of certificates."),)

    def _validator(self) -> ArgumentSpecValidator:
        """Return the validator of the options. It would register their secrets with ansible-core, short ones too."""
        kwargs = self.SPEC.to_kwargs()
        options = {name: {**option, "no_log": False} for name, option in kwargs["argument_spec"].items()}
        return ArgumentSpecValidator(**{**kwargs, "argument_spec": options})

    def more_arguments(self, given: Json, task_vars: Json) -> Json:
        """Return arguments that only the controller knows, beside those that are *given*."""
        return {}

    def refuse(self, params: Json, task_vars: Json) -> None:
        """Refuse, before anything else is done, a task that only the controller knows to be wrong.

        :raises Refusal: it is.
        """

    def finished(self, params: Json, outcome: Json, task_vars: Json) -> Json:
        """Return the result of a task from what its code returned; a plugin may add what only the controller knows."""
        return outcome

    def _refused(self, error: Failure, arguments: Json) -> Json:
        return mask_secrets(Outcome({**self.empty_result(), **failure(error)}), secrets(arguments)).result

    def _message(self, errors: AnsibleValidationErrorMultiple, arguments: Json) -> str:
        """Return what AnsibleModule would say; for items of a list also which one."""
        of_items = " ".join(self._wrong_items(arguments))
        if of_items or not isinstance(errors[0], UnsupportedError):
            return of_items or str(errors.msg)
        return f"Unsupported parameters for ({self._task.action}) module: {errors.msg}"

    def _wrong_items(self, arguments: Json, known: t.Sequence[str] = ()) -> t.Iterator[str]:
        """Yield the mistakes in items of lists, but for items about which *known* mistakes are."""
        lists = {name: option for name, option in self.SPEC.argument_spec.items() if option.get("elements") == "dict"}
        for name, option in lists.items():
            rules = {rule: option[rule] for rule in ("mutually_exclusive", "required_one_of") if rule in option}
            checker = ArgumentSpecValidator(option["options"], **rules)
            items = arguments.get(name)
            items = items if isinstance(items, list) else []
            valid: dict[int, Json] = {}
            for index, item in enumerate(items):
                if not isinstance(item, dict) or any(text.startswith(f"{name}[{index}]") for text in known):
                    continue
                checked = checker.validate(item)
                if checked.error_messages:
                    kind = "Unsupported parameters: " if isinstance(checked.errors[0], UnsupportedError) else ""
                    yield f"{self.item_label(name, index, item)}: {kind}{str(checked.errors.msg).rstrip('.')}."
                else:
                    valid[index] = checked.validated_parameters
            yield from self.wrong_values(items, valid)

    def _in_process(self) -> bool:
        """Return whether the code can run here: become, async, another machine and another Python need the module."""
        plain_local = self._connection.transport == "local" and not self._connection.become
        return bool(HAS_CLIENT and plain_local and not self._task.async_val)

    def _run_here(self, params: Json, masked: t.Collection[str], task_vars: Json) -> Json:
        outcome = self._outcome(params, masked, task_vars)
        # Ansible masks secrets in results of modules only, and from 2.22 on only where it prints them.
        outcome = mask_secrets(outcome, masked, {params.get("fact_name") or ""})
        return self.with_warnings(outcome.result, *outcome.warnings)

    def _outcome(self, params: Json, masked: t.Collection[str], task_vars: Json) -> Outcome:
        """Run the code of the module. *masked*: texts that must not be shown."""
        return self.run_task(params, self._task.check_mode, connect=cached(self.CLUSTER))

    def show_progress(self, masked: t.Collection[str], task_vars: Json) -> ProgressCallback:
        """Return what shows the progress of a wait at ``-v``, without the texts *masked*."""

        def show(line: str) -> None:
            display.v(mask_text(line, masked), host=task_vars.get("inventory_hostname"))

        return no_progress if self._task.no_log else show

    def _run_module(self, arguments: Json, task_vars: Json) -> Json:
        if self._task.async_val and "fact_name" in self.SPEC.argument_spec:
            # The result of an async job does not pass here, where its facts would join those of other tasks.
            arguments = {**arguments, "fact_name": ""}
        return t.cast(
            Json,
            self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=bool(self._task.async_val)),
        )

    def _compute_environment_string(self, raw_environment_out: Json | None = None) -> str:
        """Return the task's variables for a module, without those passed as options: Ansible shows them at -vvv."""
        others = {name: value for name, value in self._task_variables().items() if name not in NAMES}
        if raw_environment_out is not None:
            raw_environment_out.clear()
            raw_environment_out.update(others)
        return str(self._connection._shell.env_prefix(**others))

    def _environment(self) -> dict[str, str]:
        """Return the variables that a module on this machine would see: the task's own over the controller's.

        A variable without a value is empty, and so counts as not set.
        """
        given = {name: untagged(value, f"environment {name}") for name, value in self._task_variables().items()}
        return {**os.environ, **{name: "" if value is None else str(value) for name, value in given.items()}}

    def _task_variables(self) -> Json:
        """Return the variables that the keyword environment gives this task."""
        given: Json = {}
        super()._compute_environment_string(given)  # type: ignore[no-untyped-call]
        return given


def untagged(value: t.Any, option: str, *, dates: bool = False) -> t.Any:
    """Return *value* made of exact ``str``, ``int``, ``list`` and so on, without the tags that templating leaves.

    A date becomes the text that YAML took for one, as Ansible passes it to modules, unless *dates* may stay. *option*:
    the option.

    :raises Refusal: for a type that JSON does not have.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, dict):
        return {untagged(name, option): untagged(item, f"{option}.{name}", dates=dates) for name, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [untagged(item, option, dates=dates) for item in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value if dates else value.isoformat()
    if type(value).__name__ in ("AnsibleVaultEncryptedUnicode", "EncryptedString"):
        return str(value)
    raise Refusal("invalid_value", f"{option} has a value that JSON does not have", hint="Put it into quotes.")
