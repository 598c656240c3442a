# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variable of the role upgrade_guard, with its defaults and what is wrong with it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: upgrade_guard_options
version_added: 0.1.0
short_description: Check the variable of the role upgrade_guard
description:
  - Used by the role P(mlops.elasticsearch.upgrade_guard#role). Returns what its variable asks for, with defaults for
    what is not given, null or empty, and says all that is wrong with it.
options:
  _input:
    description: The variable C(upgrade_guard).
    type: dict
    required: true
  left_out:
    description: What C(omit) is. A key that has it is not given.
    type: raw
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - ref: ansible_collections.mlops.elasticsearch.docsite.upgrades
    description: Record, quiesce and restore a cluster.
"""

EXAMPLES = r"""
- name: Show what the role would take
  ansible.builtin.debug:
    msg: "{{ {'action': 'record', 'file': '/var/lib/ml/shop.json'} | mlops.elasticsearch.upgrade_guard_options }}"
"""

RETURN = r"""
_value:
  description: The options of the role, and a sentence for each mistake in V(refused).
  type: dict
  sample: {action: [record], file: /var/lib/ml/shop.json, overwrite: null, refused: []}
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_guard.options import options
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.pure_filter import pure_filter, without_omitted


def _options(given: t.Any, left_out: t.Any = None) -> t.Any:
    return pure_filter(options)(without_omitted(given, left_out))


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"upgrade_guard_options": _options}
