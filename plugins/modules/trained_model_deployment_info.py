#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model_deployment_info
short_description: Read trained model deployments, where they run and how healthy they are
version_added: 0.1.0
description:
  - Returns the deployments of trained models in an Elasticsearch cluster, with their routing tables, the state of each
    node and usage figures. Changes nothing.
  - RV(as_list) turns an existing cluster into the list of deployments that a playbook keeps.
options:
  deployment_id:
    description:
      - Ids or patterns (such as V(search-*)) of the deployments to return.
      - An id that does not exist is not an error; the result then has no item for it, and a warning names it and the
        deployments that there are. A pattern without a match gives no warning.
    type: list
    elements: str
    default: ["*"]
  gather:
    description:
      - V(routing) is where each deployment runs. It is in the result beside whatever else the list asks for.
      - V(nodes) adds an item for each node, with its statistics.
      - V(usage) adds usage figures of the whole deployment.
      - V(references) adds who uses it, by a read of each kind of consumers. The task warns which kinds the user may not
        read.
      - An empty list leaves the routing out, and with it the read of the cluster state.
    type: list
    elements: str
    choices: [routing, nodes, usage, references]
    default: [routing]
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.info_module
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
notes:
  - Needs the cluster privilege C(monitor_ml), and C(monitor) for the targets of the routes and exact cache sizes.
    V(references) needs further ones; see
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - module: mlops.elasticsearch.trained_model_deployments
  - module: mlops.elasticsearch.ml_capacity_info
    description: The room on the nodes, and what each deployment has of it.
  - ref: ansible_collections.mlops.elasticsearch.docsite.getting_started
    description: Install the collection, look, scale, and undo.
"""

EXAMPLES = r"""
- name: Check the health of all deployments
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Read every deployment
      mlops.elasticsearch.trained_model_deployment_info:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
      register: found

    - name: Fail unless all of them are healthy
      ansible.builtin.assert:
        that: found.summary.ok == found.summary.deployments
        fail_msg: "{{ found.deployments | map(attribute='health_reason') | select | list }}"

- name: Take over what runs as the list of a playbook
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Read what runs
      mlops.elasticsearch.trained_model_deployment_info:
        gather: []
      register: current

    - name: Apply it, which changes nothing
      mlops.elasticsearch.trained_model_deployments:
        deployments: "{{ current.as_list }}"

# A task for a play like the second one, whose module_defaults have the connection.
- name: Read the usage of the search deployments
  mlops.elasticsearch.trained_model_deployment_info:
    deployment_id: "*-search"
    gather: [nodes, usage]

- name: Read who uses each deployment
  mlops.elasticsearch.trained_model_deployment_info:
    gather: [references]
