# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Base of the action plugins that change deployments: they show the progress of waits."""

from __future__ import annotations

import abc
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.cluster import Connect
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.progress import (
    ProgressCallback,
    no_progress,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.result import Outcome
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.cluster import Cluster
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import Json
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.advice import of_task
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.connection_cache import cached
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts_action import FactsAction


class DeploymentAction(FactsAction):
    CLUSTER = Cluster
    KIND = "deployments"
    for_caller = staticmethod(of_task)

    @staticmethod
    @abc.abstractmethod
    def run_task(
        params: t.Mapping[str, t.Any],
        check_mode: bool,
        *,
        connect: Connect[Cluster] = Cluster.connected,
        show_progress: ProgressCallback = no_progress,
    ) -> Outcome:
        """Do what the module does with validated *params*; *show_progress* gets the progress of waits."""

    def _outcome(self, params: Json, masked: t.Collection[str], task_vars: Json) -> Outcome:
        """Run the code of the module, and show the progress of waits at ``-v``."""
        show_progress = self.show_progress(masked, task_vars)
        return self.run_task(params, self._task.check_mode, connect=cached(self.CLUSTER), show_progress=show_progress)
