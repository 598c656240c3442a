# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments of a task, completed from ``module_defaults``."""

from __future__ import annotations

import typing as t

from ansible.playbook.task import Task
from ansible.template import Templar

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.given import is_given, is_value
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.spec import Spec

Json = dict[str, t.Any]


def with_module_defaults(task: Task, templar: Templar, spec: Spec) -> Json:
    """Return the arguments of *task*, and the value of ``module_defaults`` for each one that is not given.

    Ansible itself lets null, empty text and ``omit`` hide a default, and with it a guard.
    """
    arguments: Json = dict(task.args)
    given = {
        name for name, value in arguments.items() if is_value(spec, name, value) and not _is_policy(spec, name, value)
    }
    for layer in _layers(task, templar):
        # As one dictionary: from ansible-core 2.19 on, only there may a template result in omit.
        found = templar.template({name: layer[name] for name in layer.keys() - given})
        arguments.update({name: value for name, value in found.items() if is_given(value)})
    return arguments


def _is_policy(spec: Spec, name: str, value: t.Any) -> bool:
    """Return whether a dictionary has nothing but what has a default anyway: a guard without a limit guards nothing."""
    if not isinstance(value, dict) or not value:
        return False
    known = spec.argument_spec.get(name, {}).get("options") or {}
    return not any(is_given(each) and "default" not in known.get(key, {}) for key, each in value.items())


def _layers(task: Task, templar: Templar) -> t.Iterator[t.Mapping[str, t.Any]]:
    """Yield the defaults of the groups of the module, and then its own, which go over them."""
    defaults: Json = {}
    for layer in task.module_defaults or ():
        defaults.update(layer)
    module = str(task.resolved_action)
    groups = t.cast("t.Any", task._parent)._play._action_groups or {}
    of_module = {f"group/{group}" for group in groups.get(module, ())}
    for name in [*(name for name in defaults if name in of_module), module]:
        layer = defaults.get(name) or {}
        yield templar.template(layer) if isinstance(layer, str) else layer
