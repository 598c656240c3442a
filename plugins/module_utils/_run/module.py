# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way out of a module."""

from __future__ import annotations

import typing as t

from .._options.secrets import secrets
from .report import Outcome

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Run = t.Callable[[t.Mapping[str, t.Any], bool], Outcome]


def run_module(module: AnsibleModule, run: Run) -> t.NoReturn:
    """Run and exit."""
    module.no_log_values.update(secrets(module.params))
    outcome = run(module.params, module.check_mode)
    for warning in outcome.warnings:
        module.warn(warning)
    if outcome.result.get("failed"):
        module.fail_json(**outcome.result)
    module.exit_json(**outcome.result)
