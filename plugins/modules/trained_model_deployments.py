#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model_deployments
short_description: Manage many trained model deployments in one task
version_added: 0.1.0
description:
  - Brings a list of deployments into the desired states. The module reads all deployments together, plans all changes
    before the first write, and waits for all deployments together.
  - Most tasks need only O(deployments), O(hosts), and a credential such as O(api_key). For each item the module decides
    as M(mlops.elasticsearch.trained_model_deployment) does, where the C(on_*) options of an item are described. These
    are those of the list.
  - "O(unlisted_on_referenced): O(stop_unlisted) would stop a deployment that has consumers. V(fail), the default, does
    not stop it."
  - "O(guard.on_violation): the list exceeds O(guard). V(fail), the default, changes nothing."
  - "O(on_unsatisfied): a change is accepted, and the deployment is not ready in time. V(fail), the default, keeps the
    change and fails."
  - It sends the write requests in an order that frees capacity first. Stops come first, then decreases, then increases,
    then starts, those of low priority last. An increase or a start waits until all stops and decreases of the list are
    done. This time does not count for O(wait_timeout).
  - A failed item does not stop the others. The task fails at the end and names each failed item. A mistake in the list
    itself fails the task before any write request.
options:
  deployments:
    description:
      - The deployments. Options that an item does not give leave the setting as it is.
      - M(mlops.elasticsearch.trained_model_deployment) describes each option in detail. Each item needs a
        C(recovery_file) of its own.
    type: list
    elements: dict
    required: true
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
        description: Overrides O(preflight) for this deployment.
        type: str
        choices: [fail, warn, 'off']
      wait:
        description: Overrides O(wait) for this deployment.
        type: bool
      wait_for:
        description: Overrides O(wait_for) for this deployment.
        type: str
        choices: [started, fully_allocated, steady, answering]
      wait_docs:
        description: Overrides O(wait_docs) for this deployment.
        type: raw
      allow_zero:
        description: Overrides O(allow_zero) for this deployment.
        type: bool
      wait_timeout:
        description: Overrides O(wait_timeout) for this deployment.
        type: raw
      on_unsatisfied:
        description: Overrides O(on_unsatisfied) for this deployment.
        type: str
        choices: [fail, keep, rollback]
      # END items
  stop_unlisted:
    description:
      - Whether to stop every deployment of the cluster that O(deployments) does not contain.
      - Requires O(unlisted_except), so that the task does not stop the deployments of other teams by mistake.
      - While a start of the list is refused because of the upgrade mode of machine learning, nodes of several versions,
        or the licence, the task stops none of them. Their items fail then, in check mode too.
    type: bool
    default: false
  unlisted_except:
    description:
      - Ids of deployments that O(stop_unlisted) leaves alone, as shell patterns such as V(.*). Null or empty items are
        refused, since they would except nothing.
      - An empty list excepts none.
    type: list
    elements: str
  unlisted_on_referenced:
    description:
      - What to do if an inference endpoint, an ingest pipeline or a model alias uses a deployment that O(stop_unlisted)
        would stop.
      - V(fail) does not stop it and names the consumers, V(force) stops it anyway.
    type: str
    choices: [fail, force]
    default: fail
  guard:
    description:
      - Limit for the changes of the whole list to numbers of allocations. If the list exceeds it, the task changes
        nothing.
      - A deployment that does not exist has V(0) allocations, so starts and stops count, those of O(stop_unlisted)
        included. Items that fail or are skipped do not count.
    type: dict
    suboptions:
      max_total_step:
        description: The largest allowed sum of all changes, up and down, to numbers of allocations.
        type: int
      on_violation:
        description:
          - What to do if the list exceeds the limit. The guard of an item has its own policy.
          - V(fail) fails the whole task before any write request. V(skip) skips the whole list, warns, and gives the
            reason in C(skipped_because) of each item that would change.
        type: str
        choices: [fail, skip]
        default: fail
  detail:
    description:
      - Which keys RV(deployments) has. With V(changed) an item that was neither changed nor skipped and did not fail
        has only its id, C(changed) and C(operation), which keeps the results of large fleets small.
    type: str
    choices: [all, changed]
    default: all
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
  - mlops.elasticsearch.facts
  - mlops.elasticsearch.facts.deployments
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
    details: An item with O(deployments[].state=restarted) restarts each time. With all other options a second run
      changes nothing.
