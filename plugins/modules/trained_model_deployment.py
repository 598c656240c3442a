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
  - Brings one deployment of a trained model in Elasticsearch into the wanted state, and waits until it is there.
  - Reads first, and writes only what differs. A second run with the same options sends no write at all.
  - Options that are not given leave the setting as it is. The number of allocations is never compared while adaptive
    allocations are enabled, because it belongs to the scaler then.
  - Returns where the deployment runs as RV(routing_table), and collects that of all deployments of the run in a fact.
options:
  deployment_id:
    description:
      - Id of the deployment. If left out, it is O(model_id).
      - One of O(deployment_id) and O(model_id) is required.
      - An id other than the model's needs Elasticsearch 8.8 or newer.
    type: str
  model_id:
    description:
      - Id or alias of the trained model. Needed only to start a deployment whose id is not that of its model.
      - If left out, it is taken from the existing deployment, or is O(deployment_id) where nothing is deployed.
      - With O(model_id) alone, while the model runs only under other deployment ids, a stop and a restart are refused
        and a start gives a warning; both name those ids.
    type: str
  state:
    description:
      - V(started) starts the deployment if it does not run, and changes it if it differs. One that is being stopped is
        awaited, and started with what is given.
      - V(stopped) stops it.
      - V(restarted) always stops it and starts it again, with its own settings overlaid with what is given. Nothing
        answers meanwhile.
    type: str
    choices: [started, stopped, restarted]
    default: started
  number_of_allocations:
    description:
      - How many allocations run, in total over the cluster (before Elasticsearch 8.4 on each node); at least V(1).
      - A running deployment can be changed from Elasticsearch 8.6 on.
      - While adaptive allocations are enabled, O(on_adaptive) decides. Elasticsearch Serverless always scales
        deployments itself, so the number only counts for the request that starts one.
    type: int
  adaptive_allocations:
    description:
      - Let Elasticsearch set the number of allocations by load, from Elasticsearch 8.16 on.
      - Together with O(number_of_allocations) only if O(adaptive_allocations.enabled) is V(false). One request then
        turns the scaler off and sets the number.
      - Sub-options that are not given stay as they are.
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
    description:
      - How many allocations a first start has. Never compared afterwards, so that somebody else may scale.
      - Not together with O(number_of_allocations) or enabled adaptive allocations.
    type: int
  threads_per_allocation:
    description:
      - Threads of each allocation. Fixed at start; see O(replace).
      - The server starts with V(1) if left out.
    type: int
    choices: [1, 2, 4, 8, 16, 32]
  priority:
    description:
      - V(low) takes only what deployments of priority V(normal) leave, and allows one allocation with one thread.
      - V(low) needs Elasticsearch 8.6 or newer.
      - Fixed at start; see O(replace).
    type: str
    choices: [normal, low]
  queue_capacity:
    description:
      - How many requests may wait on each node; more are rejected. At most V(100000), before Elasticsearch 8.17
        V(1000000).
      - Fixed at start; see O(replace). Its default depends on the server's version.
    type: int
  cache_size:
    description:
      - Memory for cached results on each node, for instance V(500mb); V(0) turns the cache off.
      - Fixed at start; see O(replace). The default is the size of the model. Needs Elasticsearch 8.4 or newer.
      - Compared to the byte where the user may read the cluster state, else to the decimal that the statistics show.
    type: str
  replace:
    description:
      - What to do if a setting differs that is fixed at start.
      - V(never) fails and names each difference.
      - V(stop_start) stops the deployment and starts it anew, with all other settings carried over. Nothing answers
        meanwhile. If the start is refused, the deployment is started with the settings that it had, and the task
        fails. What a task loses that is killed in between is told at O(recovery_file).
    type: str
    choices: [never, stop_start]
    default: never
  on_missing:
    description:
      - What to do if the deployment does not exist and O(state) is V(started) or V(restarted).
      - V(start) starts it, V(fail) fails, V(skip) does nothing and says so in RV(skipped_because).
      - With O(state=stopped) a missing deployment is success, unless this is V(fail).
    type: str
    choices: [start, fail, skip]
    default: start
  on_adaptive:
    description:
      - What to do if O(number_of_allocations) is given without O(adaptive_allocations) while the scaler owns it.
      - V(fail) fails, V(skip) leaves the number to the scaler, V(override) turns the scaler off and sets the number.
    type: str
    choices: [fail, skip, override]
    default: fail
  on_failed:
    description:
      - What to do if the deployment is there, and all its nodes have failed.
      - V(fail) fails and tells why they failed. V(recover) stops the deployment and starts it with its own settings,
        overlaid with what is given. Nothing answers meanwhile.
      - With V(recover) a deployment counts as failed, too, if it has nodes, is starting, and none of its allocations
        has come up when O(wait_timeout) is over. Check mode cannot know that and warns. A task that does not wait
        cannot know it either, and leaves it alone.
    type: str
    choices: [fail, recover]
    default: fail
  on_referenced:
    description:
      - What to do if a stop is needed (O(state=stopped), O(state=restarted), O(replace=stop_start)) and an inference
        endpoint, an ingest pipeline or a model alias uses the deployment; see RV(used_by).
      - V(fail) fails before anything is stopped, and names them. V(force) stops it nevertheless.
      - Reading them needs the cluster privileges C(monitor_inference) (or C(monitor)) and C(read_pipeline). Of what the
        user may not read the task warns, and leaves it to Elasticsearch to refuse the stop. Where its version stops
        what inference endpoints use without a word (before 8.19, and 9.0), the task fails.
    type: str
    choices: [fail, force]
    default: fail
  on_endpoint_owned:
    description:
      - What to do if the number of allocations or the adaptive allocations of a deployment are to be changed that an
        inference endpoint made, whose id it then has.
      - V(fail) fails. V(update_endpoint) changes them through the endpoint, so that both agree. That needs the cluster
        privilege C(manage_inference) and Elasticsearch 8.19 or newer, for adaptive allocations 9.2 or newer.
      - Where the user may not read endpoints, V(fail) changes the deployment itself, and warns that it may be one's;
        V(update_endpoint) fails.
      - A restart or a replacement goes past the endpoint, so neither value lets it change them as well.
    type: str
    choices: [fail, update_endpoint]
    default: fail
  finish_pending_work:
    description:
      - Whether a stop lets queued requests finish. Needs Elasticsearch 8.11 or newer. Left out, the server decides.
    type: bool
  recovery_file:
    description:
      - Where to keep the whole start request before a stop that precedes a start (a replacement, a restart, a recovery,
        and the rollback of these), on the machine where the task's code runs, which is the controller for a local
        connection. It must outlive the task, so not in a container's own file system. Its folder must exist.
      - A run that finds the deployment gone or going, and this file, starts with the settings in it, overlaid with what
        the task names. O(on_missing) does not apply then, and a guard compares with what is in the file. If the start
        is refused, what ran before is started again and the task fails; the file has that, too. The file is removed as
        soon as the deployment is there.
      - Without it, a task that is killed between the stop and the start loses every setting that it does not name.
      - A file of another deployment or cluster, or one that cannot be read, fails the task before any write, and is
        left as it is. So is one that another run has written meanwhile; then nothing is stopped.
      - With O(state=stopped) the file is removed when the deployment is gone, because what was to be started is not
        wanted any more; one of another deployment or cluster is left alone.
      - Check mode reads it, and neither writes nor removes it.
    type: path
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
  - mlops.elasticsearch.guard
  - mlops.elasticsearch.wait
