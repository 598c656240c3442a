# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module inference_endpoint_info inside the controller."""

from __future__ import annotations

from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info.api import EndpointInfoCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import MlAction
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.advice import of_task


class ActionModule(MlAction):
    SPEC = SPEC
    CLUSTER = EndpointInfoCluster
    for_caller = staticmethod(of_task)
    run_task = staticmethod(run)
    empty_result = staticmethod(empty_result)
