#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model_alias
short_description: Set, move or delete an alias of a trained model
version_added: 0.1.0
description:
  - Lets an alias refer to a trained model. Ingest pipelines and searches that name the alias use another model as soon
    as the alias moves.
  - Most tasks need only O(model_alias), O(model_id), O(hosts), and a credential such as O(api_key).
  - The module reads where the alias refers to and writes only if that differs. An alias that another client has moved
    or deleted is noticed.
  - What Elasticsearch is certain to refuse is refused before a write, and in check mode in the same words.
options:
  model_alias:
    description:
      - Name of the alias. It takes lowercase letters, digits, C(-), C(_) and C(.). It begins with a letter or a digit,
        and ends with a letter. It is not the id of a model.
    type: str
    required: true
  model_id:
    description:
      - Id of the trained model; not another alias. Required if O(state=present).
      - With O(state=absent) the task deletes the alias only if it refers to this model, and fails if it refers to
        another one.
    type: str
  reassign:
    description:
      - Whether the task may move an alias that refers to another model. If not, it fails and names that model.
      - Elasticsearch moves an alias only between models of the same type and inference task. If the old model is
        deployed, the new one must be, too, and each of its deployments must run on a node.
    type: bool
    default: false
  state:
    description:
      - V(present) lets the alias refer to O(model_id). V(absent) deletes the alias.
      - An alias that an ingest pipeline uses is not deleted. There is no option to force that. Elasticsearch does not
        look everywhere, as in C(on_failure) of the pipeline; then the alias is deleted with a warning.
    type: str
    choices: [present, absent]
    default: present
  fact_name:
    description:
      - Name of the fact that collects the aliases of the run. With the default, read it as
        C(ansible_facts.elasticsearch_ml_aliases). Empty for none.
      - Use a different name for each cluster that is managed from the same host.
    type: str
    default: elasticsearch_ml_aliases
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
    support: full
  idempotent:
    support: full
notes:
  - Reads need the cluster privilege C(monitor_ml), changes C(manage_ml). See
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - ref: ansible_collections.mlops.elasticsearch.docsite.aliases
    description: How to replace a model while it is used.
  - ref: ansible_collections.mlops.elasticsearch.docsite.references
    description: Consumers of a deployment, and the aliases of its model.
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
"""

EXAMPLES = r"""
- name: Let an alias refer to a model
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Set the alias
      mlops.elasticsearch.trained_model_alias:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        model_alias: search-model
        model_id: sentiment

- name: Replace the model behind an alias
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Deploy the new model
      mlops.elasticsearch.trained_model_deployment:
        model_id: .multilingual-e5-small

    - name: Move the alias to it
      mlops.elasticsearch.trained_model_alias:
        model_alias: search-model
        model_id: .multilingual-e5-small
        reassign: true
      register: moved

    - name: Show the model that can be stopped
      ansible.builtin.debug:
        msg: "{{ moved.previous_model_id }}"

# A task for a play like the second one, whose module_defaults have the connection.
- name: Delete the alias
  mlops.elasticsearch.trained_model_alias:
    model_alias: search-model
    state: absent
"""

RETURN = r"""
operation:
  description: What the task did, or in check mode would do. One of V(none), V(set), V(reassign) and V(delete).
  returned: always
  type: str
  sample: reassign
skipped_because:
  description: Always null; other modules return here why a task left something as it is.
  returned: always
  type: str
  sample: null
alias:
  description: The alias after the task, in check mode as it would be. Null if it does not exist.
  returned: always
  type: dict
  contains:
    model_alias: {description: Name of the alias., type: str, returned: success, sample: search-model}
    model_id: {description: Id of the model it refers to., type: str, returned: success, sample: .multilingual-e5-small}
previous_model_id:
  description: Id of the model to which the alias referred before the task. Null if the alias did not exist.
  returned: always
  type: str
  sample: sentiment
used_by:
  description: Consumers that name the alias. Null unless the task would delete it.
  returned: always
  type: dict
  sample: {ingest_pipelines: [classify]}
before:
  description: The alias before the task. Null if it was not read.
  returned: always
  type: dict
  sample: {model_alias: search-model, model_id: sentiment, state: present}
after:
  description: The alias after the task, with the same keys. Null if it was not read.
  returned: always
  type: dict
  sample: {model_alias: search-model, model_id: .multilingual-e5-small, state: present}
diff:
  description: What differs between RV(before) and RV(after).
  returned: always
  type: dict
  sample:
    before: {model_id: sentiment}
    after: {model_id: .multilingual-e5-small}
api_calls:
  description: The write requests that took effect, in check mode those that the task would send.
  returned: always
  type: list
  elements: dict
  contains:
    method: {description: HTTP method., type: str, returned: success, sample: PUT}
    path:
      description: Path of the request.
      type: str
      returned: success
      sample: /_ml/trained_models/.multilingual-e5-small/model_aliases/search-model
    query:
      description: Query parameters; C(reassign) if O(reassign=true).
      type: dict
      returned: success
    body: {description: "Body of the request, or null.", type: dict, returned: success, sample: null}
failure:
  description:
    - The kind of failure as a short, stable C(code), for playbooks to branch on; null on success.
    - The page Troubleshooting lists all codes.
  returned: always
  type: dict
  sample:
    code: alias_refers_elsewhere
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
    elasticsearch_ml_aliases:
      description:
        - The aliases of the run by name, under the name in O(fact_name). C(alias) is RV(alias), C(cluster) the cluster
          that has it, and C(predicted) whether a dry run has predicted it.
        - A deleted alias has no entry, except in a dry run, where C(alias) is null.
      type: dict
      returned: if O(fact_name) is set and the cluster was read
      sample:
        search-model:
          alias: {model_alias: search-model, model_id: sentiment}
          cluster: {name: production, uuid: 3FgFLkTjT6-lgx3mGpSPiA}
          addresses: 5df6e0e2761359d3
          predicted: false
          run: 0242ac11-0002-5a2b-3c4d
          order: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.run import empty_result, run
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
