# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in the variable of a role, by its argument specification."""

from __future__ import annotations

DOCUMENTATION = r"""
name: role_mistakes
version_added: 0.1.0
short_description: Say what is wrong with the variable of a role
description:
  - Used by the roles of this collection. Compares a dictionary with the options of an argument specification, and says
    which keys there are not, which are missing, and where a dictionary has to be.
  - Ansible's own validation comes before the first task, so that the results of an earlier use stay, and it takes an
    empty text for a wrong dictionary. Here null and empty text count as not given.
options:
  _input:
    description: The variable, as it is given.
    type: raw
    required: true
  name:
    description: Its name.
    type: str
    required: true
  options:
    description: The options of the specification, by their names, with C(options) and C(required).
    type: dict
    required: true
  left_out:
    description: What C(omit) is. A key that has it is not given.
    type: raw
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
"""

EXAMPLES = r"""
- name: Show the mistakes
  ansible.builtin.debug:
    msg: "{{ given | mlops.elasticsearch.role_mistakes('builtin_model', documented, omit) }}"
  vars:
    given:
      alias: {modl_alias: search}
    documented:
      model_id: {required: true}
      alias:
        options:
          model_alias: {}
"""

RETURN = r"""
_value:
  description: A sentence for each mistake. No value is in it.
  type: list
  elements: str
  sample:
    - builtin_model.model_id has no value.
    - builtin_model.alias has no key modl_alias. Its keys are model_alias.
"""

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.role_variable import mistakes
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.pure_filter import pure_filter, without_omitted

Json = t.Mapping[str, t.Any]


def _mistakes(given: t.Any, name: str, options: Json, left_out: t.Any = None) -> t.Any:
    return pure_filter(role_mistakes)(without_omitted(given, left_out), name, options)


def role_mistakes(given: t.Any, name: str, options: Json) -> list[str]:
    """Return what is wrong with the variable that is *given*, which every role needs."""
    if given in (None, ""):
        return [
            f"The role needs the variable {name}. It is not given, or is empty, or contains a variable that is not "
            "defined. Check its spelling."
        ]
    return list(mistakes(given, name, options))


class FilterModule:
    """The filter, under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"role_mistakes": _mistakes}
