#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inference_endpoint
short_description: Create, change or delete an inference endpoint
version_added: 0.1.0
description:
  - Brings an inference endpoint of any service into the state that the task asks for. What the task does not name stays
    as it is, and what Elasticsearch fills in by itself is no difference.
  - Most tasks need only O(inference_id), O(task_type), O(service) and O(service_settings), and O(hosts) with a
    credential such as O(api_key).
  - The service V(elasticsearch) runs a model in the cluster. Its allocations are compared with those that its
    deployment has now, which another client may have set, and changed by the requests that the version of Elasticsearch
    takes.
  - What no request changes is listed in RV(differences), and the task fails. O(replace=recreate) deletes the endpoint
    and creates it again, as far as O(on_referenced) lets it.
  - If the deployment that an endpoint made is gone, the task starts it again.
  - "What a task does in special cases, and the option that decides it:"
  - "O(on_adaptive): a number is given while adaptive allocations are enabled. V(fail), the default, fails."
  - "O(on_referenced): something uses an endpoint that is to be recreated. V(fail), the default, names it."
  - What Elasticsearch is certain to refuse is refused before a write, and in check mode in the same words.
options:
  inference_id:
    description:
      - Id of the endpoint. It takes lowercase letters, digits, C(-), C(_) and C(.), and begins and ends with a letter
        or a digit. No deployment and no model may have the same id.
      - An id with a dot in front is that of an endpoint that comes with Elasticsearch. It can be compared, but neither
        changed nor deleted.
    type: str
    required: true
  state:
    description:
      - V(present) makes sure that the endpoint is there as the task says. V(absent) deletes it with the deployment that
        it made, if nothing uses it or O(force=true).
    type: str
    choices: [present, absent]
    default: present
  task_type:
    description:
      - What the endpoint does, such as V(text_embedding), V(sparse_embedding), V(rerank), V(completion) or
        V(chat_completion). Which ones there are depends on the version and the service.
      - Needed to create an endpoint. Another one than that of the endpoint needs O(replace=recreate).
    type: str
  service:
    description:
      - Who does it, such as V(elasticsearch), V(openai) or V(cohere). Any service that the cluster knows.
      - Needed to create an endpoint. Another one than that of the endpoint needs O(replace=recreate).
    type: str
  service_settings:
    description:
      - Settings of the service, as Elasticsearch takes them. V(elasticsearch) needs C(model_id), C(num_threads), and
        C(num_allocations) or C(adaptive_allocations); or C(deployment_id) of a deployment that is there.
      - Only what is given is compared. Numbers and booleans equal their texts.
      - Secrets, such as C(api_key), are refused here. They belong in O(secrets).
    type: dict
  task_settings:
    description:
      - Settings of the task, as Elasticsearch takes them. Only what is given is compared.
    type: dict
  chunking_settings:
    description:
      - How long texts are cut, as Elasticsearch takes it. Only what is given is compared. Elasticsearch 9.5 and newer
        change it, older versions need O(replace=recreate).
      - In some versions before 9.4 any update of an endpoint resets it. The task then warns, or if it gives this option
        fails with the code V(chunking_reset).
    type: dict
  secrets:
    description:
      - Settings of the service that must not be shown, such as C(api_key), as texts of at least 8 characters. They are
        sent with O(service_settings), which may not have them, and appear in no result, diff or log.
      - Elasticsearch never returns them, so they cannot be compared. They are sent when the task creates the endpoint,
        and when O(secrets_version) is new.
    type: dict
  secrets_version:
    description:
      - Any text that changes when the secrets do, such as a number or a date. If it differs from the one in
        O(secrets_state_file), the task sends the secrets again. Required with O(secrets_state_file).
    type: str
  secrets_state_file:
    description:
      - Path of the file in which the task keeps O(secrets_version) for each cluster and endpoint, on the machine where
        it runs. It has no secret. Required with O(secrets_version).
    type: path
  replace:
    description:
      - What to do if something differs that no request changes. V(never) fails and names it. V(recreate) deletes the
        endpoint and creates it again, with no other request between the two; what the task does not name stays. If the
        new one is refused, the old one is put back.
      - With V(never) a service outside of the cluster is asked to change other O(service_settings), with V(recreate)
        not.
    type: str
    choices: [never, recreate]
    default: never
  on_referenced:
    description:
      - What to do if an endpoint that is to be recreated is used by an ingest pipeline, an index with a
        C(semantic_text) field, or another endpoint that uses its deployment. V(fail) names them. V(force) recreates
        it.
    type: str
    choices: [fail, force]
    default: fail
  force:
    description:
      - Whether O(state=absent) deletes an endpoint that is used. What uses it does not work any more; the task warns
        of it.
    type: bool
    default: false
  on_adaptive:
    description:
      - What to do if O(service_settings) have C(num_allocations), and adaptive allocations are enabled, which set that
        number. V(fail) refuses, V(skip) leaves it to them, V(override) turns them off.
      - With C(adaptive_allocations) in O(service_settings), which say if they are enabled, this option has no effect.
    type: str
    choices: [fail, skip, override]
    default: fail
  wait:
    description:
      - Whether to wait until the deployment of the endpoint is ready. Check mode never waits.
    type: bool
    default: true
  wait_for:
    description:
      - V(started) waits for one running allocation, V(fully_allocated) for all. V(answering) also waits until the
        endpoint answers one tiny inference, of whichever service it is; a deployment with 0 allocations is not asked,
        because that would wake it.
    type: str
    choices: [started, fully_allocated, answering]
    default: fully_allocated
  allow_zero:
    description:
      - Whether an endpoint whose deployment has 0 allocations is ready. A task that gives
        C(min_number_of_allocations=0) in C(adaptive_allocations) accepts that, whatever this is.
    type: bool
    default: false
  wait_timeout:
    description:
      - Time that the task may take from its start on, as a number of seconds or a time such as V(500ms), V(90s), V(5m)
        or V(1h); at most V(168h). After that it fails and says what is missing.
    type: raw
    default: 600
  wait_sleep:
    description:
      - Time between two looks, as a number of seconds or a time such as V(500ms).
    type: raw
    default: 2
  fact_name:
    description:
      - Name of the fact that collects the inference endpoints of the run. With the default, read it as
        C(ansible_facts.elasticsearch_ml_endpoints). Empty for none.
      - Use a different name for each cluster that is managed from the same host.
    type: str
    default: elasticsearch_ml_endpoints
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
  - mlops.elasticsearch.facts
