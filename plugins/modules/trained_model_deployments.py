#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model_deployments
short_description: Bring many trained model deployments of a cluster about in one task
version_added: 0.1.0
description:
  - Brings a list of deployments into the wanted states with one reading, one plan and one wait, whatever their number.
  - Writes go out in an order that frees room before it is taken. Stops come first, then decreases, then increases,
    then starts, those of low priority last. Nothing waits for the nodes in between.
  - An item that fails does not keep the others. The task fails in the end and names each.
  - A mistake in the list itself is refused before any write, with all reasons at once. Such are an id that is there
    twice, an id that is another model's, an option that the server does not have, more deployments than the 100 that a
    cluster takes, and a total of more processors than its ML nodes have.
  - The last is only known with the cluster privilege C(monitor), and no mistake where the cluster may grow.
  - Each item is decided as by M(mlops.elasticsearch.trained_model_deployment).
options:
  deployments:
    description:
      - The deployments. Options that an item does not give leave the setting as it is.
      - See M(mlops.elasticsearch.trained_model_deployment) for what each means in detail.
    type: list
    elements: dict
    required: true
    suboptions:
      deployment_id:
        description: Id of the deployment. If left out, it is O(deployments[].model_id). One of them is required.
        type: str
      model_id:
        description: Id or alias of the trained model.
        type: str
      state:
        description: What is wanted. V(restarted) always stops and starts.
        type: str
        choices: [started, stopped, restarted]
        default: started
      number_of_allocations:
        description: How many allocations run, in total over the cluster; at least V(1).
        type: int
      adaptive_allocations:
        description: Let Elasticsearch set the number of allocations by load, from Elasticsearch 8.16 on.
        type: dict
        suboptions:
          enabled:
            description: Whether the scaler sets the number. Elasticsearch Serverless has no other way.
            type: bool
          min_number_of_allocations:
            description: The scaler does not go below it. V(0) lets it scale to zero, V(-1) removes the bound.
            type: int
          max_number_of_allocations:
            description: The scaler does not go above it. V(-1) removes the bound.
            type: int
      initial_number_of_allocations:
        description: How many allocations a first start has. Never compared afterwards.
        type: int
      threads_per_allocation:
        description: Threads of each allocation. Fixed at start.
        type: int
        choices: [1, 2, 4, 8, 16, 32]
      priority:
        description: V(low) takes only what the others leave. Fixed at start.
        type: str
        choices: [normal, low]
      queue_capacity:
        description: How many requests may wait on each node. Fixed at start.
        type: int
      cache_size:
        description: Memory for cached results on each node, for instance V(500mb). Fixed at start.
        type: str
      replace:
        description: Whether a setting that is fixed at start may be changed by a stop and a start.
        type: str
        choices: [never, stop_start]
        default: never
      on_missing:
        description: What to do if the deployment does not exist.
        type: str
        choices: [start, fail, skip]
        default: start
      on_adaptive:
        description: What to do if a plain number is given while the scaler owns it.
        type: str
        choices: [fail, skip, override]
        default: fail
      on_failed:
        description: What to do if the deployment is there, and all its nodes have failed.
        type: str
        choices: [fail, recover]
        default: fail
      on_referenced:
        description: What to do if an inference endpoint, ingest pipeline or model alias uses what is to be stopped.
        type: str
        choices: [fail, force]
        default: fail
      on_endpoint_owned:
        description: What to do if an inference endpoint made the deployment whose allocations are to be changed.
        type: str
        choices: [fail, update_endpoint]
        default: fail
      finish_pending_work:
        description: Whether a stop lets queued requests finish. Needs Elasticsearch 8.11 or newer.
        type: bool
      guard:
        description: How far the number of allocations of this deployment may be moved.
        type: dict
        suboptions:
          number_of_allocations:
            description: The number that is expected before the change.
            type: int
          min:
            description: The lowest number that may be set. A value above V(0) forbids a stop.
            type: int
          max:
            description: The highest number that may be set.
            type: int
          max_step:
            description: By how much the number may be changed, up or down.
            type: int
      on_guarded:
        description: Overrides O(on_guarded) for the guard of this deployment.
        type: str
        choices: [fail, skip]
      recovery_file:
        description:
          - Where to keep the start request before a stop that precedes a start, on the machine where the code runs.
          - Each item needs a file of its own.
        type: path
      wait:
        description: Overrides O(wait) for this deployment.
        type: bool
      wait_for:
        description: Overrides O(wait_for) for this deployment.
        type: str
        choices: [started, fully_allocated, steady]
      allow_zero:
        description: Overrides O(allow_zero) for this deployment.
        type: bool
      wait_timeout:
        description:
          - Overrides O(wait_timeout) for this deployment. Time in which it was held back, so that others could free
            room first, does not count.
        type: float
      on_unsatisfied:
        description: Overrides O(on_unsatisfied) for this deployment.
        type: str
        choices: [fail, keep, rollback]
  stop_unlisted:
    description:
      - Whether to stop every deployment of the cluster that O(deployments) does not name.
      - Needs O(unlisted_except), so that nobody stops the deployments of others by mistake.
    type: bool
    default: false
  unlisted_except:
    description:
      - Ids of deployments that O(stop_unlisted) leaves alone, as shell patterns such as V(.*).
      - An empty list leaves none.
    type: list
    elements: str
  guard:
    description:
      - How far the whole list may move numbers of allocations. A list that goes beyond it is not carried out at all.
      - A deployment that is not there has V(0), so starts and stops count, those of O(stop_unlisted) too. Items that
        fail or are skipped do not count.
    type: dict
    suboptions:
      max_total_step:
        description: The largest sum of all changes of numbers, up or down.
        type: int
  on_guarded:
    description:
      - What to do if a guard is broken, O(guard) or that of an item.
      - V(fail) refuses the whole list before any write if it is that of the list, else only the item fails.
      - V(skip) changes nothing, of the whole list or of the item, and says so in C(skipped_because) of each.
    type: str
    choices: [fail, skip]
    default: fail
  detail:
    description:
      - How much RV(deployments) says. With V(changed) an item that was not changed, not skipped and did not fail has
        its id, C(changed) and C(operation) only, which keeps the results of large fleets small.
    type: str
    choices: [all, changed]
    default: all
  fact_name:
    description:
      - Name of the fact that collects the deployments of the run, by deployment id, to be read as
        C(ansible_facts.elasticsearch_deployments). Empty for none.
      - Two clusters that are driven from one host take two names.
    type: str
    default: elasticsearch_deployments
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
  - mlops.elasticsearch.wait
