#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ml_capacity_info
short_description: Read the room on the nodes for machine learning, and what still fits
version_added: 0.1.0
description:
  - Returns processors and memory of each node with the role C(ml) in an Elasticsearch cluster, and which deployment has
    how much of them. Changes nothing.
  - O(fit) says how many more allocations of a model have room, and on which nodes. O(deployments) says whether a whole
    list would fit. Both plan as Elasticsearch itself does.
options:
  fit:
    description:
      - Models, each for itself beside all deployments that are there. The result says how many allocations a new
        deployment of the model could be started with.
      - The guide R(Capacity,ansible_collections.mlops.elasticsearch.docsite.capacity) explains the answers.
    type: list
    elements: dict
    suboptions:
      model_id:
        description: Id or alias of a model. Its size and the memory that it asks for are read.
        type: str
      model_bytes:
        description: Size of a model that is not there yet, as a number of bytes or a size such as V(418mb). Either this
          or O(fit[].model_id) is required.
        type: str
      threads_per_allocation:
        description: Threads of each allocation.
        type: int
        choices: [1, 2, 4, 8, 16, 32]
        default: 1
      priority:
        description: Priority. A deployment of V(low) priority has one allocation, so the answer is a number of
          deployments.
        type: str
        choices: [normal, low]
        default: normal
  deployments:
    description:
      - A list as M(mlops.elasticsearch.trained_model_deployments) takes it. RV(plan) says whether all of it would have
        room. The module plans the list as check mode does, and sends nothing of it.
    type: list
    elements: dict
    suboptions:
      # BEGIN items
      deployment_id:
        description: Id of the deployment. Defaults to O(deployments[].model_id); one of
          the two is required.
        type: str
      model_id:
        description: Id or alias of the trained model. Required only to start a deployment
          whose id differs from the model's id.
        type: str
      state:
        description: V(started) starts the deployment if it does not run, and updates it
          if it differs. V(stopped) stops it. V(restarted) always stops it and starts it
          again with its own settings, overridden by the given options.
        type: str
        choices: [started, stopped, restarted]
        default: started
      number_of_allocations:
        description: Number of allocations, in total over the cluster (before Elasticsearch
          8.4 on each node); at least V(1).
        type: int
      adaptive_allocations:
        description: Let Elasticsearch set the number of allocations by load. Needs Elasticsearch
          8.16 or newer.
        type: dict
        suboptions:
          enabled:
            description: Whether Elasticsearch sets the number of allocations. Elasticsearch
              Serverless always does.
            type: bool
          min_number_of_allocations:
            description: Lower bound of the number. V(0) allows Elasticsearch to scale
              to zero, V(-1) removes the bound.
            type: int
          max_number_of_allocations:
            description: Upper bound of the number. V(-1) removes the bound.
            type: int
      initial_number_of_allocations:
        description: Number of allocations for the first start only. The module never compares
          it, so that other clients may scale.
        type: int
      threads_per_allocation:
        description: Threads of each allocation. Only a start can set it; see O(deployments[].replace).
        type: int
        choices: [1, 2, 4, 8, 16, 32]
      priority:
        description: V(low) uses only capacity that deployments of priority V(normal) leave.
          Only a start can set it; see O(deployments[].replace).
        type: str
        choices: [normal, low]
      queue_capacity:
        description: How many requests may wait on each node; the node rejects more. Only
          a start can set it; see O(deployments[].replace).
        type: int
      cache_size:
        description: Memory for cached results on each node, for instance V(500mb). Only
          a start can set it; see O(deployments[].replace).
        type: str
      replace:
        description: What to do if a setting differs that only a start can set.
        type: str
        choices: [never, stop_start]
        default: never
      on_missing:
        description: What to do if the deployment does not exist and O(deployments[].state)
          is V(started) or V(restarted).
        type: str
        choices: [start, fail, skip]
        default: start
      on_adaptive:
        description: What to do if O(deployments[].number_of_allocations) is given without
          O(deployments[].adaptive_allocations), and adaptive allocations are enabled.
        type: str
        choices: [fail, skip, override]
        default: fail
      on_failed:
        description: What to do if the deployment exists and has failed on all its nodes.
        type: str
        choices: [fail, recover]
        default: fail
      on_referenced:
        description: What to do before a stop if an inference endpoint, an ingest pipeline
          or a model alias uses the deployment.
        type: str
        choices: [fail, force]
        default: fail
      on_endpoint_owned:
        description: What to do if an inference endpoint owns the deployment and the task
          would change its allocations.
        type: str
        choices: [fail, update_endpoint, update_deployment]
        default: fail
      finish_pending_work:
        description: Whether a stop lets queued requests finish. Needs Elasticsearch 8.11
          or newer. If it is not given, the server decides.
        type: bool
      recovery_file:
        description: File in which the task keeps the settings while it stops a deployment
          to start it again. The next run completes a run that was killed in between. It
          is on the machine where the code runs, with a local connection the controller;
          each deployment needs its own.
        type: path
      guard:
        description: Limits for a change of the number of allocations. If the change exceeds
          them, the task does not make it at all, and never reduces it to what is allowed.
          Check mode decides in the same way.
        type: dict
        suboptions:
          number_of_allocations:
            description: The number that you expect before the change.
            type: int
          min:
            description: The lowest number that the task may set. A value above V(0) forbids
              a stop.
            type: int
          max:
            description: The highest number that the task may set.
            type: int
          max_step:
            description: By how much the task may change the number, up or down.
            type: int
          on_violation:
            description: What to do if the change exceeds a limit.
            type: str
            choices: [fail, skip]
            default: fail
      preflight:
        description: Has no effect here.
        type: str
        choices: [fail, warn, 'off']
      wait:
        description: Has no effect here.
        type: bool
      wait_for:
        description: Has no effect here.
        type: str
        choices: [started, fully_allocated, steady, answering]
      wait_docs:
        description: Has no effect here.
        type: raw
      allow_zero:
        description: Has no effect here.
        type: bool
      wait_timeout:
        description: Has no effect here.
        type: raw
      on_unsatisfied:
        description: Has no effect here.
        type: str
        choices: [fail, keep, rollback]
      # END items
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.info_module
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
notes:
  - Needs the cluster privilege C(monitor_ml) for processors and memory, and C(monitor) for zones, settings, shutdowns
    and the targets of the routes. RV(missing) names what could not be read; see
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
  - Elasticsearch shows the memory of its nodes from 8.2 on. Serverless shows nothing of its nodes.
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployments
  - module: mlops.elasticsearch.trained_model_deployment_info
  - plugin: mlops.elasticsearch.capacity_table
    plugin_type: filter
  - ref: ansible_collections.mlops.elasticsearch.docsite.capacity
    description: How much room there is, and what will fit.
