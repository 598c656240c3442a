# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pure functions as filters: Ansible's values become plain ones, and texts of the answer are no templates."""

from __future__ import annotations

import typing as t

from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import untagged


def pure_filter(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Return *function* as a filter.

    Its answer may have ids and messages of a server, which ansible-core 2.18 would render where a fact keeps them.
    """

    def filtered(*values: t.Any) -> t.Any:
        return wrap_var(function(*(untagged(value, "the filter") for value in values)))

    return filtered


def without_omitted(value: t.Any, omit: t.Any) -> t.Any:
    """Return *value* without the items of dictionaries that are *omit*, which is a text before ansible-core 2.19."""
    if not isinstance(value, dict):
        return value
    kept = {name: each for name, each in value.items() if each is not omit}
    return {
        name: without_omitted(each, omit)
        for name, each in kept.items()
        if not (isinstance(omit, str) and isinstance(each, str) and each == omit)
    }