attributes:
  check_mode:
    support: full
    details: Needs only the cluster privilege C(monitor_ml), and sends no write.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: An item with O(deployments[].state=restarted) restarts each time. Everything else changes nothing the
      second time.
notes:
  - Check mode, and a task that finds nothing to do, need the cluster privilege C(monitor_ml). With C(monitor) they
    see the whole routing table.
  - Changes need C(manage_ml); to start and to stop, C(manage_inference) beside C(monitor_ml) is enough. Before the
    first write it is asked whether the user has it. See the guide on privileges.
author:
  - mlops.elasticsearch contributors (!UNKNOWN)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - module: mlops.elasticsearch.trained_model_deployment_info
"""

EXAMPLES = r"""
- name: Say once how the cluster is reached
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  block:
    - name: Run three deployments of two models
      mlops.elasticsearch.trained_model_deployments:
        deployments:
          - {model_id: sentiment, deployment_id: sentiment-search, threads_per_allocation: 2}
          - {model_id: sentiment, deployment_id: sentiment-ingest, number_of_allocations: 3}
          - model_id: .multilingual-e5-small
            adaptive_allocations: {enabled: true, min_number_of_allocations: 1, max_number_of_allocations: 4}

    - name: Move room from ingest to search
      mlops.elasticsearch.trained_model_deployments:
        deployments:
          - {deployment_id: sentiment-search, number_of_allocations: 4}
          - {deployment_id: sentiment-ingest, number_of_allocations: 1}
        detail: changed

    - name: Let nothing else run but what Elastic names with a dot
      mlops.elasticsearch.trained_model_deployments:
        deployments:
          - {deployment_id: sentiment-search}
        stop_unlisted: true
        unlisted_except: [".*"]
        guard:
          max_total_step: 4
