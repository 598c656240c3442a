#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inference_endpoint_info
short_description: Read inference endpoints, the deployments behind them, their health and who uses them
version_added: 0.1.0
description:
  - Returns the inference endpoints in an Elasticsearch cluster, of any service. For those whose models run in the
    cluster it reads the deployment as it is now, and says whether the endpoint can answer. Changes nothing.
  - It never returns secrets. Elasticsearch does not show them, and a setting with the name of one is left out.
options:
  inference_id:
    description:
      - Ids of the inference endpoints to return, or patterns of these, such as V(search-*).
      - An id that does not exist is not an error; the result then has no item for it, and a warning names it and the
        endpoints that there are. A pattern without a match gives no warning.
    type: list
    elements: str
    default: ["*"]
  task_type:
    description: Return only endpoints with one of these task types, such as V(sparse_embedding). An empty list is all.
    type: list
    elements: str
    default: []
  service:
    description: Return only endpoints of one of these services, such as V(elasticsearch). An empty list is all.
    type: list
    elements: str
    default: []
  gather:
    description:
      - V(deployment) is the deployment of each endpoint and its health, by one read of all deployments.
      - V(users) is who uses each endpoint, by one read of each kind.
    type: list
    elements: str
    choices: [deployment, users]
    default: [deployment]
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.info_module
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
notes:
  - Needs the cluster privileges C(monitor_inference) and C(monitor_ml), or C(monitor). What needs further privileges is
    null without them, and a warning names it; see
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
  - Before Elasticsearch 8.11 there are no inference endpoints, and the list is empty.
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment_info
    description: Where the deployments run, and how much they have to do.
  - module: mlops.elasticsearch.trained_model_info
    description: The models behind them.
  - ref: ansible_collections.mlops.elasticsearch.docsite.references
    description: What uses a deployment or an endpoint, and what that means before a stop.
  - ref: ansible_collections.mlops.elasticsearch.docsite.endpoints
    description: Endpoints from nothing to a search, with what each version can change.
"""

EXAMPLES = r"""
- name: Know what would break before an endpoint is deleted
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Read the endpoint
      mlops.elasticsearch.inference_endpoint_info:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        inference_id: search
        gather: [deployment, users]
      register: found

    - name: Show who uses it
      ansible.builtin.debug:
        msg: "{{ found.inference_endpoints | map(attribute='used_by') }}"

- name: Find endpoints that cannot answer
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Read all endpoints
      mlops.elasticsearch.inference_endpoint_info:
        gather: [deployment]
      register: all_endpoints

    - name: Name those that are not well, and why
      ansible.builtin.debug:
        msg: "{{ item.inference_id }}: {{ item.health_reason }}"
      loop: "{{ all_endpoints.inference_endpoints }}"
      loop_control:
        label: "{{ item.inference_id }}"
      when: item.health not in ['ok', 'idle', 'unknown']

# Tasks for a play like the second one, whose module_defaults have the connection.
- name: Read the endpoints for semantic search whose models run in the cluster
  mlops.elasticsearch.inference_endpoint_info:
    task_type: [sparse_embedding, text_embedding]
    service: [elasticsearch]
"""

RETURN = r"""
inference_endpoints:
  description: One item for each matching endpoint, sorted by id.
  returned: always
  type: list
  elements: dict
  contains:
    inference_id: {description: Id of the endpoint., type: str, returned: success, sample: search}
    task_type: {description: Its task type., type: str, returned: success, sample: sparse_embedding}
    service: {description: The service that does the inference., type: str, returned: success, sample: elasticsearch}
    service_settings:
      description: Settings of the service, as Elasticsearch shows them, but for any with the name of a secret.
      type: dict
      returned: success
    task_settings:
      description: Settings of the task, as Elasticsearch shows them.
      type: dict
      returned: success
    chunking_settings:
      description: How long texts are cut, as Elasticsearch shows it; null if it shows nothing.
      type: dict
      returned: success
    deployment:
      description:
        - The deployment that does the inference, as it is now.
        - Null for a service outside of the cluster, if there is none, if the user may not read it, and unless O(gather)
          contains V(deployment).
      type: dict
      returned: success
      contains:
        deployment_id: {description: Id of the deployment., type: str, returned: success, sample: search}
        model_id: {description: Model that it runs., type: str, returned: success, sample: .elser_model_2}
        owned:
          description: Whether the endpoint made it, and takes it along when it is deleted.
          type: bool
          returned: success
          sample: true
        number_of_allocations:
          description: The number of allocations, as it is now.
          type: int
          returned: success
          sample: 2
        adaptive_allocations:
          description: Whether Elasticsearch sets that number by load, and within which bounds; null if it never did.
          type: dict
          returned: success
          sample: {enabled: true, min_number_of_allocations: 1, max_number_of_allocations: 4}
        threads_per_allocation:
          description: Threads of each allocation.
          type: int
          returned: success
          sample: 1
        assignment_state:
          description: V(starting), V(started), V(stopping) or V(failed).
          type: str
          returned: success
          sample: started
        reason: {description: Why it is not fully allocated., type: str, returned: success}
        start_time:
          description: When it was started.
          type: str
          returned: success
          sample: "2026-05-04T09:30:02.000Z"
        allocation_status:
          description: Numbers of running and of desired allocations, and V(starting), V(started) or V(fully_allocated).
          type: dict
          returned: success
          sample: {allocation_count: 2, target_allocation_count: 2, state: fully_allocated}
    health:
      description:
        - V(ok), V(degraded), V(starting), V(zero) or V(failed) is that of the deployment.
        - V(idle) is an endpoint that Elasticsearch brings along, and whose first inference starts a deployment.
        - V(lost) is one whose deployment is gone.
        - V(unknown) is one whose service is outside of the cluster, or whose deployment was not read.
      type: str
      returned: success
      sample: degraded
    health_reason:
      description: The reason in words; null if it is V(ok).
      type: str
      returned: success
      sample: 1 of 2 allocations run
    used_by:
      description:
        - Who uses the endpoint; null unless O(gather) contains V(users). A kind that the user may not read is null.
        - Endpoints are those that are attached to its deployment. Indices name it in a field of type C(semantic_text).
          No model alias leads to an endpoint.
      type: dict
      returned: success
      sample:
        inference_endpoints: []
        ingest_pipelines: [enrich]
        model_aliases: []
        semantic_text_indices: [articles]
summary:
  description: The number of returned endpoints, and of those in each state of health. Null if the task failed.
  returned: always
  type: dict
  sample: {inference_endpoints: 3, ok: 1, degraded: 0, starting: 0, zero: 1, failed: 0, idle: 1, lost: 0, unknown: 0}
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
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
