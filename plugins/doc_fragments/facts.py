# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document the options of ``_ml/predictions.py``, and the name of the fact of deployments."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  predictions:
    description:
      - Entries of facts that earlier tasks of a dry run have predicted, by kind of resource. In check mode the task
        plans as if they were there; a real run ignores them.
      - Leave it out. The action plugin hands on what earlier tasks and loop items have predicted. Of these only
        entries of the same cluster count.
    type: dict
    version_added: 0.1.0
    suboptions:
      deployments:
        description: By deployment id, one or more entries of the fact of deployments.
        type: dict
      aliases:
        description: By model alias, one or more entries of the fact of aliases.
        type: dict
      models:
        description: By model id, one or more entries of the fact of models.
        type: dict
      endpoints:
        description: By inference id, one or more entries of the fact of inference endpoints.
        type: dict
      upgrade_mode:
        description: Under C(machine learning), one or more entries of the fact of the upgrade mode.
        type: dict
"""
    DEPLOYMENTS = r"""
options:
  fact_name:
    description:
      - Name of the fact that collects the deployments of the run by deployment id. With the default, read it as
        C(ansible_facts.elasticsearch_ml_deployments). Empty for none.
      - Use a different name for each cluster that is managed from the same host.
      - A name is refused that a host already has as a variable of another kind, because the fact would hide it.
    type: str
    default: elasticsearch_ml_deployments
"""