"""

RETURN = r"""
deployments:
  description:
    - One item for each of O(deployments), in their order, then one for each deployment that O(stop_unlisted) stopped.
    - Empty if the list was refused before the cluster was read, or the cluster could not be read.
  returned: always
  type: list
  elements: dict
  contains:
    deployment_id:
      description: Id of the deployment.
      type: str
      returned: always
      sample: sentiment-search
    changed:
      description: Whether this deployment was changed, or in check mode would be.
      type: bool
      returned: always
      sample: true
    failed:
      description: True if this deployment failed.
      type: bool
      returned: if it failed
      sample: true
    msg:
      description: Why this deployment failed.
      type: str
      returned: if it failed
      sample: "Deployment 'sentiment-search' cannot be changed in place: threads_per_allocation is 1, wanted is 2."
    operation:
      description:
        - What was done, or in check mode would be done.
        - One of V(none), V(start), V(update), V(stop), V(restart), V(replace) and V(recover). V(none) after a failure
          that changed nothing, V(rollback) after one that restored what was before.
      returned: always
      type: str
      sample: update
    failure:
      description: The kind of failure of this deployment as a short, stable C(code); null if it did not fail.
      returned: unless detail is changed and it was not changed
      type: dict
      sample:
        code: guard_violated
    skipped_because:
      description: Why nothing was done although something was asked for, if an option says to skip then; else null.
      returned: unless detail is changed and it was not changed
      type: str
      sample: adaptive allocations are enabled and on_adaptive is skip
    deployment:
      description: The deployment as it is, in check mode as it would be, or null if there is none.
      returned: unless detail is changed and it was not changed
      type: dict
      contains:
        deployment_id: {description: Id of the deployment., type: str, returned: success, sample: sentiment}
        model_id: {description: Id of the model it runs., type: str, returned: success, sample: sentiment}
        number_of_allocations: {description: Wanted number of allocations., type: int, returned: success, sample: 4}
        adaptive_allocations:
          description: C(enabled) and the two bounds, or null if never set.
          type: dict
          returned: success
          sample: {enabled: true, min_number_of_allocations: 1, max_number_of_allocations: 4}
        threads_per_allocation: {description: Threads of each allocation., type: int, returned: success, sample: 1}
        priority: {description: Priority., type: str, returned: success, sample: normal}
        queue_capacity: {description: Requests that may wait on each node., type: int, returned: success, sample: 10000}
        cache_size:
          description: Size of the cache. Exact from the cluster state, cut to one decimal from the statistics.
          type: str
          returned: success
          sample: 67108864b
        assignment_state:
          description: One of V(starting), V(started), V(stopping) and V(failed).
          type: str
          returned: success
          sample: started
        reason: {description: What the server says about its state., type: str, returned: success, sample: null}
        start_time:
          description: When it was started, in UTC.
          type: str
          returned: success
          sample: "2026-05-04T09:30:00.000Z"
        allocation_status:
          description: How many allocations run of those wanted; null while stopping, and where it is predicted.
          type: dict
          returned: success
          sample: {allocation_count: 4, target_allocation_count: 4, state: fully_allocated}
    routing_table:
      description:
        - "Where the deployment runs: for each node id its name, state and reason, its current and wanted allocations."
        - What the source cannot tell is null. The nodes that a change would use are not predicted in check mode.
      returned: unless detail is changed and it was not changed
      type: dict
      sample:
        7gQbtd5tQv2Ea0DuLCa1mA:
          node_name: ml-1
          routing_state: started
          reason: null
          current_allocations: 4
          target_allocations: 4
    routing_source:
      description:
        - Where C(routing_table) comes from.
        - V(cluster_state) needs the cluster privilege C(monitor) and has everything; V(stats) lacks wanted allocations.
        - V(assignment) is the answer to the write, if the task does not wait; V(prediction) is check mode.
      returned: unless detail is changed and it was not changed
      type: str
      sample: cluster_state
    allocations:
      description:
        - "C(wanted): the number of allocations. C(assigned): how many have a node, null where the source cannot tell."
        - "C(running): how many answer requests. C(missing): how many of the wanted do not."
      returned: unless detail is changed and it was not changed
      type: dict
      sample: {wanted: 4, assigned: 4, running: 4, missing: 0}
    before:
      description: What a user owns of the deployment, before. C(state) is V(stopped) if nothing was deployed.
      returned: unless detail is changed and it was not changed
      type: dict
      sample:
        adaptive_allocations: null
        cache_size: 67108864b
        deployment_id: sentiment
        model_id: sentiment
        number_of_allocations: 2
        priority: normal
        queue_capacity: 10000
        state: started
        threads_per_allocation: 1
    after:
      description:
        - The same, after. Null where only the server fills it in. After a failure it is what was seen last.
        - C(state) is V(restarted) for a restart and a recovery.
      returned: unless detail is changed and it was not changed
      type: dict
      sample:
        adaptive_allocations: null
        cache_size: 67108864b
        deployment_id: sentiment
        model_id: sentiment
        number_of_allocations: 4
        priority: normal
        queue_capacity: 10000
        state: started
        threads_per_allocation: 1
    diff:
      description: C(before) and C(after), for C(--diff).
      returned: unless detail is changed and it was not changed
      type: dict
      sample:
        before: {number_of_allocations: 2}
        after: {number_of_allocations: 4}
    api_calls:
      description: The writes that were done, or in check mode would be done, in their order.
      returned: unless detail is changed and it was not changed
      type: list
      elements: dict
      sample:
        - method: POST
          path: /_ml/trained_models/sentiment/deployment/_update
          query: {timeout: 30s}
          body: {number_of_allocations: 4}
    waited:
      description:
        - How long the task waited, in how many polls, and whether what it waited for was reached.
        - C(reached) is null if the task did not wait.
      returned: unless detail is changed and it was not changed
      type: dict
      sample: {seconds: 2.1, polls: 2, reached: true}
    used_by:
      description:
        - Who uses the deployment, by kind, if a stop was planned that no guard forbids; else null. It is looked up for
          no other task.
        - A kind that the user may not read is null.
      returned: unless detail is changed and it was not changed
      type: dict
      sample:
        inference_endpoints: [search-endpoint]
        ingest_pipelines: [enrich]
        model_aliases: []
    error:
      description:
        - What the server or the connection said.
        - "C(kind) is one of V(connection), V(timeout), V(tls), V(credentials), V(privilege), V(licence), V(product),
          V(redirect), V(answer), V(capacity), V(unavailable), V(library) and V(server)."
      returned: if a request failed
      type: dict
      sample:
        kind: capacity
        status: 429
        type: status_exception
        reason: Could not update deployment because there are not enough resources to provide all requested allocations
