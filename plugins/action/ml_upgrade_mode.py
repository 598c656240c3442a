# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ml_upgrade_mode inside the controller: it shows what it waits for, and the facts of the whole run."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.result import Outcome
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode.api import UpgradeModeCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import Json
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.connection_cache import cached
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts_action import FactsAction


class ActionModule(FactsAction):
    SPEC = SPEC
    CLUSTER = UpgradeModeCluster
    KIND = "upgrade_mode"
    run_task = staticmethod(run)
    empty_result = staticmethod(empty_result)

    def _outcome(self, params: Json, masked: t.Collection[str], task_vars: Json) -> Outcome:
        """Run the code of the module, and show what it waits for at ``-v``."""
        show_progress = self.show_progress(masked, task_vars)
        return run(params, self._task.check_mode, connect=cached(self.CLUSTER), show_progress=show_progress)