notes:
  - Reads need the cluster privilege C(monitor_ml), changes C(manage_ml). Some options need more; see
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - module: mlops.elasticsearch.trained_model_deployment_info
  - ref: ansible_collections.mlops.elasticsearch.docsite.fleets
    description: The order of the changes, failures, and large lists.
  - ref: ansible_collections.mlops.elasticsearch.docsite.limits
    description: Guards, and dry runs for approval.
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
"""

EXAMPLES = r"""
- name: Run three deployments of two models
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Start them, or change what differs
      mlops.elasticsearch.trained_model_deployments:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        deployments:
          - {model_id: sentiment, deployment_id: sentiment-search, threads_per_allocation: 2}
          - {model_id: sentiment, deployment_id: sentiment-ingest, number_of_allocations: 3}
          - model_id: .multilingual-e5-small
            adaptive_allocations: {enabled: true, min_number_of_allocations: 1, max_number_of_allocations: 4}

- name: Move capacity from ingest to search
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Decrease one and increase the other
      mlops.elasticsearch.trained_model_deployments:
        deployments:
          - {deployment_id: sentiment-search, number_of_allocations: 4}
          - {deployment_id: sentiment-ingest, number_of_allocations: 1}
        detail: changed

# A task for a play like the second one, whose module_defaults have the connection.
- name: Stop all other deployments, except those with a leading dot
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
    - One item for each of O(deployments), in order, then one for each deployment that O(stop_unlisted) stopped.
    - Empty if the task refused the list before it read the cluster, or could not read the cluster.
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
      description: Whether the task changed this deployment, or in check mode would change it.
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
      sample: "Deployment 'sentiment-search' cannot be changed in place: threads_per_allocation is 1, not 2."
    failure:
      description: The kind of failure of this deployment as a short, stable C(code); null if it did not fail.
      returned: unless detail is changed and it was not changed
      type: dict
      sample:
        code: guard_violated
    # BEGIN item results
    operation:
      description:
        - What the task did, or in check mode would do.
        - One of V(none), V(start), V(update), V(stop), V(restart), V(replace) and V(recover). After a failure
          that changed nothing it is V(none), after a failure with a rollback V(rollback).
      type: str
      returned: unless detail is changed and it was not changed
      sample: update
    skipped_because:
      description: Why the task skipped a change, if an option asks for that; otherwise null. Also shown as
        a warning.
      type: str
      returned: unless detail is changed and it was not changed
      sample: adaptive allocations are enabled and on_adaptive is skip
    deployment:
      description: The deployment after the task, in check mode as predicted; null if there is none.
      type: dict
      returned: unless detail is changed and it was not changed
      contains:
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
          description: Threads of each allocation; null if only statistics can be read, and this version has
            wrong ones.
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
    routing_table:
      description:
        - 'Where the deployment runs: for each node id its name, state and reason, and its current and target
          allocations.'
        - A value that the source lacks is null. Check mode predicts the nodes and the target allocations of
          a change as far as they are certain; see C(prediction).
      type: dict
      returned: unless detail is changed and it was not changed
      sample:
        7gQbtd5tQv2Ea0DuLCa1mA:
          node_name: ml-1
          routing_state: started
          reason: null
          current_allocations: 4
          target_allocations: 4
    routing_table_before:
      description: C(routing_table) as it was read before the change; empty if nothing ran, and null if it
        was not read.
      type: dict
      returned: unless detail is changed and it was not changed
      sample:
        7gQbtd5tQv2Ea0DuLCa1mA:
          node_name: ml-1
          routing_state: started
          reason: null
          current_allocations: 2
          target_allocations: 2
    routing_source:
      description:
        - Source of C(routing_table).
        - V(cluster_state) is complete; V(stats), without the privilege for it, lacks the target allocations.
        - V(assignment) is the response to the write request, if the task does not wait; V(prediction) is check
          mode.
      type: str
      returned: unless detail is changed and it was not changed
      sample: cluster_state
    prediction:
      description:
        - How certain C(routing_table) is in check mode, if the task would change something; otherwise null.
        - 'C(kind): with V(exact) Elasticsearch is certain to plan so, if nothing else changes meanwhile. With
          V(bounds) the target allocations that are not certain are null, and C(reasons) has the fewest and
          the most of each node. It is null if nothing can be said.'
        - 'C(missing): what could not be read (C(what)), and the cluster privilege that this needs (C(privilege)).'
        - 'C(reasons): sentences that say why it is not exact, then one for each node whose number is not certain,
          such as V(Node ml-1: 0 to 4 allocations.).'
      type: dict
      returned: unless detail is changed and it was not changed
      sample:
        kind: bounds
        missing:
          - {what: settings, privilege: monitor}
        reasons:
          - 'Node ml-1: 0 to 4 allocations.'
    allocations:
      description:
        - 'C(wanted): the desired number of allocations. C(assigned): how many have a node, null if unknown.'
        - 'C(running): how many run. C(missing): how many of the desired allocations do not run.'
      type: dict
      returned: unless detail is changed and it was not changed
      sample: {wanted: 4, assigned: 4, running: 4, missing: 0}
    before:
      description: The settings of the deployment before the task. C(state) is V(stopped) if it did not exist.
      type: dict
      returned: unless detail is changed and it was not changed
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
        - The same settings after the task. Null for values that only the server sets. After a failure, as
          read last.
        - C(state) is V(restarted) for a restart and a recovery.
      type: dict
      returned: unless detail is changed and it was not changed
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
        - The settings in which C(before) and C(after) differ, for C(--diff).
        - A deployment that does not run has only C(state=stopped). A default that Elasticsearch sets again
          is left out.
      type: dict
      returned: unless detail is changed and it was not changed
      sample:
        before: {number_of_allocations: 2}
        after: {number_of_allocations: 4}
    api_calls:
      description: The write requests that the task sent, or in check mode would send, in order.
      type: list
      elements: dict
      returned: unless detail is changed and it was not changed
      sample:
        - method: POST
          path: /_ml/trained_models/sentiment/deployment/_update
          query: {timeout: 30s}
          body: {number_of_allocations: 4}
    waited:
      description:
        - How long the task waited, in how many polls, and whether it reached the condition of O(wait_for).
        - C(reached) is null if the task did not wait.
      type: dict
      returned: unless detail is changed and it was not changed
      sample: {seconds: 2.1, polls: 2, reached: true}
    used_by:
      description:
        - The consumers of the deployment by kind, if the task planned a stop that no guard forbids; otherwise
          null.
        - A kind that the user may not read is null. Indices are also null if the endpoints are, through which
          they use a deployment.
      type: dict
      returned: unless detail is changed and it was not changed
      sample:
        inference_endpoints: [search-endpoint]
        ingest_pipelines: [enrich]
        model_aliases: []
        semantic_text_indices: [articles]
    details:
      description: What warnings leave out, because Ansible may print them whatever C(no_log) says. Sentences
        with the reasons that Elasticsearch gives, and the path of a recovery file that still has settings.
      type: list
      elements: str
      returned: unless detail is changed and there is nothing to report
      sample:
        - The recovery file of deployment 'sentiment-search' is '/var/lib/ansible/sentiment-search.json'.
    start_checks:
      description:
        - The conditions that refuse a start, as the task saw them before its first write request. Each is
          V(ok), V(refused), or V(not_read) if it could not be read.
        - Null if the task planned no start, or if this server does not ask for it.
        - C(versions) is about the versions of the nodes, C(licence) about machine learning in the licence,
          C(upgrade_mode) about that of machine learning.
        - C(capacity) is about the room on the ML nodes, also for an update to more allocations, unless O(preflight)
          is V(off). It is V(short) if not all allocations may get a place and Elasticsearch may accept that.
        - If one could not be read before a stop, that is a warning.
      type: dict
      returned: unless detail is changed and it was not changed
      sample:
        versions: ok
        licence: ok
        upgrade_mode: ok
        capacity: not_read
    error:
      description:
        - The error of the server or of the connection.
        - C(kind) is one of V(connection), V(timeout), V(tls), V(credentials), V(privilege), V(licence), V(product),
          V(redirect), V(answer), V(upgrade_mode), V(versions), V(capacity), V(unavailable), V(library) and
          V(server).
      type: dict
      returned: if a request failed
      sample:
        kind: capacity
        status: 429
        type: status_exception
        reason: Could not update deployment because there are not enough resources to provide all requested
          allocations
    # END item results
