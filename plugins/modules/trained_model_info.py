#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model_info
short_description: Read trained models, whether they are complete, what they need and who uses them
version_added: 0.1.0
description:
  - Returns the trained models in an Elasticsearch cluster, with size, task, checksum and memory, whether their
    definitions are complete, and everything that uses them. Changes nothing.
options:
  model_id:
    description:
      - Ids or aliases of the models to return, or patterns of these, such as V(.elser*).
      - An id that does not exist is not an error; the result then has no item for it, and a warning names it and the
        models that there are. A pattern without a match gives no warning.
    type: list
    elements: str
    default: ["*"]
  tags:
    description: Return only models that have all of these tags.
    type: list
    elements: str
    default: []
  gather:
    description:
      - V(definition) is whether the definition of each model is complete, and the download under way if it is not.
        Elasticsearch tells that of one model at a time, so it takes a request for each PyTorch model that no node has
        loaded.
      - V(references) is who uses each model, by one read of each kind.
      - V(config) is the whole configuration of each model.
      - With an empty list the task sends the same few requests however many models there are.
    type: list
    elements: str
    choices: [definition, references, config]
    default: [definition, references]
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.info_module
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
notes:
  - Needs the cluster privilege C(monitor_ml). What needs further privileges is null without them, and RV(missing) names
    them; see R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model
  - module: mlops.elasticsearch.trained_model_alias
  - module: mlops.elasticsearch.trained_model_deployment_info
    description: Where the deployments of the models run, and how healthy they are.
  - module: mlops.elasticsearch.ml_capacity_info
    description: How many allocations of a model still fit.
  - ref: ansible_collections.mlops.elasticsearch.docsite.model_info
    description: What the figures mean.
"""

EXAMPLES = r"""
- name: Know what a model is used for before it is replaced
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Read the model, by its id or an alias
      mlops.elasticsearch.trained_model_info:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        model_id: sentiment
      register: found

    - name: Show who uses it
      ansible.builtin.debug:
        var: found.models[0].used_by

- name: Find models that can go
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Read who uses what
      mlops.elasticsearch.trained_model_info:
        gather: [references]
      register: all_models

    - name: Name those that nothing uses
      ansible.builtin.debug:
        msg: "{{ all_models.models | selectattr('in_use', 'false') | map(attribute='model_id') }}"

# Tasks for a play like the second one, whose module_defaults have the connection.
- name: Read all models of a team, without a request for each
  mlops.elasticsearch.trained_model_info:
    tags: [shop]
    gather: [references]

- name: Wait until a model is downloaded
  mlops.elasticsearch.trained_model_info:
    model_id: .multilingual-e5-small
    gather: [definition]
  register: e5
  until: e5.models[0].fully_defined
  retries: 60
  delay: 10
"""

RETURN = r"""
models:
  description: One item for each matching model, sorted by id.
  returned: always
  type: list
  elements: dict
  contains:
    model_id: {description: Id of the model., type: str, returned: success, sample: sentiment}
    model_type:
      description: Type of the model. Only V(pytorch) can be deployed.
      type: str
      returned: success
      sample: pytorch
    task:
      description: The task in its inference configuration.
      type: str
      returned: success
      sample: text_classification
    description: {description: Its description., type: str, returned: success, sample: Judges reviews}
    tags: {description: Its tags., type: list, elements: str, returned: success, sample: [shop]}
    field_names: {description: The fields that it reads., type: list, elements: str, returned: success, sample: [text]}
    platform_architecture:
      description: The only platform that can run it; null if all can.
      type: str
      returned: success
      sample: linux-x86_64
    model_aliases: {description: Its aliases., type: list, elements: str, returned: success, sample: [search-model]}
    license_level: {description: The licence that it needs., type: str, returned: success, sample: platinum}
    created_by: {description: Who created it., type: str, returned: success, sample: api_user}
    create_time: {description: When it was created., type: str, returned: success, sample: "2026-05-04T12:00:00.000Z"}
    packaged:
      description: Whether it comes with Elasticsearch, which downloads its definition itself.
      type: bool
      returned: success
      sample: false
    fully_defined:
      description:
        - Whether Elasticsearch has its whole definition.
        - Null before Elasticsearch 8.8, for a model that is no PyTorch model, and unless O(gather) contains
          V(definition).
      type: bool
      returned: success
      sample: true
    download:
      description: The download of its definition, if one is under way and can be read.
      type: dict
      returned: success
      contains:
        downloaded_parts: {description: Parts that are there., type: int, returned: success, sample: 57}
        total_parts: {description: All parts., type: int, returned: success, sample: 113}
    definition_sha256:
      description: SHA-256 of its definition, if this collection uploaded it.
      type: str
      returned: success
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    definition_bytes:
      description: Size of its definition in bytes, if this collection uploaded it.
      type: int
      returned: success
      sample: 267844284
    verified:
      description: Whether its checksum is known. Null for a model that comes with Elasticsearch.
      type: bool
      returned: success
      sample: true
    model_bytes: {description: Size of the model in bytes., type: int, returned: success, sample: 267844284}
    per_deployment_memory_bytes:
      description: Memory that it needs once on a node, by its metadata; 0 if that says nothing.
      type: int
      returned: success
      sample: 0
    per_allocation_memory_bytes:
      description: Memory that it needs for each allocation, by its metadata; 0 if that says nothing.
      type: int
      returned: success
      sample: 0
    required_memory:
      description:
        - What Elasticsearch reckons for a deployment of it on one node, with normal priority and the model's id.
        - Null if that is not known. That is so before Elasticsearch 8.8, on Elasticsearch Serverless, and from 9.6 on
          while the model is deployed, because then the memory it took so far counts.
      type: dict
      returned: success
      contains:
        first_allocation_bytes:
          description: Memory for the first allocation on the node.
          type: int
          returned: success
          sample: 787346808
        further_allocation_bytes:
          description: The most that each further one adds.
          type: int
          returned: success
          sample: 0
    deployments:
      description: Ids of its deployments.
      type: list
      elements: str
      returned: success
      sample: [sentiment]
    in_use:
      description: Whether a deployment or anything in RV(models[].used_by) uses it; null if that is not known.
      type: bool
      returned: success
      sample: true
    used_by:
      description:
        - Everything that uses it, or one of its deployments; null unless O(gather) contains V(references).
        - A kind that the user may not read is null. Indices are also null if the endpoints are, through which they use
          a model.
      type: dict
      returned: success
      sample:
        deployments: [sentiment]
        inference_endpoints: [reviews]
        ingest_pipelines: [enrich]
        model_aliases: [search-model]
        semantic_text_indices: [articles]
    config:
      description: The whole configuration, as Elasticsearch shows it; null unless O(gather) contains V(config).
      type: dict
      returned: success
missing:
  description: What could not be read, for one of the models at least.
  returned: always
  type: list
  elements: dict
  contains:
    what:
      description: V(download) or a kind of RV(models[].used_by).
      type: str
      returned: always
      sample: ingest_pipelines
    privilege:
      description: The privilege that is missing; null if no privilege helps.
      type: str
      returned: always
      sample: read_pipeline
summary:
  description:
    - The number of returned models, of those that are deployed, whose definition is known to be incomplete, which are
      being downloaded, and which nothing uses, and the sum of their sizes.
    - C(unused) is null if that is not known of each. Null if the task failed.
  returned: always
  type: dict
  sample: {models: 3, deployed: 2, incomplete: 0, downloading: 0, unused: 1, model_bytes: 1100834968}
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
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
