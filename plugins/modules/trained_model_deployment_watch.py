#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model_deployment_watch
short_description: Watch trained model deployments for a while
version_added: 0.1.0
description:
  - Reads for a while what Elasticsearch counts of deployments, and fails as soon as more inferences are rejected, time
    out or fail than O(allow) says. Asks for no inference itself, and changes nothing.
  - Also fails if one of the deployments is stopped meanwhile, or has failed on all its nodes.
  - Most tasks need only O(deployment_id), O(hosts), and a credential such as O(api_key).
options:
  deployment_id:
    description:
      - Ids of the deployments to watch. Each must be there. Patterns are not allowed.
    type: list
    elements: str
    required: true
  watch_seconds:
    description:
      - Time to watch, as a number of seconds or a time such as V(90s), V(5m) or V(1h); at most V(168h).
      - V(0) reads once, which only says that the deployments are there, are not being stopped and have not failed.
    type: raw
    default: 60
  watch_sleep:
    description:
      - Time between two reads, as a number of seconds or a time such as V(500ms).
    type: raw
    default: 5
  allow:
    description:
      - By how much the counters may rise from the first read on, over all deployments together. If one rises further,
        the task fails with the code C(inferences_failed).
    type: dict
    suboptions:
      rejected:
        description: Inferences that were rejected, because the queue of a node was full.
        type: int
        default: 0
      timed_out:
        description: Inferences that had no answer in time.
        type: int
        default: 0
      failed:
        description: Inferences that failed.
        type: int
        default: 0
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
  - mlops.elasticsearch.facts
attributes:
  check_mode:
    support: full
    details: Reads once. Deployments that earlier tasks of the dry run would have made or changed are not judged.
  diff_mode:
    support: N/A
    details: This module does not modify state.
  idempotent:
    support: N/A
    details: This module does not modify state.
notes:
  - Needs the cluster privilege C(monitor_ml), and Elasticsearch 8.1 or newer, which counts these inferences. See
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
  - The counters belong to the process on each node, and begin at 0 when it starts again. The module takes that into
    account, but what a process counted between the last read and its end is lost.
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_infer
    description: Asks for an inference itself.
  - module: mlops.elasticsearch.trained_model_deployment_info
  - ref: ansible_collections.mlops.elasticsearch.docsite.trying
    description: How to try a model, and how to watch it.
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
"""

EXAMPLES = r"""
- name: Change a deployment, and see that its clients do not notice
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Scale
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: sentiment
        number_of_allocations: 2

    - name: Watch for two minutes, and let five clients meet a full queue
      mlops.elasticsearch.trained_model_deployment_watch:
        deployment_id: sentiment
        watch_seconds: 2m
        allow:
          rejected: 5
      register: watched

    - name: Show how many inferences there were
      ansible.builtin.debug:
        var: watched.risen
"""

RETURN = r"""
skipped_because:
  description: What a real run would do, as check mode reads only once. Null otherwise.
  returned: always
  type: str
  sample: null
first:
  description:
    - What the processes of all deployments had counted at the first read. Null if there was none.
    - V(inferences) are those that were answered, V(rejected), V(timed_out) and V(failed) those that were not.
  returned: always
  type: dict
  sample: {inferences: 91234, rejected: 3, timed_out: 0, failed: 1}
last:
  description: What they had counted at the last read. Less than RV(first), if a process has started again.
  returned: always
  type: dict
  sample: {inferences: 92345, rejected: 3, timed_out: 0, failed: 1}
risen:
  description: What has come from the first read on.
  returned: always
  type: dict
  sample: {inferences: 1111, rejected: 0, timed_out: 0, failed: 0}
deployments:
  description: The same for each deployment, sorted by id.
  returned: always
  type: list
  elements: dict
  contains:
    deployment_id: {description: Id of the deployment., type: str, returned: always, sample: sentiment}
    model_id: {description: Id of the model it runs., type: str, returned: always, sample: sentiment}
    first:
      description: What its processes had counted at the first read.
      type: dict
      returned: always
      sample: {inferences: 91234, rejected: 3, timed_out: 0, failed: 1}
    last:
      description: What they had counted at the last read.
      type: dict
      returned: always
      sample: {inferences: 92345, rejected: 3, timed_out: 0, failed: 1}
    risen:
      description: What has come from the first read on.
      type: dict
      returned: always
      sample: {inferences: 1111, rejected: 0, timed_out: 0, failed: 0}
seconds:
  description: Time from the first read to the last, in seconds.
  returned: always
  type: float
  sample: 60.1
reads:
  description: Number of reads.
  returned: always
  type: int
  sample: 13
# BEGIN results
server:
  description: The server that answered. C(cluster_name) and C(cluster_uuid) are empty if the user may not read them.
  type: dict
  returned: always
  sample:
    version: 9.1.0
    flavor: default
    cluster_name: production
    cluster_uuid: 5a8sqTHMQdKEwg4SzSNtCQ
failure:
  description:
    - The kind of failure as a short, stable C(code), for playbooks to branch on; null on success.
    - The page Troubleshooting lists all codes.
  type: dict
  returned: always
  sample: {code: no_capacity}
error:
  description: The error of the server or the connection, as M(mlops.elasticsearch.trained_model_deployment) returns it.
  type: dict
  returned: if a request failed
  sample:
    kind: credentials
    status: 401
    type: security_exception
    reason: unable to authenticate user
# END results
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module
from ansible_collections.mlops.elasticsearch.plugins.module_utils._watch.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._watch.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
