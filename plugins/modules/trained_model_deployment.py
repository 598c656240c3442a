#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model_deployment
short_description: Start, scale, restart or stop a trained model deployment
version_added: 0.1.0
description:
  - Brings one deployment of a trained model in Elasticsearch into the desired state, and waits until it is ready.
  - Most tasks need only O(model_id), O(number_of_allocations), O(hosts), and a credential such as O(api_key).
  - The module reads the deployment first and writes only what differs. A second run with the same options sends no
    write request. Options that are not given leave the setting as it is.
  - O(state=stopped) stops the deployment. A setting that only a start can set, such as the threads, is changed with
    O(replace=stop_start); without it the task fails and names the setting.
  - The C(on_*) options say what to do in these cases. The defaults fit most tasks.
  - "O(on_missing): the deployment does not exist. V(start), the default, starts it."
  - "O(on_adaptive): a fixed number is given while adaptive allocations are enabled. V(fail), the default, fails."
  - "O(on_failed): the deployment has failed on all its nodes. V(fail), the default, reports the reasons."
  - "O(on_referenced): the task would stop a deployment that an inference endpoint, an ingest pipeline or a
    model alias uses. V(fail), the default, names them."
  - "O(on_endpoint_owned): the task would change a deployment that was created with an inference endpoint. V(fail), the
    default, changes nothing."
  - "O(guard.on_violation): the change exceeds a limit of O(guard). V(fail), the default, names each limit."
  - "O(on_unsatisfied): the change is accepted, and the deployment is not ready in time. V(fail), the default, keeps the
    change and fails."
