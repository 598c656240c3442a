# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Base of the action plugins that change deployments: their facts grow over the whole run."""

from __future__ import annotations

import abc
import typing as t

from ansible.module_utils.common.parameters import remove_values
from ansible.utils.display import Display

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.progress import (
    ProgressCallback,
    no_progress,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.result import Outcome
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.cluster import Cluster, Connect
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import Json, MlAction, untagged
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.connection_cache import cached_cluster
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import merge_facts, run_id

display = Display()


class DeploymentAction(MlAction):
    @staticmethod
    @abc.abstractmethod
    def run_task(
        params: t.Mapping[str, t.Any],
        check_mode: bool,
        *,
        connect: Connect = Cluster.connected,
        show_progress: ProgressCallback = no_progress,
    ) -> Outcome:
        """Do what the module does with validated *params*; *show_progress* gets the progress of waits."""

    @staticmethod
    @abc.abstractmethod
    def deployment_ids(params: Json, outcome: Json) -> t.Collection[str]:
        """Return the ids of the deployments of the task, whether or not they run now."""

    def _outcome(self, params: Json, masked: set[str], task_vars: Json) -> Outcome:
        """Run the code of the module, and show the progress of waits at ``-v``."""

        def show_progress(line: str) -> None:
            display.v(remove_values(line, masked), host=task_vars.get("inventory_hostname"))

        watched = no_progress if self._task.no_log else show_progress
        return self.run_task(params, self._task.check_mode, connect=cached_cluster, show_progress=watched)

    def finished(self, params: Json, outcome: Json, task_vars: Json) -> Json:
        name, new = params["fact_name"], outcome.get("ansible_facts")
        if not name or not isinstance(new, dict) or name not in new:
            return outcome
        uuid, owner = str(self._task._uuid), self._owner_of(task_vars)
        known = untagged(self._facts_of(owner, task_vars).get(name), f"The fact {name}")
        facts = merge_facts((uuid, owner, name), run_id(uuid), known, new[name], self.deployment_ids(params, outcome))
        return {**outcome, "ansible_facts": {name: facts}}

    def _owner_of(self, task_vars: Json) -> str:
        """Return the host that gets the facts of this task."""
        delegated = self._task.delegate_to and self._task.delegate_facts
        return str(self._task.delegate_to if delegated else task_vars.get("inventory_hostname"))

    def _facts_of(self, owner: str, task_vars: Json) -> Json:
        """Return the facts before this task."""
        if owner == task_vars.get("inventory_hostname"):
            return t.cast(Json, task_vars.get("ansible_facts") or {})
        hosts = task_vars.get("hostvars") or {}
        return t.cast(Json, hosts.get(owner, {}).get("ansible_facts") or {})