"""

RETURN = r"""
deployments:
  description: One item for each matching deployment, sorted by id.
  returned: always
  type: list
  elements: dict
  contains:
    # BEGIN deployment
    deployment_id:
      description: Id of the deployment.
      type: str
      returned: success
      sample: sentiment
    model_id:
      description: Id of the model it runs.
      type: str
      returned: success
      sample: sentiment
    number_of_allocations:
      description: Desired number of allocations.
      type: int
      returned: success
      sample: 4
    adaptive_allocations:
      description: C(enabled) and the two bounds, or null if never set.
      type: dict
      returned: success
      sample:
        enabled: true
        min_number_of_allocations: 1
        max_number_of_allocations: 4
    threads_per_allocation:
      description: Threads of each allocation; null if only statistics can be read, and this version has wrong ones.
      type: int
      returned: success
      sample: 1
    priority:
      description: Priority.
      type: str
      returned: success
      sample: normal
    queue_capacity:
      description: Requests that may wait on each node.
      type: int
      returned: success
      sample: 10000
    cache_size:
      description: Size of the cache; exact if read from the cluster state, with one decimal from the statistics.
      type: str
      returned: success
      sample: 67108864b
    assignment_state:
      description: One of V(starting), V(started), V(stopping) and V(failed).
      type: str
      returned: success
      sample: started
    reason:
      description: The server's explanation of the state.
      type: str
      returned: success
      sample: null
    start_time:
      description: Time of the start, in UTC.
      type: str
      returned: success
      sample: '2026-05-04T09:30:00.000Z'
    allocation_status:
      description: Number of running and of desired allocations; null while stopping, and in a prediction.
      type: dict
      returned: success
      sample:
        allocation_count: 4
        target_allocation_count: 4
        state: fully_allocated
    # END deployment
    allocations:
      description: Allocations, counted as M(mlops.elasticsearch.trained_model_deployment) counts them.
      type: dict
      returned: success
      sample: {wanted: 2, assigned: 2, running: 2, missing: 0}
    routing_table:
      description: The route on each node, by node id; null if O(gather) is empty.
      type: dict
      returned: success
      sample:
        7gQbtd5tQv2Ea0DuLCa1mA:
          node_name: ml-1
          routing_state: started
          reason: null
          current_allocations: 2
          target_allocations: 2
    routing_source:
      description: V(cluster_state) or V(stats); null if O(gather) is empty.
      type: str
      returned: success
      sample: cluster_state
    health:
      description: One of V(ok), V(degraded), V(starting), V(zero) and V(failed).
      type: str
      returned: success
      sample: ok
    health_reason: {description: Why the health is not V(ok)., type: str, returned: success, sample: null}
    nodes:
      description:
        - One item for each node, sorted by name; null unless O(gather) contains V(nodes).
        - Times are in milliseconds.
        - C(number_of_pending_requests) is null before Elasticsearch 9.5, which counts it wrongly, and
          C(threads_per_allocation) in 8.4 and 8.5.
      type: list
      elements: dict
      returned: success
      sample:
        - node_id: 7gQbtd5tQv2Ea0DuLCa1mA
          node_name: ml-1
          routing_state: started
          reason: null
          number_of_allocations: 2
          threads_per_allocation: 1
          start_time: "2026-05-04T09:30:02.000Z"
          last_access: "2026-05-04T11:00:00.000Z"
          throughput_last_minute: 120
          peak_throughput_per_minute: 480
          inference_count: 91234
          inference_cache_hit_count: 1200
          number_of_pending_requests: 0
          average_inference_time_ms: 12.5
          average_inference_time_ms_last_minute: 11.9
          error_count: 0
          rejected_execution_count: 0
          timeout_count: 0
    usage:
      description:
        - Usage figures of the whole deployment; null unless O(gather) contains V(usage).
        - Times are in milliseconds, ratios from 0 to 1. A value without a measurement is null.
        - C(pending_requests) and C(queue_use) are null before Elasticsearch 9.5, which counts pending requests
          wrongly, even below zero. A full queue shows in C(rejected_execution_count).
      type: dict
      returned: success
      sample:
        requests_last_minute: 120
        peak_requests_per_minute: 480
        inference_count: 91234
        average_inference_time_ms: 12.5
        average_inference_time_ms_last_minute: 11.9
        cache_hit_count: 1200
        cache_hit_ratio: 0.0132
        pending_requests: 0
        queue_use: 0.0
        error_count: 0
        rejected_execution_count: 0
        timeout_count: 0
        last_access: "2026-05-04T11:00:00.000Z"
    used_by:
      description:
        - The consumers of the deployment by kind; null unless O(gather) contains V(references).
        - A kind that the user may not read is null. Indices are also null if the endpoints are, through which they use
          a deployment.
      type: dict
      returned: success
      sample:
        inference_endpoints: [search-endpoint]
        ingest_pipelines: [enrich]
        model_aliases: []
        semantic_text_indices: [articles]
    named_by:
      description:
        - Those of RV(deployments[].used_by) that name the deployment itself; null unless O(gather) contains
          V(references).
        - The others name the model or an alias of it, and use other deployments of the model, too. Where the deployment
          has the id of the model, both are the same, but for aliases.
      type: dict
      returned: success
      sample:
        inference_endpoints: [search-endpoint]
        ingest_pipelines: []
        model_aliases: []
        semantic_text_indices: [articles]
as_list:
  description:
    - The same deployments as a list that M(mlops.elasticsearch.trained_model_deployments) and the role
      P(mlops.elasticsearch.deployments#role) take. Applied unchanged, it changes nothing.
    - An item has what a start sets, without the number of allocations where adaptive allocations set it. It has a cache
      size only if that is exact, and not the default.
    - If the user may not read the cluster state, it lacks threads that Elasticsearch 8.4 and 8.5 may report wrongly.
    - Deployments that are being stopped are left out. Null if the task failed.
  returned: always
  type: list
  elements: dict
  contains:
    deployment_id: {description: Id of the deployment., type: str, returned: always, sample: sentiment}
    model_id: {description: Id of the model it runs., type: str, returned: always, sample: sentiment}
    number_of_allocations:
      description: Number of allocations.
      type: int
      returned: unless adaptive allocations set it, or it is 0
      sample: 2
    adaptive_allocations:
      description: C(enabled) and the bounds.
      type: dict
      returned: if it has any
    # BEGIN start settings
    threads_per_allocation:
      description: Threads of each allocation; null if only statistics can be read, and this version has wrong ones.
      type: int
      returned: if it is known, and a start has to set it
      sample: 1
    priority:
      description: Priority.
      type: str
      returned: if it is known, and a start has to set it
      sample: normal
    queue_capacity:
      description: Requests that may wait on each node.
      type: int
      returned: if it is known, and a start has to set it
      sample: 10000
    cache_size:
      description: Size of the cache; exact if read from the cluster state, with one decimal from the statistics.
      type: str
      returned: if it is known, and a start has to set it
      sample: 67108864b
    # END start settings
    allow_zero:
      description: True for a deployment that has 0 allocations, or may scale down to 0.
      type: bool
      returned: if it is true
      sample: true
summary:
  description:
    - The number of returned deployments, the number for each value of C(health), and the sum of allocations.
    - Null if the task failed.
  returned: always
  type: dict
  sample:
    deployments: 2
    ok: 1
    degraded: 0
    starting: 1
    zero: 0
    failed: 0
    allocations: {wanted: 4, running: 3, missing: 1}
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
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.info import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.run_info import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