options:
  deployment_id:
    description:
      - Id of the deployment. Defaults to O(model_id); one of the two is required.
      - Both must be text, so quote an id such as V(007). Null or empty text beside O(model_id) is refused, since the
        task would work on another deployment.
      - An id that differs from the model's id needs Elasticsearch 8.8 or newer.
    type: str
  model_id:
    description:
      - Id or alias of the trained model. Required only to start a deployment whose id differs from the model's id.
      - If only this is given, and the model runs only under other deployment ids, the task refuses a stop and a
        restart, and warns before a start. The message names these ids.
    type: str
  state:
    description:
      - V(started) starts the deployment if it does not run, and updates it if it differs. V(stopped) stops it.
        V(restarted) always stops it and starts it again with its own settings, overridden by the given options.
      - Requests to the deployment fail during a restart.
    type: str
    choices: [started, stopped, restarted]
    default: started
  number_of_allocations:
    description:
      - Number of allocations, in total over the cluster (before Elasticsearch 8.4 on each node); at least V(1).
      - Changing it for a running deployment needs Elasticsearch 8.6 or newer. Before, O(replace=stop_start) changes it.
      - While adaptive allocations are enabled, as on Elasticsearch Serverless always, O(on_adaptive) decides.
    type: int
  adaptive_allocations:
    description:
      - Let Elasticsearch set the number of allocations by load. Needs Elasticsearch 8.16 or newer.
      - Can be combined with O(number_of_allocations) only if O(adaptive_allocations.enabled) is V(false). One request
        then turns adaptive allocations off and sets the number.
      - Sub-options that are not given leave the setting as it is.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether Elasticsearch sets the number of allocations. Elasticsearch Serverless always does.
          - Bounds that are given without it have no effect while this is V(false); then the task warns.
        type: bool
      min_number_of_allocations:
        description:
          - Lower bound of the number. V(0) allows Elasticsearch to scale to zero, V(-1) removes the bound.
          - With V(0) the task also accepts a deployment that is scaled to zero, see O(allow_zero).
        type: int
      max_number_of_allocations:
        description: Upper bound of the number. V(-1) removes the bound.
        type: int
  initial_number_of_allocations:
    description:
      - Number of allocations for the first start only. The module never compares it, so that other clients may scale.
      - Cannot be combined with O(number_of_allocations) or enabled adaptive allocations.
      - Elasticsearch Serverless may not keep it; then the task warns.
    type: int
  threads_per_allocation:
    description:
      - Threads of each allocation. Only a start can set it; see O(replace).
      - If it is not given, the server starts a deployment with V(1).
    type: int
    choices: [1, 2, 4, 8, 16, 32]
  priority:
    description:
      - V(low) uses only capacity that deployments of priority V(normal) leave. Only a start can set it; see O(replace).
      - V(low) allows one allocation with one thread, and needs Elasticsearch 8.6 or newer.
    type: str
    choices: [normal, low]
  queue_capacity:
    description:
      - How many requests may wait on each node; the node rejects more. Only a start can set it; see O(replace).
      - At most V(100000), before Elasticsearch 8.17 V(1000000). The default depends on the server's version.
    type: int
  cache_size:
    description:
      - Memory for cached results on each node, for instance V(500mb). Only a start can set it; see O(replace).
      - V(0) turns the cache off. The default is the size of the model. Needs Elasticsearch 8.4 or newer.
      - The module compares it to the byte if the user may read the cluster state, otherwise to the decimal that the
        statistics show.
    type: str
  replace:
    description:
      - What to do if a setting differs that only a start can set.
      - V(never) fails and names each difference. V(stop_start) stops the deployment and starts it again with the
        changed and all other settings. Requests to it fail meanwhile.
      - If Elasticsearch refuses the start, the task starts the deployment with its previous settings and fails.
    type: str
    choices: [never, stop_start]
    default: never
  on_missing:
    description:
      - What to do if the deployment does not exist and O(state) is V(started) or V(restarted).
      - V(start) starts it, V(fail) fails, V(skip) does nothing, warns, and gives the reason in RV(skipped_because).
      - With O(state=stopped) the task succeeds if the deployment does not exist, unless this is V(fail).
    type: str
    choices: [start, fail, skip]
    default: start
  on_adaptive:
    description:
      - What to do if O(number_of_allocations) is given without O(adaptive_allocations), and adaptive allocations are
        enabled.
      - V(fail) fails, V(skip) leaves the number alone and warns, V(override) turns adaptive allocations off and sets
        the number.
    type: str
    choices: [fail, skip, override]
    default: fail
  on_failed:
    description:
      - What to do if the deployment exists and has failed on all its nodes.
      - V(fail) fails and reports the reasons. V(recover) stops the deployment and starts it again with its own
        settings, overridden by the given options. Requests to it fail meanwhile.
      - V(recover) also recovers a deployment that has nodes, but no running allocation after O(wait_timeout). Check
        mode and O(wait=false) cannot detect this.
    type: str
    choices: [fail, recover]
    default: fail
  on_referenced:
    description:
      - What to do before a stop if an inference endpoint, an ingest pipeline or a model alias uses the deployment.
      - V(fail) names these consumers and stops nothing. V(force) stops the deployment nevertheless; see RV(used_by).
      - If the user may not read the consumers, the task warns and relies on Elasticsearch to refuse the stop. Versions
        that do not check all of them make the task fail.
    type: str
    choices: [fail, force]
    default: fail
  on_endpoint_owned:
    description:
      - What to do if an inference endpoint owns the deployment and the task would change its allocations.
      - V(fail) changes nothing. V(update_endpoint) changes them through the endpoint, so that both agree, from
        Elasticsearch 8.17 on, for adaptive allocations from 9.2 on. V(update_deployment) works up to Elasticsearch 9.1,
        changes only the deployment and warns which settings the endpoint keeps.
    type: str
    choices: [fail, update_endpoint, update_deployment]
    default: fail
  finish_pending_work:
    description:
      - Whether a stop lets queued requests finish. Needs Elasticsearch 8.11 or newer. If it is not given, the server
        decides.
    type: bool
  recovery_file:
    description:
      - File in which the task keeps the settings while it stops a deployment to start it again. The next run completes
        a run that was killed in between. It is on the machine where the code runs, with a local connection the
        controller; each deployment needs its own.
      - Without it, a killed task loses every setting that it does not give. Check mode reads the file and never writes
        or removes it.
    type: path
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
  - mlops.elasticsearch.facts
  - mlops.elasticsearch.facts.deployments
  - mlops.elasticsearch.guard
  - mlops.elasticsearch.preflight
  - mlops.elasticsearch.wait
attributes:
  check_mode:
    support: full
    details: Sends no write request.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: O(state=restarted) restarts each time. With all other options a second run changes nothing.
