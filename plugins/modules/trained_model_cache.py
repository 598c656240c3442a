#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model_cache
short_description: Clear the inference cache of a deployment
version_added: 0.1.0
description:
  - Clears the cache in which a deployment of a trained model keeps answers to inferences, on all nodes. The next
    inferences are computed again.
  - Nothing shows whether the cache was empty before, so the task is always C(changed).
options:
  deployment_id:
    description: Id of the deployment.
    type: str
    required: true
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
  - mlops.elasticsearch.facts
attributes:
  check_mode:
    support: full
    details: Sends no write request.
  diff_mode:
    support: N/A
    details: Elasticsearch does not show what the cache has.
  idempotent:
    support: none
    details: A second run clears the cache again.
notes:
  - Reads need the cluster privilege C(monitor_ml), changes C(manage_ml). See
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
  - Elasticsearch clears a cache from 8.5 on, and not on Serverless.
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - module: mlops.elasticsearch.trained_model_infer
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
"""

EXAMPLES = r"""
- name: Measure without the cache
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Clear the cache
      mlops.elasticsearch.trained_model_cache:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        deployment_id: sentiment
"""

RETURN = r"""
operation:
  description: What the task did, or in check mode would do. V(clear), or V(none) if it failed before.
  returned: always
  type: str
  sample: clear
deployment_id:
  description: Id of the deployment. Null if the options name none.
  returned: always
  type: str
  sample: sentiment
api_calls:
  description: The write requests that took effect, or may have; in check mode those that the task would send.
  returned: always
  type: list
  elements: dict
  contains:
    method: {description: HTTP method., type: str, returned: success, sample: POST}
    path:
      description: Path of the request.
      type: str
      returned: success
      sample: /_ml/trained_models/sentiment/deployment/cache/_clear
    query: {description: Query parameters., type: dict, returned: success, sample: {}}
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
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
