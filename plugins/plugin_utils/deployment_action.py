# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Base of the action plugins that change deployments: their facts grow over the whole run."""

from __future__ import annotations

import abc
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import Json, MlAction, plain
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import grown, run_of


class DeploymentAction(MlAction):
    @staticmethod
    @abc.abstractmethod
    def told(params: Json, outcome: Json) -> t.Collection[str]:
        """The ids of the deployments that the task has brought about, whether or not they run now."""

    def finished(self, params: Json, outcome: Json, task_vars: Json) -> Json:
        name, new = params["fact_name"], outcome.get("ansible_facts")
        if not name or not isinstance(new, dict) or name not in new:
            return outcome
        uuid, owner = str(self._task._uuid), self._owner(task_vars)
        known = plain(self._facts_of(owner, task_vars).get(name))
        facts = grown((uuid, owner, name), run_of(uuid), known, new[name], self.told(params, outcome))
        return {**outcome, "ansible_facts": {name: facts}}

    def _owner(self, task_vars: Json) -> str:
        """The host that gets the facts of this task."""
        delegated = self._task.delegate_to and self._task.delegate_facts
        return str(self._task.delegate_to if delegated else task_vars.get("inventory_hostname"))

    def _facts_of(self, owner: str, task_vars: Json) -> Json:
        """The facts before this task."""
        if owner == task_vars.get("inventory_hostname"):
            return t.cast(Json, task_vars.get("ansible_facts") or {})
        hosts = task_vars.get("hostvars") or {}
        return t.cast(Json, hosts.get(owner, {}).get("ansible_facts") or {})
