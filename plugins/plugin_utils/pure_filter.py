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


def without_omitted(value: t.Any, omit: t.Any = None) -> t.Any:
    """Return *value* without the items of dictionaries that are Ansible's *omit*.

    From ansible-core 2.19 on that has a type of its own. Before, it is a text.
    """
    if not isinstance(value, t.Mapping):
        return value
    return {name: without_omitted(each, omit) for name, each in value.items() if not _is_omitted(each, omit)}


def _is_omitted(value: t.Any, omit: t.Any) -> bool:
    is_its_text = isinstance(omit, str) and isinstance(value, str) and value == omit
    return value is omit or is_its_text or type(value).__name__.endswith("OmitType")
