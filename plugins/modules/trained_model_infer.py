#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model_infer
short_description: Try a trained model, or warm it up
version_added: 0.1.0
description:
  - Asks a deployment for an inference, waits until it answers, and compares the answer with what is expected. Changes
    nothing of the configuration, and is never C(changed).
  - Most tasks need only O(deployment_id), O(hosts), and a credential such as O(api_key).
  - The module asks again until O(wait_timeout) while the deployment is not initialized, scaled to zero or has a full
    queue, and while the cluster cannot be reached. What will never be answered fails at once, such as a document that
    the model cannot take.
options:
  deployment_id:
    description:
      - Id of a deployment, or of a model, or an alias. Elasticsearch chooses among the deployments of a model.
      - A model that needs no deployment, such as C(lang_ident_model_1), can be asked from Elasticsearch 8.3 on.
    type: str
    required: true
  docs:
    description:
      - Documents to infer with, as a list of dictionaries, or one dictionary. Each has the input field of the model.
      - If it is left out, the model gets one tiny document by its task, see
        R(Try a model,ansible_collections.mlops.elasticsearch.docsite.trying).
      - Errors and warnings show nothing of what the documents contain.
    type: raw
  inference_config:
    description:
      - Inference configuration of the request, by task, such as C(text_classification) with C(num_top_classes).
      - If it is left out, a model whose task needs a question, a text or labels beside a document gets them, see
        R(Try a model,ansible_collections.mlops.elasticsearch.docsite.trying).
    type: dict
  expect:
    description:
      - What the answers must be like. If one is not, the task fails with the code C(unexpected_answer), and says by how
        much. For anything else use C(failed_when) with RV(inference_results).
    type: dict
    suboptions:
      max_latency:
        description:
          - Longest time that one of the inferences may take, as a number of seconds or a time such as V(500ms). It is
            compared with RV(latency.max).
        type: raw
      vector_length:
        description: Number of values in the vector that each document gets.
        type: int
      label:
        description:
          - Prediction for each document, such as a class or an answer. For C(ner) the class that one of its entities
            has.
        type: str
      min_score:
        description:
          - Least probability or score of the prediction for each document. For C(ner) it is that of the best entity, of
            those with O(expect.label) if that is given; for C(text_similarity) and C(regression) the prediction.
        type: raw
  repeat:
    description:
      - Number of inferences that RV(latency) is made of, from 1 to 10000, one after another, with the same documents.
        RV(inference_results) are those of the last one.
      - An inference that the task had to wait for does not count, and neither does the first of a deployment that was
        scaled to zero.
    type: int
    default: 1
  return_results:
    description:
      - Whether to return RV(inference_results). Vectors of many documents make a result large.
    type: bool
    default: true
  wait_timeout:
    description:
      - Time that the task may take, as a number of seconds or a time such as V(500ms), V(90s), V(5m) or V(1h); at most
        V(168h).
    type: raw
    default: 300
  wait_sleep:
    description:
      - Time between two attempts, as a number of seconds or a time such as V(500ms). The first attempts come earlier,
        after 0.2, 0.5 and 1 second.
    type: raw
    default: 2
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
  - mlops.elasticsearch.facts
attributes:
  check_mode:
    support: full
    details: Sends no inference, because one can wake a deployment that is scaled to zero. Looks whether there is one
      that can answer, or would be after earlier tasks of the dry run.
  diff_mode:
    support: N/A
    details: This module does not modify state.
  idempotent:
    support: N/A
    details: This module does not modify state.
notes:
  - Needs the cluster privilege C(monitor_ml). See
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
  - An inference wakes a deployment that adaptive allocations have scaled to zero, and statistics count it.
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - module: mlops.elasticsearch.trained_model_alias
  - ref: ansible_collections.mlops.elasticsearch.docsite.trying
    description: How to try a model, and how to warm it up.
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
"""

EXAMPLES = r"""
- name: Try a model
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Infer with a tiny document
      mlops.elasticsearch.trained_model_infer:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        deployment_id: sentiment

- name: Measure a deployment
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Ask 20 times, and fail if one answer takes too long
      mlops.elasticsearch.trained_model_infer:
        deployment_id: sentiment
        repeat: 20
        return_results: false
        expect:
          max_latency: 30s
      register: measured

    - name: Show the latencies
      ansible.builtin.debug:
        msg: "{{ measured.latency }}"

- name: Deploy a model, and go on only if it works
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Deploy
      mlops.elasticsearch.trained_model_deployment:
        model_id: .multilingual-e5-small

    - name: Try it with a document of one's own
      mlops.elasticsearch.trained_model_infer:
        deployment_id: .multilingual-e5-small
        docs:
          - text_field: How long is the warranty?
        expect:
          vector_length: 384
"""

RETURN = r"""
skipped_because:
  description: Why check mode has asked for no inference. Null otherwise.
  returned: always
  type: str
  sample: null
deployment_id:
  description: Id of the deployment that answers. Null if it may be one of several, or if the model needs none.
  returned: always
  type: str
  sample: sentiment
model_id:
  description: Id of the model. Null if it was not read.
  returned: always
  type: str
  sample: sentiment
task:
  description:
    - Task of the model. V(text_embedding), V(text_expansion), V(text_classification), V(text_similarity), V(ner),
      V(fill_mask), V(question_answering), V(zero_shot_classification) or V(pass_through); for a model without a
      deployment V(classification) or V(regression).
    - Null if its configuration names none.
  returned: always
  type: str
  sample: text_classification
inference_results:
  description:
    - What Elasticsearch has inferred from each document, as it answered. Null if there was no answer, and with
      O(return_results=false).
  returned: always
  type: list
  elements: dict
  sample:
    - predicted_value: positive
latency:
  description:
    - Milliseconds that the O(repeat) inferences took, as the module measures them from the request to the whole answer.
      Null if there was no answer that counts.
  returned: always
  type: dict
  contains:
    min: {description: The shortest., type: float, returned: success, sample: 9.8}
    mean: {description: The mean., type: float, returned: success, sample: 11.2}
    p50: {description: The median., type: float, returned: success, sample: 10.9}
    p90: {description: "The 90th percentile.", type: float, returned: success, sample: 13.4}
    p99: {description: "The 99th percentile.", type: float, returned: success, sample: 15.1}
    max: {description: The longest., type: float, returned: success, sample: 15.3}
attempts:
  description: Number of times that the module has asked, those without an answer included.
  returned: always
  type: int
  sample: 20
waited:
  description: How long the first answer took, after how many attempts, and whether there was one.
  returned: always
  type: dict
  sample: {seconds: 4.2, polls: 3, reached: true}
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
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
