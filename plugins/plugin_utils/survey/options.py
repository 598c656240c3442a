# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module survey_answers."""

from __future__ import annotations

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.spec import Spec

SPEC = Spec(
    {
        "survey": {"type": "str", "required": True},
        "defaults": {"type": "dict", "default": {}},
        "lists": {"type": "list", "elements": "str", "default": []},
        "times": {"type": "list", "elements": "str", "default": []},
        "reserved": {"type": "list", "elements": "str", "default": []},
    }
)