summary:
  description:
    - How many deployments there are in RV(deployments), and what became of them.
    - "C(operations): how many of each operation among those that were changed."
  returned: always
  type: dict
  sample: {deployments: 3, changed: 2, unchanged: 1, failed: 0, skipped: 0, operations: {start: 1, update: 1}}
diff:
  description: C(before) and C(after) of the changed deployments by id, for C(--diff).
  returned: always
  type: dict
  sample:
    before: {sentiment-search: {number_of_allocations: 1}}
    after: {sentiment-search: {number_of_allocations: 4}}
api_calls:
  description: The writes for all deployments that were done, or in check mode would be done, in their order.
  returned: always
  type: list
  elements: dict
  sample:
    - method: POST
      path: /_ml/trained_models/sentiment-ingest/deployment/_update
      query: {timeout: 30s}
      body: {number_of_allocations: 1}
    - method: POST
      path: /_ml/trained_models/sentiment-search/deployment/_update
      query: {timeout: 30s}
      body: {number_of_allocations: 4}
waited:
  description: How long the task took if it had to wait, and in how many polls, each for all deployments.
  returned: always
  type: dict
  sample: {seconds: 2.1, polls: 2}
server:
  description: The Elasticsearch that answered. C(cluster_name) is empty if the user may not read it.
  returned: always
  type: dict
  sample: {version: 9.1.0, flavor: default, cluster_name: production}
failure:
  description:
    - The kind of failure as a short, stable C(code), for playbooks to branch on; null on success.
    - It is V(deployments_failed) if deployments failed, each with a C(failure) of its own.
    - The page Troubleshooting lists all codes.
  returned: always
  type: dict
  sample:
    code: no_capacity
error:
  description:
    - What the server or the connection said.
    - "C(kind) is one of V(connection), V(timeout), V(tls), V(credentials), V(privilege), V(licence), V(product),
      V(redirect), V(answer), V(capacity), V(unavailable), V(library) and V(server)."
  returned: if the cluster could not be read
  type: dict
  sample:
    kind: capacity
    status: 429
    type: status_exception
    reason: Could not update deployment because there are not enough resources to provide all requested allocations
ansible_facts:
  description:
    - One fact, named by O(fact_name), with the deployments that tasks of this run have brought about.
    - Further tasks and loop items add to it, a stop removes its deployment. Ansible drops the facts of a failed task.
    - With C(run_once), and where several hosts delegate facts to one, the last one's facts win. Use C(register) there.
  returned: always
  type: dict
  contains:
    elasticsearch_deployments:
      description:
        - For each deployment id C(deployment), C(routing_table) and C(allocations) as above, and C(predicted), which is
          true in check mode if the task would change something.
        - C(run) marks the run of Ansible that wrote the entry. Entries of other runs, from a fact cache, are dropped.
      type: dict
      returned: if O(fact_name) is set and the cluster was read
      sample:
        sentiment:
          deployment: {deployment_id: sentiment, number_of_allocations: 4}
          routing_table: {}
          allocations: {wanted: 4, assigned: 4, running: 4, missing: 0}
          predicted: false
          run: 0242ac11-0002-5a2b-3c4d
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.run_fleet import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