notes:
  - Reads need the cluster privilege C(monitor_ml), changes C(manage_ml). Some options need more; see
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment_info
  - module: mlops.elasticsearch.trained_model_deployments
  - ref: ansible_collections.mlops.elasticsearch.docsite.getting_started
    description: Install the collection, look, scale, and undo.
  - ref: ansible_collections.mlops.elasticsearch.docsite.scaling
    description: Adaptive allocations, and settings that only a start can set.
  - ref: ansible_collections.mlops.elasticsearch.docsite.limits
    description: Guards, and dry runs for approval.
  - ref: ansible_collections.mlops.elasticsearch.docsite.waiting
    description: What a task waits for, and what a rollback does.
  - ref: ansible_collections.mlops.elasticsearch.docsite.recovery
    description: Failed and hanging deployments, and recovery files.
  - ref: ansible_collections.mlops.elasticsearch.docsite.references
    description: Consumers of a deployment, and deployments that an endpoint owns.
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
"""

EXAMPLES = r"""
- name: Run two allocations of a model
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Start or scale the deployment
      mlops.elasticsearch.trained_model_deployment:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        model_id: sentiment
        number_of_allocations: 2

- name: Serve searches and ingest from two deployments of one model
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Start both, or change what differs
      mlops.elasticsearch.trained_model_deployment:
        model_id: sentiment
        deployment_id: "{{ item.id }}"
        threads_per_allocation: "{{ item.threads }}"
        number_of_allocations: "{{ item.allocations }}"
      loop:
        - {id: sentiment-search, threads: 2, allocations: 1}
        - {id: sentiment-ingest, threads: 1, allocations: 3}
      loop_control:
        label: "{{ item.id }}"

    - name: Show where they run
      ansible.builtin.debug:
        msg: "{{ ansible_facts.elasticsearch_ml_deployments | dict2items | map(attribute='value.routing_table') }}"

# Tasks for a play like the second one, whose module_defaults have the connection.
- name: Scale with load, between one and four allocations
  mlops.elasticsearch.trained_model_deployment:
    deployment_id: sentiment-search
    adaptive_allocations:
      enabled: true
      min_number_of_allocations: 1
      max_number_of_allocations: 4

- name: Turn adaptive allocations off and set a fixed number
  mlops.elasticsearch.trained_model_deployment:
    deployment_id: sentiment-search
    number_of_allocations: 2
    on_adaptive: override

- name: Use four threads instead of two, which needs a stop and a start
  mlops.elasticsearch.trained_model_deployment:
    deployment_id: sentiment-search
    threads_per_allocation: 4
    replace: stop_start

- name: Scale from three to four, unless another client has changed the number
  mlops.elasticsearch.trained_model_deployment:
    deployment_id: sentiment-ingest
    number_of_allocations: 4
    guard:
      number_of_allocations: 3
      max: 8

- name: Scale up, or roll back
  mlops.elasticsearch.trained_model_deployment:
    deployment_id: sentiment-ingest
    number_of_allocations: 5
    wait_timeout: 600
    on_unsatisfied: rollback

- name: Start it again if it has failed, and keep its settings in case the task is killed
  mlops.elasticsearch.trained_model_deployment:
    deployment_id: sentiment-ingest
    on_failed: recover
    recovery_file: "{{ recovery_folder }}/sentiment-ingest.json"

- name: Stop the deployment for ingest, unless it still has consumers
  mlops.elasticsearch.trained_model_deployment:
    deployment_id: sentiment-ingest
    state: stopped

- name: Lengthen the queue even though consumers will fail during the restart
  mlops.elasticsearch.trained_model_deployment:
    deployment_id: sentiment-search
    queue_capacity: 20000
    replace: stop_start
    on_referenced: force
"""

RETURN = r"""
operation:
  description:
    - What the task did, or in check mode would do.
    - One of V(none), V(start), V(update), V(stop), V(restart), V(replace) and V(recover). After a failure that changed
      nothing it is V(none), after a failure with a rollback V(rollback).
  returned: always
  type: str
  sample: update
skipped_because:
  description: Why the task skipped a change, if an option asks for that; otherwise null. Also shown as a warning.
  returned: always
  type: str
  sample: adaptive allocations are enabled and on_adaptive is skip
