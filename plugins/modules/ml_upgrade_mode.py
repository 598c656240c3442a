#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ml_upgrade_mode
short_description: Turn the upgrade mode of machine learning on or off
version_added: 0.1.0
description:
  - Turns the upgrade mode of machine learning on or off for a whole Elasticsearch cluster, and waits until the cluster
    shows it.
  - In the mode Elasticsearch refuses to start deployments, to create or delete models, to upload definitions and
    vocabularies, and to change model aliases. It pauses anomaly detection jobs and datafeeds.
  - The mode stops no deployment. Deployments that run go on, answer inferences, and can be updated and stopped.
options:
  enabled:
    description: Whether the mode is to be on.
    type: bool
    required: true
  wait_timeout:
    description:
      - Time that the task may take, as a number of seconds or a time such as V(500ms), V(90s), V(5m) or V(1h); at most
        V(168h).
      - While Elasticsearch still works on an earlier change of the mode, the task waits.
    type: raw
    default: 300
  wait_sleep:
    description:
      - Time between polls, as a number of seconds or a time such as V(500ms). The first polls come earlier, after 0.2,
        0.5 and 1 second.
    type: raw
    default: 2
  fact_name:
    description:
      - Name of the fact that has the upgrade mode, from which later tasks of a dry run plan. With the default, read it
        as C(ansible_facts.elasticsearch_ml_upgrade_mode). Empty for none.
      - Use a different name for each cluster that is managed from the same host.
    type: str
    default: elasticsearch_ml_upgrade_mode
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
  - mlops.elasticsearch.facts
attributes:
  check_mode:
    support: full
    details: Sends no write request. Later tasks of the dry run see the mode.
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - Reads need the cluster privilege C(monitor_ml), changes C(manage_ml). See
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
  - Serverless has no such mode.
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
"""

EXAMPLES = r"""
- name: Upgrade the cluster
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Turn the upgrade mode on
      mlops.elasticsearch.ml_upgrade_mode:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        enabled: true

- name: Go on after the upgrade
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Turn the upgrade mode off again
      mlops.elasticsearch.ml_upgrade_mode:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        enabled: false
"""

RETURN = r"""
operation:
  description: What the task did, or in check mode would do. One of V(none), V(enable) and V(disable).
  returned: always
  type: str
  sample: enable
skipped_because:
  description: Always null; other modules return here why a task left something as it is.
  returned: always
  type: str
  sample: null
upgrade_mode:
  description: The mode after the task, in check mode as it would be. Null if it was not read.
  returned: always
  type: dict
  contains:
    enabled: {description: Whether the mode is on., type: bool, returned: success, sample: true}
refused:
  description: What Elasticsearch refuses if O(enabled=true). It stops nothing.
  returned: always
  type: list
  elements: str
  sample: [start deployments, create or delete models, upload definitions or vocabularies, change model aliases]
waited:
  description: How long the task took, how often it has looked again, and whether the mode is as it should be. That is
    null in check mode, and if the task failed before it waited.
  returned: always
  type: dict
  sample: {seconds: 0.4, polls: 1, reached: true}
before:
  description: The mode before the task. Null if it was not read.
  returned: always
  type: dict
  sample: {enabled: false}
after:
  description: The mode after the task, with the same keys. Null if it was not read.
  returned: always
  type: dict
  sample: {enabled: true}
diff:
  description: What differs between RV(before) and RV(after).
  returned: always
  type: dict
  sample:
    before: {enabled: false}
    after: {enabled: true}
api_calls:
  description: The write requests that took effect, or may have; in check mode those that the task would send.
  returned: always
  type: list
  elements: dict
  contains:
    method: {description: HTTP method., type: str, returned: success, sample: POST}
    path: {description: Path of the request., type: str, returned: success, sample: /_ml/set_upgrade_mode}
    query: {description: Query parameters., type: dict, returned: success, sample: {enabled: "true"}}
    body: {description: "Body of the request, or null.", type: dict, returned: success, sample: null}
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
ansible_facts:
  description: Facts of the host. A failed task sets none.
  returned: if the task succeeded
  type: dict
  contains:
    elasticsearch_ml_upgrade_mode:
      description:
        - Under C(machine learning), and under the name in O(fact_name). C(upgrade_mode) is RV(upgrade_mode), C(cluster)
          the cluster that has it, and C(predicted) whether a dry run has predicted it.
      type: dict
      returned: if O(fact_name) is set and the cluster was read
      sample:
        machine learning:
          upgrade_mode: {enabled: true}
          cluster: {name: production, uuid: 3FgFLkTjT6-lgx3mGpSPiA}
          addresses: 5df6e0e2761359d3
          predicted: false
          run: 0242ac11-0002-5a2b-3c4d
          order: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
