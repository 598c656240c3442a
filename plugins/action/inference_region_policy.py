# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module inference_region_policy inside the controller."""

from __future__ import annotations

from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy.api import RegionPolicyCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import MlAction


class ActionModule(MlAction):
    SPEC = SPEC
    CLUSTER = RegionPolicyCluster
    run_task = staticmethod(run)
    empty_result = staticmethod(empty_result)
