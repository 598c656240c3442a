# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module trained_model_cache inside the controller: it follows a dry run."""

from __future__ import annotations

from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache.api import CacheCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts_action import FollowingAction


class ActionModule(FollowingAction):
    SPEC = SPEC
    CLUSTER = CacheCluster
    run_task = staticmethod(run)
    empty_result = staticmethod(empty_result)