attributes:
  check_mode:
    support: full
    details: Needs only the cluster privilege C(monitor_ml), and sends no write.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: O(state=restarted) restarts each time. Everything else changes nothing the second time.
notes:
  - Check mode, and a task that finds nothing to do, need the cluster privilege C(monitor_ml). With C(monitor) they
    see the whole routing table.
  - Changes need C(manage_ml); to start and to stop, C(manage_inference) beside C(monitor_ml) is enough. Before the
    first write it is asked whether the user has it. See the guide on privileges.
author:
  - mlops.elasticsearch contributors (!UNKNOWN)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment_info
  - module: mlops.elasticsearch.trained_model_deployments
"""

EXAMPLES = r"""
- name: Run two allocations of a model
  mlops.elasticsearch.trained_model_deployment:
    hosts: https://es.example.com:9200
    api_key: "{{ elasticsearch_api_key }}"
    model_id: sentiment
    number_of_allocations: 2

- name: Say once how the cluster is reached
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  block:
    - name: Serve searches and ingest from two deployments of one model
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
        msg: "{{ ansible_facts.elasticsearch_deployments | dict2items | map(attribute='value.routing_table') }}"

    - name: Let the load decide, between one and four
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: sentiment-search
        adaptive_allocations:
          enabled: true
          min_number_of_allocations: 1
          max_number_of_allocations: 4

    - name: Take the number back into the playbook's hands
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: sentiment-search
        number_of_allocations: 2
        on_adaptive: override

    - name: Use four threads instead of two, which takes a stop and a start
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: sentiment-search
        threads_per_allocation: 4
        replace: stop_start

    - name: Scale from three to four, unless somebody has scaled it meanwhile
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: sentiment-ingest
        number_of_allocations: 4
        guard:
          number_of_allocations: 3
          max: 8

    - name: Scale up, or leave everything as it was
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: sentiment-ingest
        number_of_allocations: 5
        wait_timeout: 600
        on_unsatisfied: rollback

    - name: Start it again if it has failed, and lose nothing if the task is killed meanwhile
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: sentiment-ingest
        on_failed: recover
        recovery_file: "{{ recovery_folder }}/sentiment-ingest.json"

    - name: Stop what only ingest needs, unless somebody still uses it
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: sentiment-ingest
        state: stopped

    - name: Lengthen the queue although pipelines or endpoints use the deployment, and fail meanwhile
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: sentiment-search
        queue_capacity: 20000
        replace: stop_start
        on_referenced: force
