# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module inference_endpoint inside the controller, and the facts of the whole run."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.result import Outcome
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.api import EndpointCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.options import SPEC, refuse_shown_secrets
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import Json
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.connection_cache import cached
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts_action import FactsAction


class ActionModule(FactsAction):
    SPEC = SPEC
    CLUSTER = EndpointCluster
    KIND = "endpoints"
    run_task = staticmethod(run)
    empty_result = staticmethod(empty_result)

    def refuse(self, params: Json, task_vars: Json) -> None:
        """Refuse secrets in options that Ansible shows, before it starts a module and shows its arguments."""
        refuse_shown_secrets(params)
        super().refuse(params, task_vars)

    def _outcome(self, params: Json, masked: t.Collection[str], task_vars: Json) -> Outcome:
        """Run the code of the module, and show what it waits for at ``-v``."""
        show_progress = self.show_progress(masked, task_vars)
        return run(params, self._task.check_mode, connect=cached(self.CLUSTER), show_progress=show_progress)