"""

EXAMPLES = r"""
- name: Look whether a model has room
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Read the room on the nodes
      mlops.elasticsearch.ml_capacity_info:
        fit:
          - model_id: sentiment
            threads_per_allocation: 2
          - model_bytes: 418mb
      register: capacity

    - name: Show it as a table
      ansible.builtin.debug:
        msg: "{{ capacity.nodes | mlops.elasticsearch.capacity_table }}"

    - name: Fail unless four more allocations fit
      ansible.builtin.assert:
        that: capacity.fit[0].allocations >= 4
        fail_msg: "{{ capacity.fit[0].reasons }}"

- name: Change nothing unless all of it would fit
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Find out whether the list would fit
      mlops.elasticsearch.ml_capacity_info:
        deployments:
          - deployment_id: sentiment-search
            model_id: sentiment
            number_of_allocations: 4
          - deployment_id: sentiment-ingest
            model_id: sentiment
            number_of_allocations: 2
      register: capacity

    - name: Stop here if it would not
      ansible.builtin.assert:
        that: capacity.plan.fits is not false
        fail_msg: "{{ capacity.plan.reasons }}"

# A task for a play like these, whose module_defaults have the connection.
- name: Find out how many deployments of low priority fit
  mlops.elasticsearch.ml_capacity_info:
    fit:
      - model_id: sentiment
        priority: low
"""

RETURN = r"""
nodes:
  description:
    - One item for each node with the role C(ml), sorted by name. Sizes are in bytes.
    - What could not be read is null, and RV(missing) names it.
  returned: always
  type: list
  elements: dict
  contains:
    node_id: {description: Id of the node., type: str, returned: always, sample: 7gQbtd5tQv2Ea0DuLCa1mA}
    node_name: {description: Name of the node., type: str, returned: always, sample: ml-1}
    roles: {description: All of its roles., type: list, elements: str, returned: always, sample: [ml]}
    zone:
      description:
        - Its values of the attributes that make the zones, which
          C(cluster.routing.allocation.awareness.attributes) names; an empty list if there are no zones.
        - Null if it lacks one of them. Such a node gets no allocations.
      type: list
      elements: str
      returned: always
      sample: [eu-west-1a]
    architecture:
      description: Its platform, as models name it.
      type: str
      returned: always
      sample: linux-x86_64
    shutting_down:
      description: Whether it is being shut down. Then it gets no allocations.
      type: bool
      returned: always
      sample: false
    processors:
      description:
        - C(total) processors, how many of them deployments have (C(used)), and those that are C(free).
        - Deployments of low priority take none.
      type: dict
      returned: always
      sample: {total: 8, used: 6, free: 2}
    memory:
      description:
        - All that machine learning may take (C(total)), what native code has (C(overhead)), what anomaly detection and
          data frame analytics have (C(jobs)), what Elasticsearch reckons for C(deployments), and what is C(free).
        - C(observed) is what the processes of the deployments do have, as far as Elasticsearch 9.5 or newer shows it.
      type: dict
      returned: always
      sample:
        total: 8589934592
        overhead: 31457280
        jobs: 0
        deployments: 1128366080
        free: 7430111232
        observed: 1310720000
    deployments:
      description:
        - What each deployment has of the node. C(memory) is what Elasticsearch reckons for its allocations there, and
          C(observed_memory) what its process has, where the server shows it.
        - C(target_allocations) is null without the privilege C(monitor).
      type: list
      elements: dict
      returned: always
      sample:
        - deployment_id: sentiment
          model_id: sentiment
          priority: normal
          routing_state: started
          current_allocations: 2
          target_allocations: 2
          processors: 2
          memory: 1128366080
          observed_memory: null
