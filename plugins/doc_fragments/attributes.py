# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document what all modules have in common, and what groups of them have."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and predict the changed status without changing the cluster.
  diff_mode:
    description: In diff mode, returns details on what the module changed or in C(check_mode) would change.
  idempotent:
    description: If run twice in a row outside check mode with the same options, the second run changes nothing.
requirements:
  - elasticsearch, the Python client, 8.0 or newer (any newer major as well)
  - Python 3.10 or newer where the module runs
"""

    ACTIONGROUP_ML = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/mlops.elasticsearch.ml) in C(module_defaults) to set the connection of all modules.
    support: full
    details: All modules of the group share the connection options and no others. A module that lacks an option of the
      group's defaults fails, so set other options under the name of a module.
    membership:
      - mlops.elasticsearch.ml
"""

    CONTROLLER = r"""
options: {}
attributes:
  action:
    description: Has an action plugin of the same name, which runs on the controller.
    support: full
    details: With the connection C(local), and without C(become) and C(async), it does the work itself and starts no
      second Python. Otherwise it runs the module. The results are the same.
  async:
    description: Supports being used with the C(async) keyword.
    support: full
    details: Sets no facts; the result of the job has all keys.
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: This module does not modify state. In check mode it shows what is there, not what earlier tasks would make.
  diff_mode:
    support: N/A
    details: This module does not modify state.
  idempotent:
    support: full
    details: This module does not modify state.
"""
