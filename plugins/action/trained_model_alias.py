# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module trained_model_alias inside the controller, and the facts of the whole run."""

from __future__ import annotations

from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.api import AliasCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts_action import FactsAction


class ActionModule(FactsAction):
    SPEC = SPEC
    CLUSTER = AliasCluster
    KIND = "aliases"
    run_task = staticmethod(run)
    empty_result = staticmethod(empty_result)