fit:
  description: One item for each of O(fit), in their order.
  returned: always
  type: list
  elements: dict
  contains:
    model_id:
      description: Id of the model; null if only a size was given.
      type: str
      returned: always
      sample: sentiment
    model_bytes: {description: Size of the model., type: int, returned: always, sample: 438123914}
    threads_per_allocation: {description: Threads of each allocation., type: int, returned: always, sample: 2}
    priority: {description: Priority., type: str, returned: always, sample: normal}
    deployment_id:
      description: Id that the new deployment was planned with. Between equal plans, Elasticsearch decides by ids.
      type: str
      returned: always
      sample: sentiment
    allocations:
      description:
        - Each number of allocations up to this one is certain to have room. Of low priority, a number of deployments.
        - Null if nothing about the nodes can be read.
      type: int
      returned: always
      sample: 5
    at_most:
      description:
        - No number above this one has room. Where something could not be read, it is what the processors and the memory
          of the nodes allow, as far as they are known.
      type: int
      returned: always
      sample: 5
    kind:
      description: V(exact) if RV(fit[].allocations) and RV(fit[].at_most) are the same, else V(bounds).
      type: str
      returned: always
      sample: exact
    nodes:
      description:
        - The nodes on which RV(fit[].allocations) of them would run.
        - C(allocations) is null where plans that are equally good give a node different numbers.
      type: list
      elements: dict
      returned: always
      sample: [{node_id: 7gQbtd5tQv2Ea0DuLCa1mA, node_name: ml-1, allocations: 5}]
    displaced:
      description: Deployments that would then have fewer allocations than now. Low priority gives way to normal.
      type: list
      elements: str
      returned: always
      sample: [sentiment-nightly]
    reasons:
      description: Why not more, for each node; or what could not be read.
      type: list
      elements: str
      returned: always
      sample: ["ml-1: 1 of 8 processors free, 2 needed"]
plan:
  description:
    - Whether O(deployments) would fit, all together and in the order in which they would be sent.
    - Null without that option.
  returned: always
  type: dict
  contains:
    fits:
      description: Whether all of them would have all of their allocations. Null if that is not certain.
      type: bool
      returned: always
      sample: false
    kind:
      description: V(exact), V(bounds), or null if it cannot be predicted.
      type: str
      returned: always
      sample: exact
    deployments:
      description:
        - One item for each of O(deployments), with the allocations that are C(wanted), C(placed) and C(missing). The
          last two are null if they are not certain.
        - C(routing_table) is the one that check mode of M(mlops.elasticsearch.trained_model_deployments) predicts.
      type: list
      elements: dict
      returned: always
      sample:
        - deployment_id: sentiment
          wanted: 4
          placed: 3
          missing: 1
          routing_table:
            7gQbtd5tQv2Ea0DuLCa1mA:
              node_name: ml-1
              routing_state: starting
              reason: null
              current_allocations: null
              target_allocations: 3
    reasons:
      description: Why not all of it fits, with what each node lacks; or why that is not certain.
      type: list
      elements: str
      returned: always
      sample:
        - "The ML nodes have room for 3 of the 4 allocations of deployment 'sentiment'. ml-1: 1 of 8 processors free, 2
          needed."
may_grow:
  description: Whether the cluster may get more or larger nodes. Elasticsearch then accepts what does not fit, and
    starts it once there is room. Null if the settings could not be read.
  returned: always
  type: bool
  sample: false
missing:
  description: What could not be read, with the privilege that it needs; null if no privilege helps.
  returned: always
  type: list
  elements: dict
  sample: [{what: zones, privilege: monitor}]
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

from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
