# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module semantic_text_field inside the controller."""

from __future__ import annotations

from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text.api import FieldCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import MlAction


class ActionModule(MlAction):
    SPEC = SPEC
    CLUSTER = FieldCluster
    run_task = staticmethod(run)
    empty_result = staticmethod(empty_result)
