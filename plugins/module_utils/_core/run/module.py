# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run of a module, and its exit."""

from __future__ import annotations

import typing as t

from ..options.secrets import secrets
from ..warning import visible
from .internal_error import InternalError
from .masking import mask_secrets
from .result import Json, Outcome, failure

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Run = t.Callable[[t.Mapping[str, t.Any], bool], Outcome]


def run_module(module: AnsibleModule, run: Run, empty_result: t.Callable[[], Json]) -> t.NoReturn:
    """Run the module and exit. *empty_result*: the result of a module that has read nothing."""
    # Ansible would show the traceback of an exception that is being handled: here none is, any more.
    outcome = _outcome(module, run, empty_result)
    for warning in visible(outcome.warnings, module.no_log):
        module.warn(warning)
    if outcome.result.get("failed"):
        module.fail_json(**outcome.result)
    module.exit_json(**outcome.result)


def _outcome(module: AnsibleModule, run: Run, empty_result: t.Callable[[], Json]) -> Outcome:
    try:
        # They are registered with ansible-core in the controller: what a module registers, and the controller does not
        # know, ansible-core writes into the file of an asynchronous job.
        module.no_log_values.update(secrets(module.params))
        outcome = run(module.params, module.check_mode)
        # On its way out, Ansible masks values only, and none of them from 2.22 on.
        names = {module.params.get("fact_name") or ""}
        return mask_secrets(outcome, module.no_log_values, names)
    except Exception as exc:
        return Outcome({**empty_result(), **failure(InternalError(exc))})