attributes:
  check_mode:
    support: full
    details: Sends no write request. The dry run of a deletion, which changes nothing, tells what uses the endpoint.
  diff_mode:
    support: full
    details: Only settings that the task gives, and allocations.
  idempotent:
    support: full
notes:
  - Needs Elasticsearch 8.11 or newer. The service V(elasticsearch) came with 8.13; before, V(elser) runs ELSER.
  - Reads need the cluster privilege C(monitor_inference), and C(monitor_ml) for the allocations of a deployment;
    changes need C(manage_inference). A deployment that is gone, and before Elasticsearch 9.2 most changes of
    allocations, need C(manage_ml). See R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.inference_endpoint_info
    description: The endpoints that there are, whether they can answer, and who uses them.
  - module: mlops.elasticsearch.semantic_text_field
    description: An index that uses an endpoint.
  - module: mlops.elasticsearch.trained_model_deployment
    description: The deployment that an endpoint is attached to.
  - ref: ansible_collections.mlops.elasticsearch.docsite.endpoints
    description: Endpoints from nothing to a search, with what each version can change.
  - ref: ansible_collections.mlops.elasticsearch.docsite.references
    description: What uses a deployment.
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
"""

EXAMPLES = r"""
- name: Embed texts in the cluster
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Create an endpoint, or change the number of its allocations
      mlops.elasticsearch.inference_endpoint:
        inference_id: my-embeddings
        task_type: text_embedding
        service: elasticsearch
        service_settings:
          model_id: .multilingual-e5-small
          num_threads: 1
          num_allocations: 2

    - name: Let Elasticsearch set the number
      mlops.elasticsearch.inference_endpoint:
        inference_id: my-embeddings
        service_settings:
          adaptive_allocations:
            enabled: true
            min_number_of_allocations: 1
            max_number_of_allocations: 4

- name: Use a service outside of the cluster
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Create an endpoint, and send its key again when the version is new
      mlops.elasticsearch.inference_endpoint:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        inference_id: chat
        task_type: completion
        service: openai
        service_settings:
          model_id: gpt-4o
        secrets:
          api_key: "{{ openai_api_key }}"
        secrets_version: "2026-11"
        secrets_state_file: "{{ state_folder }}/elasticsearch-secrets.json"

# The tasks below are for a play like the first one, whose module_defaults have the connection.
- name: Use more threads, which only a new endpoint does
  mlops.elasticsearch.inference_endpoint:
    inference_id: my-embeddings
    service_settings:
      num_threads: 2
    replace: recreate

- name: Delete an endpoint, if nothing uses it
  mlops.elasticsearch.inference_endpoint:
    inference_id: my-embeddings
    state: absent
"""

RETURN = r"""
operation:
  description:
    - What the task did, or in check mode would do. One of V(none), V(create), V(update), V(start), V(recreate) and
      V(delete).
  returned: always
  type: str
  sample: create
skipped_because:
  description: Why the task left the allocations to adaptive ones, although it gives a number. Otherwise null.
  returned: always
  type: str
  sample: adaptive allocations are enabled and on_adaptive is skip
