# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the last line of defence: an unexpected exception fails with all keys of a result, and shows no secret."""

from __future__ import annotations

import sys
import types
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.action.trained_model_deployment import ActionModule
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.internal_error import InternalError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import Run, run_module
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.result import Outcome
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.warning import HIDDEN, WarningText
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run as deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run_fleet as deployments
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run_info as info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.cluster import Cluster
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
SECRET = "canary-4711"
SAID = WarningText("Deployment 'd' has 0 allocations, and is started with 1.")
FAILURE = {"code": "internal_error"}


class Broken:
    """A record that cannot be read, and says what it holds."""

    def __getattr__(self, name: str) -> t.Any:
        raise ValueError(f"invalid literal for int() with base 10: '{SECRET}'")


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        made.unsound = True
        yield made


TASKS: dict[str, t.Callable[[Emulator], Json]] = {
    "deployment": lambda emulator: emulator.run(model_id="m"),
    "deployments": lambda emulator: emulator.run_many([{"model_id": "m"}]),
    "info": lambda emulator: emulator.info(),
    "capacity": lambda emulator: emulator.capacity(),
}


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_fails_with_all_its_keys(task: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    good = TASKS[task](emulator)
    monkeypatch.setattr(Cluster, "read", lambda *_a, **_k: Broken())
    monkeypatch.setattr(Broken, "__iter__", lambda self: self.rows, raising=False)
    result = TASKS[task](emulator)
    assert result["failed"]
    assert result.keys() - {"failed", "msg"} == good.keys() - {"ansible_facts"}
    assert result["failure"] == FAILURE
    assert ": ValueError in module_utils/_" in result["msg"]
    assert SECRET not in str(result)


def test_what_was_written_before_is_reported(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([Cluster.read])

    def look(self: Cluster, *args: t.Any, **options: t.Any) -> t.Any:
        found = next(looks, None)
        return found(self, *args, **options) if found else Broken().rows

    monkeypatch.setattr(Cluster, "read", look)
    result = emulator.run(model_id="m")
    assert (result["failed"], result["changed"], result["operation"]) == (True, True, "start")
    assert result["failure"] == FAILURE
    assert len(result["api_calls"]) == 1


def test_an_exception_without_a_place() -> None:
    message = str(InternalError(ValueError(SECRET)))
    assert message.startswith("This is a bug in mlops.elasticsearch: ValueError in . Please report this message with")
    assert SECRET not in str(InternalError(ValueError(SECRET)))


class Exited(Exception):
    pass


class FakeModule:
    """As much of an AnsibleModule as the way out of one takes."""

    def __init__(self, **params: t.Any) -> None:
        self.params = params
        self.check_mode = False
        self.no_log = False
        self.no_log_values: set[str] = set()
        self.result: Json = {}
        self.warnings: list[str] = []
        self.handled: t.Any = None
        self.warn = self.warnings.append

    def exit_json(self, **result: t.Any) -> t.NoReturn:
        self.handled, self.result = sys.exc_info()[1], result
        raise Exited

    fail_json = exit_json


def exited(module: FakeModule, run: Run) -> Json:
    with pytest.raises(Exited):
        run_module(t.cast("t.Any", module), run, deployment.empty_result)
    assert module.handled is None  # or Ansible would show its traceback
    return module.result


def test_a_module_fails_with_all_its_keys() -> None:
    def run(params: t.Any, check_mode: bool) -> Outcome:
        raise KeyError(SECRET)

    result = exited(FakeModule(api_key=SECRET), run)
    assert result.keys() - {"failed", "msg"} == deployment.empty_result().keys()
    assert result["failure"] == FAILURE
    assert ": KeyError in " in result["msg"]
    assert SECRET not in str(result)


def test_a_module_masks_keys_and_values() -> None:
    def run(params: t.Any, check_mode: bool) -> Outcome:
        return Outcome({"changed": True, "routing_table": {SECRET: {"node_name": SECRET}}, "msg": SECRET}, (SAID,))

    module = FakeModule(api_key=SECRET, fact_name="f")
    result = exited(module, run)
    assert SECRET not in str(result)
    assert (result["changed"], set(result)) == (True, {"changed", "routing_table", "msg"})
    assert (module.warnings[0], "1 id or other value is masked" in module.warnings[1]) == (SAID, True)


@pytest.mark.parametrize(("warnings", "shown"), [((SAID, SAID), [HIDDEN]), ((), [])])
def test_in_a_task_with_no_log_warnings_name_nothing(warnings: tuple[WarningText, ...], shown: list[str]) -> None:
    module = FakeModule()
    module.no_log = True
    exited(module, lambda params, check_mode: Outcome({"changed": True}, warnings))
    assert module.warnings == shown


@pytest.mark.parametrize("run", [deployment, deployments, info], ids=lambda module: module.__name__)
def test_a_password_that_is_no_unicode_is_a_sentence(run: types.ModuleType) -> None:
    module = FakeModule(api_key="canary\udce4-4711", fact_name="")
    assert exited(module, lambda params, check_mode: Outcome(run.empty_result())) == run.empty_result()


def test_an_action_fails_with_all_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    action = ActionModule.__new__(ActionModule)
    play = types.SimpleNamespace(_action_groups={})
    task = {"args": {"api_key": SECRET}, "module_defaults": [], "resolved_action": ""}
    action._task = types.SimpleNamespace(**{**task, "_parent": types.SimpleNamespace(_play=play)})  # type: ignore[assignment]
    action._templar = types.SimpleNamespace(template=lambda value: value)  # type: ignore[assignment]
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_arguments: {})
    monkeypatch.setattr(ActionModule, "_environment", lambda self: Broken().variables)
    result = action.run()
    assert result.keys() - {"failed", "msg"} == deployment.empty_result().keys()
    assert result["failure"] == FAILURE
    assert ": ValueError in plugin_utils/action.py line " in result["msg"]
    assert SECRET not in str(result)