summary:
  description:
    - How many deployments RV(deployments) has, and how many of them were changed, failed, were skipped because an
      option asks for that, or needed no change (C(unchanged)). A deployment that was changed and then failed counts as
      both.
    - "C(operations): the number of changed deployments for each operation."
  returned: always
  type: dict
  sample: {deployments: 3, changed: 2, unchanged: 1, failed: 0, skipped: 0, operations: {start: 1, update: 1}}
diff:
  description: The settings that the task changes, C(before) and C(after), by the id of the deployment, for C(--diff).
  returned: always
  type: dict
  sample:
    before: {sentiment-search: {number_of_allocations: 1}}
    after: {sentiment-search: {number_of_allocations: 4}}
api_calls:
  description: The write requests for all deployments that the task sent, or in check mode would send, in order.
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
  description: How long the task waited and in how many polls, for all deployments together.
  returned: always
  type: dict
  sample: {seconds: 2.1, polls: 2}
failure:
  description:
    - The kind of failure as a short, stable C(code), for playbooks to branch on; null on success.
    - It is V(deployments_failed) if deployments failed, each with a C(failure) of its own.
    - The page Troubleshooting lists all codes.
  returned: always
  type: dict
  sample:
    code: no_capacity
# BEGIN results
server:
  description: The server that answered. C(cluster_name) and C(cluster_uuid) are empty if the user may
    not read them.
  type: dict
  returned: always
  sample:
    version: 9.1.0
    flavor: default
    cluster_name: production
    cluster_uuid: 5a8sqTHMQdKEwg4SzSNtCQ