deployment:
  description: The deployment after the task, in check mode as predicted; null if there is none.
  returned: always
  type: dict
  contains:
    deployment_id: {description: Id of the deployment., type: str, returned: success, sample: sentiment}
    model_id: {description: Id of the model it runs., type: str, returned: success, sample: sentiment}
    number_of_allocations: {description: Desired number of allocations., type: int, returned: success, sample: 4}
    adaptive_allocations:
      description: C(enabled) and the two bounds, or null if never set.
      type: dict
      returned: success
      sample: {enabled: true, min_number_of_allocations: 1, max_number_of_allocations: 4}
    threads_per_allocation:
      description: Threads of each allocation; null if only statistics can be read, and this version has wrong ones.
      type: int
      returned: success
      sample: 1
    priority: {description: Priority., type: str, returned: success, sample: normal}
    queue_capacity: {description: Requests that may wait on each node., type: int, returned: success, sample: 10000}
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
    reason: {description: The server's explanation of the state., type: str, returned: success, sample: null}
    start_time:
      description: Time of the start, in UTC.
      type: str
      returned: success
      sample: "2026-05-04T09:30:00.000Z"
    allocation_status:
      description: Number of running and of desired allocations; null while stopping, and in a prediction.
      type: dict
      returned: success
      sample: {allocation_count: 4, target_allocation_count: 4, state: fully_allocated}
routing_table:
  description:
    - "Where the deployment runs: for each node id its name, state and reason, and its current and target allocations."
    - A value that the source lacks is null. Check mode predicts the nodes and the target allocations of a change as far
      as they are certain; see RV(prediction).
  returned: always
  type: dict
  sample:
    7gQbtd5tQv2Ea0DuLCa1mA:
      node_name: ml-1
      routing_state: started
      reason: null
      current_allocations: 4
      target_allocations: 4
routing_table_before:
  description: RV(routing_table) as it was read before the change; empty if nothing ran, and null if it was not read.
  returned: always
  type: dict
  sample:
    7gQbtd5tQv2Ea0DuLCa1mA:
      node_name: ml-1
      routing_state: started
      reason: null
      current_allocations: 2
      target_allocations: 2
routing_source:
  description:
    - Source of RV(routing_table).
    - V(cluster_state) is complete; V(stats), without the privilege for it, lacks the target allocations.
    - V(assignment) is the response to the write request, if the task does not wait; V(prediction) is check mode.
  returned: always
  type: str
  sample: cluster_state
prediction:
  description:
    - How certain RV(routing_table) is in check mode, if the task would change something; otherwise null.
    - "C(kind): with V(exact) Elasticsearch is certain to plan so, if nothing else changes meanwhile. With V(bounds) the
      target allocations that are not certain are null, and C(reasons) has the fewest and the most of each node. It is
      null if nothing can be said."
    - "C(missing): what could not be read (C(what)), and the cluster privilege that this needs (C(privilege))."
    - "C(reasons): sentences that say why it is not exact, then one for each node whose number is not certain, such as
      V(Node ml-1: 0 to 4 allocations.)."
  returned: always
  type: dict
  sample:
    kind: bounds
    missing: [{what: settings, privilege: monitor}]
    reasons: ["Node ml-1: 0 to 4 allocations."]
allocations:
  description:
    - "C(wanted): the desired number of allocations. C(assigned): how many have a node, null if unknown."
    - "C(running): how many run. C(missing): how many of the desired allocations do not run."
  returned: always
  type: dict
  sample: {wanted: 4, assigned: 4, running: 4, missing: 0}
before:
  description: The settings of the deployment before the task. C(state) is V(stopped) if it did not exist.
  returned: always
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
    - The same settings after the task. Null for values that only the server sets. After a failure, as read last.
    - C(state) is V(restarted) for a restart and a recovery.
  returned: always
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
  description:
    - The settings in which RV(before) and RV(after) differ, for C(--diff).
    - A deployment that does not run has only C(state=stopped). A default that Elasticsearch sets again is left out.
  returned: always
  type: dict
  sample:
    before: {number_of_allocations: 2}
    after: {number_of_allocations: 4}
api_calls:
  description: The write requests that the task sent, or in check mode would send, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - method: POST
      path: /_ml/trained_models/sentiment/deployment/_update
      query: {timeout: 30s}
      body: {number_of_allocations: 4}
waited:
  description:
    - How long the task waited, in how many polls, and whether it reached the condition of O(wait_for).
    - C(reached) is null if the task did not wait.
  returned: always
  type: dict
  sample: {seconds: 2.1, polls: 2, reached: true}
used_by:
  description:
    - The consumers of the deployment by kind, if the task planned a stop that no guard forbids; otherwise null.
    - A kind that the user may not read is null. Indices are also null if the endpoints are, through which they use a
      deployment.
  returned: always
  type: dict
  sample:
    inference_endpoints: [search-endpoint]
    ingest_pipelines: [enrich]
    model_aliases: []
    semantic_text_indices: [articles]
details:
  description:
    - What warnings leave out, because Ansible may print them whatever C(no_log) says. Sentences with the
      reasons that Elasticsearch gives, and the path of a recovery file that still has settings.
  returned: always
  type: list
  elements: str
  sample: ["The recovery file of deployment 'sentiment-search' is '/var/lib/ansible/sentiment-search.json'."]
start_checks:
  description:
    - The conditions that refuse a start, as the task saw them before its first write request. Each is V(ok),
      V(refused), or V(not_read) if it could not be read.
    - Null if the task planned no start, or if this server does not ask for it.
    - C(versions) is about the versions of the nodes, C(licence) about machine learning in the licence,
      C(upgrade_mode) about that of machine learning.
    - C(capacity) is about the room on the ML nodes, also for an update to more allocations, unless O(preflight) is
      V(off). It is V(short) if not all allocations may get a place and Elasticsearch may accept that.
    - If one could not be read before a stop, that is a warning.
  returned: always
  type: dict
  sample: {versions: ok, licence: ok, upgrade_mode: ok, capacity: not_read}
server:
  description: The server that answered. C(cluster_name) and C(cluster_uuid) are empty if the user may not read them.
  returned: always
  type: dict
  sample:
    version: 9.1.0
    flavor: default
    cluster_name: production
    cluster_uuid: 5a8sqTHMQdKEwg4SzSNtCQ
failure:
  description:
    - The kind of failure as a short, stable C(code), for playbooks to branch on; null on success.
    - The page Troubleshooting lists all codes.
  returned: always
  type: dict
  sample:
    code: no_capacity
error:
  description:
    - The error of the server or of the connection.
    - "C(kind) is one of V(connection), V(timeout), V(tls), V(credentials), V(privilege), V(licence), V(product),
      V(redirect), V(answer), V(upgrade_mode), V(versions), V(capacity), V(unavailable), V(library) and V(server)."
  returned: if a request failed
  type: dict
  sample:
    kind: capacity
    status: 429
    type: status_exception
    reason: Could not update deployment because there are not enough resources to provide all requested allocations
ansible_facts:
  description:
    - One fact, named by O(fact_name), with the deployments that the tasks of this run have applied.
    - Later tasks and loop items add to it; a stop removes the deployment, unless the entry is of another cluster. A
      task that fails sets no facts.
    - In check mode it has what would be there, and later tasks of the dry run plan from it. A stop leaves an entry
      whose C(deployment) is null. A task that runs for real replaces the entries of its deployments.
    - With C(run_once), and if several hosts delegate facts to one, the facts of the last host win. Use C(register)
      instead.
  returned: on success
  type: dict
  contains:
    elasticsearch_ml_deployments:
      description:
        - For each deployment id C(deployment), C(routing_table) and C(allocations) as above, and C(predicted), which is
          true in check mode if this task or an earlier one would change the deployment.
        - C(model_bytes), the size of the model, and C(cache_size_exact), which is false if the cache size is cut to one
          decimal, tell later tasks of a dry run whether the cache size is a default. Both are null if nothing runs.
        - C(per_deployment_memory_bytes) and C(per_allocation_memory_bytes), figures of the model, and
          C(max_assigned_allocations), the most allocations that ran at once, decide about the nodes that later tasks of
          a dry run predict; so do C(has_predicted_places), which is true if the targets in C(routing_table) are
          predicted and certain, and C(moved), the ids of other deployments whose places the change would alter. All
          but the last are null if nothing runs.
        - C(cluster) is the cluster that it is in. The C(uuid) identifies it. Name and uuid are null if the user may not
          read them. C(addresses) is a hash of the addresses of the task.
        - C(order) is the larger, the later in the run the entry was made.
        - C(run) identifies the run of Ansible that wrote the entry. The module drops entries of other runs, which come
          from a fact cache.
      type: dict
      returned: if O(fact_name) is set and the cluster was read
      sample:
        sentiment:
          deployment: {deployment_id: sentiment, number_of_allocations: 4}
          routing_table: {}
          allocations: {wanted: 4, assigned: 4, running: 4, missing: 0}
          model_bytes: 1048576
          cache_size_exact: true
          per_deployment_memory_bytes: 0
          per_allocation_memory_bytes: 0
          max_assigned_allocations: 4
          has_predicted_places: false
          moved: []
          cluster: {name: production, uuid: 3FgFLkTjT6-lgx3mGpSPiA}
          addresses: 5df6e0e2761359d3
          predicted: false
          run: 0242ac11-0002-5a2b-3c4d
          order: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.deployment import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