"""

RETURN = r"""
operation:
  description:
    - What was done, or in check mode would be done.
    - One of V(none), V(start), V(update), V(stop), V(restart), V(replace) and V(recover). After a failure that changed
      nothing it is V(none), after one that restored what was before V(rollback).
  returned: always
  type: str
  sample: update
skipped_because:
  description: Why nothing was done although the task asked for something, if an option says to skip then; else null.
  returned: always
  type: str
  sample: adaptive allocations are enabled and on_adaptive is skip
deployment:
  description: The deployment as it is, in check mode as it would be, or null if there is none.
  returned: always
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
    - "Where the deployment runs: for each node id its name, state and reason, and its current and wanted allocations."
    - What the source cannot tell is null. The nodes that a change would use are not predicted in check mode.
  returned: always
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
    - Where RV(routing_table) comes from.
    - V(cluster_state) needs the cluster privilege C(monitor) and has everything; V(stats) lacks the wanted allocations.
    - V(assignment) is the answer to the write, if the task does not wait; V(prediction) is check mode.
  returned: always
  type: str
  sample: cluster_state
allocations:
  description:
    - "C(wanted): the number of allocations. C(assigned): how many have a node, null where the source cannot tell."
    - "C(running): how many answer requests. C(missing): how many of the wanted do not."
  returned: always
  type: dict
  sample: {wanted: 4, assigned: 4, running: 4, missing: 0}
before:
  description: What a user owns of the deployment, before. C(state) is V(stopped) if nothing was deployed.
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
    - The same, after. Null where only the server fills it in. After a failure it is what was seen last.
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
  description: RV(before) and RV(after), for C(--diff).
  returned: always
  type: dict
  sample:
    before: {number_of_allocations: 2}
    after: {number_of_allocations: 4}
api_calls:
  description: The writes that were done, or in check mode would be done, in their order.
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
    - How long the task waited, in how many polls, and whether what it waited for was reached.
    - C(reached) is null if the task did not wait.
  returned: always
  type: dict
  sample: {seconds: 2.1, polls: 2, reached: true}
used_by:
  description:
    - Who uses the deployment, by kind, if a stop was planned that no guard forbids; else null. It is looked up for no
      other task.
    - A kind that the user may not read is null.
  returned: always
  type: dict
  sample:
    inference_endpoints: [search-endpoint]
    ingest_pipelines: [enrich]
    model_aliases: []
server:
  description: The Elasticsearch that answered. C(cluster_name) is empty if the user may not read it.
  returned: always
  type: dict
  sample: {version: 9.1.0, flavor: default, cluster_name: production}
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
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.deployment import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
