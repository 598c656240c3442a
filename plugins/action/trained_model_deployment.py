# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module trained_model_deployment inside the controller, and the facts of the whole run."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._options.deployment import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._run.deployment import blank, run
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import MlAction, plain
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import grown, run_of

Json = dict[str, t.Any]


class ActionModule(MlAction):
    SPEC = SPEC
    run_task = staticmethod(run)
    blank = staticmethod(blank)

    def finished(self, params: Json, outcome: Json, task_vars: Json) -> Json:
        name, new = params["fact_name"], outcome.get("ansible_facts")
        if not name or not isinstance(new, dict) or name not in new:
            return outcome
        uuid, owner = str(self._task._uuid), self._owner(task_vars)
        known = plain(self._facts_of(owner, task_vars).get(name))
        deployment_id = params["deployment_id"] or params["model_id"]
        facts = grown((uuid, owner, name), run_of(uuid), known, new[name], deployment_id)
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
