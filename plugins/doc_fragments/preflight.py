# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document the options of ``PREFLIGHT`` in ``_deployment/options/deployment.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  preflight:
    description:
      - What to do before the first write request if the ML nodes have no room for what would be started or scaled up,
        so that Elasticsearch is certain to refuse it.
      - V(fail) fails and stops nothing; the message has what each node has free, and what is needed. V(warn) warns and
        tries it. V(off) does not look.
      - If that is not certain, or allocations get a place once the cluster grows, the task warns and goes on.
    type: str
    choices: [fail, warn, 'off']
    default: fail
"""