endpoint:
  description:
    - The endpoint after the task, in check mode as it would be. Null if it does not exist. It never has secrets.
    - In check mode, what only Elasticsearch knows is missing or null.
  returned: always
  type: dict
  contains:
    inference_id: {description: Id of the endpoint., type: str, returned: success, sample: my-embeddings}
    task_type: {description: What it does., type: str, returned: success, sample: text_embedding}
    service: {description: Who does it., type: str, returned: success, sample: elasticsearch}
    service_settings:
      description: Settings of the service.
      type: dict
      returned: success
    task_settings: {description: Settings of the task., type: dict, returned: success}
    chunking_settings:
      description: How long texts are cut. Null if the endpoint has no such settings.
      type: dict
      returned: success
    deployment:
      description:
        - The deployment in the cluster that does its work, as it is now. Null if there is none, or the user may not
          read it.
      type: dict
      returned: success
      contains:
        deployment_id: {description: Id of the deployment., type: str, returned: success, sample: my-embeddings}
        model_id: {description: Id of its model., type: str, returned: success, sample: .multilingual-e5-small}
        owned:
          description: Whether the endpoint made it. Otherwise it only uses it.
          type: bool
          returned: success
          sample: true
        number_of_allocations: {description: Number of its allocations., type: int, returned: success, sample: 2}
        adaptive_allocations:
          description: Its adaptive allocations. Null if it has none.
          type: dict
          returned: success
          sample: {enabled: true, min_number_of_allocations: 1, max_number_of_allocations: 4}
        threads_per_allocation: {description: Threads of each allocation., type: int, returned: success, sample: 1}
        assignment_state: {description: Its state., type: str, returned: success, sample: started}
        reason: {description: Why it is in that state., type: str, returned: success, sample: null}
        start_time:
          description: When it was started.
          type: str
          returned: success
          sample: "2026-05-04T09:30:02.000Z"
        allocation_status:
          description: How many of its allocations run.
          type: dict
          returned: success
          sample: {allocation_count: 2, target_allocation_count: 2, state: fully_allocated}
differences:
  description: What differs from the endpoint that was there, and only O(replace=recreate) changes.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: Path of the setting., type: str, returned: success, sample: service_settings.num_threads}
    current: {description: What the endpoint has., type: raw, returned: success, sample: 1}
    desired: {description: What the task asks for., type: raw, returned: success, sample: 2}
not_shown:
  description: Paths of settings that the task gives and Elasticsearch does not show, so that they cannot be compared.
  returned: always
  type: list
  elements: str
  sample: [service_settings.provider]
used_by:
  description:
    - What uses an endpoint that the task would delete or recreate. Null if it does neither. A kind that the user may
      not read is null.
  returned: always
  type: dict
  sample:
    inference_endpoints: []
    ingest_pipelines: [embed]
    model_aliases: []
    semantic_text_indices: [products]
waited:
  description: The wait for the deployment of the endpoint.
  returned: always
  type: dict
  contains:
    seconds: {description: Seconds that the task took., type: float, returned: success, sample: 12.5}
    polls: {description: Number of looks., type: int, returned: success, sample: 6}
    reached:
      description: Whether the endpoint is ready. Null if the task did not wait.
      type: bool
      returned: success
      sample: true
before:
  description:
    - The endpoint before the task, with the settings that the task gives and its allocations. Null if it was not read.
    - C(state) is V(absent), V(present), or V(lost) if the deployment that it made is gone. While adaptive allocations
      are enabled, C(num_allocations) is null. C(secrets_version) comes from O(secrets_state_file).
  returned: always
  type: dict
  sample:
    inference_id: null
    task_type: null
    service: null
    service_settings: null
    task_settings: null
    chunking_settings: null
    secrets_version: null
    state: absent
after:
  description: The endpoint after the task, with the same keys. Null if it was not read.
  returned: always
  type: dict
  sample:
    inference_id: my-embeddings
    task_type: text_embedding
    service: elasticsearch
    service_settings:
      model_id: .multilingual-e5-small
      num_allocations: 2
      adaptive_allocations: null
      num_threads: 1
    task_settings: null
    chunking_settings: null
    secrets_version: null
    state: present
diff:
  description: What differs between RV(before) and RV(after).
  returned: always
  type: dict
  sample:
    before: {state: absent}
    after: {inference_id: my-embeddings, state: present}
api_calls:
  description:
    - The write requests that took effect, in check mode those that the task would send. Secrets are masked.
  returned: always
  type: list
  elements: dict
  contains:
    method: {description: HTTP method., type: str, returned: success, sample: PUT}
    path:
      description: Path of the request.
      type: str
      returned: success
      sample: /_inference/text_embedding/my-embeddings
    query: {description: Query parameters., type: dict, returned: success}
    body: {description: "Body of the request, or null.", type: dict, returned: success}
failure:
  description:
    - The kind of failure as a short, stable C(code), for playbooks to branch on; null on success.
    - The page Troubleshooting lists all codes.
  returned: always
  type: dict
  sample:
    code: endpoint_in_use
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
    elasticsearch_ml_endpoints:
      description:
        - The inference endpoints of the run by id, under the name in O(fact_name). C(endpoint) is RV(endpoint),
          C(cluster) the cluster that has it, and C(predicted) whether a dry run has predicted it.
        - A deleted endpoint has no entry, except in a dry run, where C(endpoint) is null.
      type: dict
      returned: if O(fact_name) is set and the cluster was read
      sample:
        my-embeddings:
          endpoint: {inference_id: my-embeddings, task_type: text_embedding, service: elasticsearch}
          cluster: {name: production, uuid: 3FgFLkTjT6-lgx3mGpSPiA}
          addresses: 5df6e0e2761359d3
          predicted: false
          run: 0242ac11-0002-5a2b-3c4d
          order: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
