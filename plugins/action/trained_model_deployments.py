# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module trained_model_deployments inside the controller, and the facts of the whole run."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import (
    SPEC,
    item_label,
    wrong_values,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.run_fleet import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.deployment_action import DeploymentAction

Json = dict[str, t.Any]


class ActionModule(DeploymentAction):
    SPEC = SPEC
    run_task = staticmethod(run)
    empty_result = staticmethod(empty_result)

    @staticmethod
    def item_label(option: str, index: int, item: Json) -> str:
        return item_label(index, item)

    wrong_values = staticmethod(wrong_values)
