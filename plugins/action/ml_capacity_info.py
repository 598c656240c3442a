# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ml_capacity_info inside the controller."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.api import CapacityCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import item_label
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import MlAction
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.advice import of_task

Json = dict[str, t.Any]


class ActionModule(MlAction):
    SPEC = SPEC
    CLUSTER = CapacityCluster

    @staticmethod
    def item_label(option: str, index: int, item: Json) -> str:
        return item_label(index, item) if option == "deployments" else f"{option}[{index}]"

    for_caller = staticmethod(of_task)
    run_task = staticmethod(run)
    empty_result = staticmethod(empty_result)