error:
  description:
    - The error of the server or of the connection.
    - C(kind) is one of V(connection), V(timeout), V(tls), V(credentials), V(privilege), V(licence), V(product),
      V(redirect), V(answer), V(upgrade_mode), V(versions), V(capacity), V(unavailable), V(library) and
      V(server).
  type: dict
  returned: if a request failed
  sample:
    kind: capacity
    status: 429
    type: status_exception
    reason: Could not update deployment because there are not enough resources to provide all requested
      allocations
ansible_facts:
  description:
    - One fact, named by O(fact_name), with the deployments that the tasks of this run have applied.
    - Later tasks and loop items add to it; a stop removes the deployment, unless the entry is of another
      cluster. A task that fails sets no facts.
    - In check mode it has what would be there, and later tasks of the dry run plan from it. A stop leaves
      an entry whose C(deployment) is null. A task that runs for real replaces the entries of its deployments.
    - With C(run_once), and if several hosts delegate facts to one, the facts of the last host win. Use
      C(register) instead.
  type: dict
  returned: on success
  contains:
    elasticsearch_ml_deployments:
      description:
        - For each deployment id C(deployment), C(routing_table) and C(allocations) as above, and C(predicted),
          which is true in check mode if this task or an earlier one would change the deployment.
        - C(model_bytes), the size of the model, and C(cache_size_exact), which is false if the cache
          size is cut to one decimal, tell later tasks of a dry run whether the cache size is a default.
          Both are null if nothing runs.
        - C(per_deployment_memory_bytes) and C(per_allocation_memory_bytes), figures of the model, and
          C(max_assigned_allocations), the most allocations that ran at once, decide about the nodes that
          later tasks of a dry run predict; so do C(has_predicted_places), which is true if the targets
          in C(routing_table) are predicted and certain, and C(moved), the ids of other deployments whose
          places the change would alter. All but the last are null if nothing runs.
        - C(cluster) is the cluster that it is in. The C(uuid) identifies it. Name and uuid are null if
          the user may not read them. C(addresses) is a hash of the addresses of the task.
        - C(order) is the larger, the later in the run the entry was made.
        - C(run) identifies the run of Ansible that wrote the entry. The module drops entries of other
          runs, which come from a fact cache.
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
# END results
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.run_fleet import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
