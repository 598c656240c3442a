#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trained_model
short_description: Download, upload or delete a trained model
version_added: 0.1.0
description:
  - Brings a model into the cluster. Elasticsearch downloads its own ones, whose ids begin with a dot, such as
    V(.elser_model_2). Any other model is uploaded from files, which are on the machine where the task runs or behind
    URLs. It needs neither PyTorch nor eland.
  - Most tasks need only O(model_id), for a model of your own O(config), O(vocabulary) and O(definition), and O(hosts)
    with a credential such as O(api_key).
  - A model that is there is not downloaded or uploaded again. An upload that broke goes on where it was.
  - No API changes a model. If the files say something else, RV(differences) lists it, and the task fails.
    O(replace=recreate) deletes the model and uploads the other one, as far as O(on_referenced) lets it.
  - What Elasticsearch is certain to refuse is refused before a write, and in check mode in the same words.
options:
  model_id:
    description:
      - Id of the model. It takes lowercase letters, digits, C(-), C(_) and C(.), at most 64, and begins and ends with a
        letter or a digit. An id with a dot in front is that of a model which Elasticsearch downloads.
      - No alias, no tag of a model and no deployment of another model may have the same name.
    type: str
    required: true
  state:
    description:
      - V(present) makes sure that the model is there and complete. V(absent) deletes it, if nothing uses it or
        O(force=true).
    type: str
    choices: [present, absent]
    default: present
  config:
    description:
      - Configuration of a model that is uploaded, as Elasticsearch takes it when a model is created. It is a
        dictionary, or the path or URL of a JSON file, with C(model_type=pytorch) and one task in C(inference_config).
      - What it does not name is left to Elasticsearch and not compared. Under C(metadata.mlops_elasticsearch) the task
        adds checksum and size of the definition.
    type: raw
  vocabulary:
    description:
      - Path or URL of a JSON file with the lists C(vocabulary), C(merges) and C(scores), as eland writes it. Which of
        them a model needs depends on its tokenization.
    type: str
  definition:
    description:
      - Path or URL of the TorchScript file. Large files are streamed. Required with O(config).
    type: str
  checksum:
    description:
      - SHA-256 of O(definition), as 64 hexadecimal digits, with or without V(sha256:) in front.
      - Without it a file behind a URL is read twice, because its checksum must be known before the first part is sent.
        The same is true if the web server sends neither a strong C(ETag) nor an earlier
        C(Last-Modified).
    type: str
  upload_concurrency:
    description:
      - Number of parts that are under way at once, from 1 to 10. By default 4.
    type: int
  upload_part_size:
    description:
      - Size of a part, such as V(1mb), for a proxy that limits requests. By default 4 MB, or more if the file is larger
        than 10000 such parts. As base64 a part is a third larger.
      - An upload that goes on keeps the size with which it began. With O(replace=recreate) and another size it begins
        again.
    type: str
  upload_journal:
    description:
      - Path of a file in which the task notes each part that Elasticsearch has acknowledged. If the upload breaks, the
        next task sends only what is missing, and check mode shows where it goes on. It is removed at the end;
        if the task dies right before that, by the next one.
      - Without it the next task sends all parts again, and Elasticsearch answers that it has those that are there.
    type: path
  variant:
    description:
      - Variant of a model that Elasticsearch downloads. V(auto) takes the one that the ML nodes of the cluster run, and
        is content with any that is there. Without ML nodes, or if the user may not read them, it takes the one for all
        platforms and warns.
    type: str
    choices: [auto, platform_agnostic, linux-x86_64]
    default: auto
  check_mirror:
    description:
      - Whether the task looks, before it asks for a download, if the repository from which the cluster downloads models
        has this one. It asks from the machine where the task runs.
      - A repository of files on the nodes cannot be looked at; then the task warns.
    type: bool
    default: false
  replace:
    description:
      - What to do if the model is there, and is another one or cannot be completed. V(never) fails and names what
        differs. V(recreate) deletes it, as far as O(on_referenced) allows, and begins again.
    type: str
    choices: [never, recreate]
    default: never
  on_referenced:
    description:
      - What to do if a model that is to be replaced has deployments or aliases, or an inference endpoint, an ingest
        pipeline or an index with a C(semantic_text) field uses it. V(fail) names them. V(force) stops the deployments
        and deletes the model with its aliases; the task starts no deployment and sets no alias again.
    type: str
    choices: [fail, force]
    default: fail
  force:
    description:
      - Whether O(state=absent) deletes a model that is used. The task stops all its deployments, and the aliases go
        with it; pipelines and endpoints that name it stay and do not work any more. Elasticsearch alone would stop only
        the deployment that has the id of the model.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until a download is complete. An upload is always waited for.
    type: bool
    default: true
  wait_timeout:
    description:
      - Time that the task may take from its start on, as a number of seconds or a time such as V(500ms), V(90s), V(5m)
        or V(1h); at most V(168h). After that it fails and says what is missing; the next task goes on.
    type: raw
    default: 1800
  wait_sleep:
    description:
      - Time between two looks at a download, as a number of seconds or a time such as V(500ms).
    type: raw
    default: 5
  fact_name:
    description:
      - Name of the fact that collects the models of the run. With the default, read it as
        C(ansible_facts.elasticsearch_ml_models). Empty for none.
      - Use a different name for each cluster that is managed from the same host.
    type: str
    default: elasticsearch_ml_models
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
  - mlops.elasticsearch.facts
attributes:
  check_mode:
    support: full
    details: Sends no write request. It reads the files, and the definition if it would be sent or compared.
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - Needs Elasticsearch 8.8 or newer, except for O(state=absent). Older versions do not say whether a model is complete.
  - Reads need the cluster privilege C(monitor_ml), changes C(manage_ml). With C(monitor) the task shows the progress of
    downloads, and knows when one has failed. See
    R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.trained_model_deployment
  - module: mlops.elasticsearch.trained_model_alias
  - ref: ansible_collections.mlops.elasticsearch.docsite.models
    description: How to bring a model into a cluster, replace it and delete it.
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
"""

EXAMPLES = r"""
- name: Download a model of Elastic
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Download the variant that the ML nodes run
      mlops.elasticsearch.trained_model:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        model_id: .multilingual-e5-small
      register: downloaded

    - name: Show which one that is
      ansible.builtin.debug:
        msg: "{{ downloaded.model.model_id }}"

- name: Upload a model
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  vars:
    files: /srv/models/sentiment
  tasks:
    - name: Upload it from files
      mlops.elasticsearch.trained_model:
        model_id: shop-sentiment
        config: "{{ files }}/config.json"
        vocabulary: "{{ files }}/vocabulary.json"
        definition: "{{ files }}/model.pt"

    - name: Deploy it
      mlops.elasticsearch.trained_model_deployment:
        model_id: shop-sentiment

# A task for a play like the second one, whose module_defaults have the connection.
- name: Delete a model and all that needs it
  mlops.elasticsearch.trained_model:
    model_id: sentiment
    state: absent
    force: true
"""

RETURN = r"""
operation:
  description:
    - What the task did, or in check mode would do. One of V(none), V(download), V(upload), V(resume), V(recreate) and
      V(delete).
  returned: always
  type: str
  sample: upload
skipped_because:
  description: Always null; other modules return here why a task left something as it is.
  returned: always
  type: str
  sample: null
model:
  description:
    - The model after the task, in check mode as it would be. Null if it does not exist.
    - In check mode, what only Elasticsearch knows is null.
  returned: always
  type: dict
  contains:
    model_id: {description: Id of the model., type: str, returned: success, sample: my-model}
    model_type: {description: Type of the model., type: str, returned: success, sample: pytorch}
    task: {description: The task in its inference configuration., type: str, returned: success, sample: text_embedding}
    description: {description: Its description., type: str, returned: success, sample: Embeds product names}
    tags: {description: Its tags., type: list, elements: str, returned: success, sample: [shop]}
    field_names:
      description: The fields that it reads.
      type: list
      elements: str
      returned: success
      sample: [text_field]
    platform_architecture:
      description: The only platform that can run it.
      type: str
      returned: success
      sample: linux-x86_64
    model_aliases:
      description: Its aliases.
      type: list
      elements: str
      returned: success
      sample: [search-model]
    license_level: {description: The licence that it needs., type: str, returned: success, sample: platinum}
    created_by: {description: Who created it., type: str, returned: success, sample: api_user}
    create_time: {description: When it was created., type: str, returned: success, sample: "2026-05-04T12:00:00.000Z"}
    fully_defined:
      description: Whether Elasticsearch has its whole definition.
      type: bool
      returned: success
      sample: true
    definition_sha256:
      description: SHA-256 of its definition, if a task of this collection has uploaded it.
      type: str
      returned: success
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    definition_bytes: {description: Size of its definition in bytes., type: int, returned: success, sample: 137162752}
    verified:
      description:
        - Whether the definition is known by its checksum. If another program uploaded the model, it is V(false), and
          only configuration and size are compared. Null for a model that Elasticsearch downloads.
      type: bool
      returned: success
      sample: true
    model_bytes: {description: Size of the model in bytes., type: int, returned: success, sample: 137162752}
    per_deployment_memory_bytes:
      description: Memory that it needs once on a node, by its metadata; 0 if it says nothing.
      type: int
      returned: success
      sample: 0
    per_allocation_memory_bytes:
      description: Memory that it needs for each allocation, by its metadata; 0 if it says nothing.
      type: int
      returned: success
      sample: 0
    config: {description: "Its configuration, as Elasticsearch shows it.", type: dict, returned: success}
download:
  description: The download as it was seen last. Null if none was seen, or the user may not read it.
  returned: always
  type: dict
  contains:
    downloaded_parts: {description: Parts that are there., type: int, returned: success, sample: 113}
    total_parts: {description: All parts., type: int, returned: success, sample: 113}
upload:
  description: The upload of the definition. Null if nothing is to be sent.
  returned: always
  type: dict
  contains:
    parts: {description: Number of its parts., type: int, returned: success, sample: 33}
    part_size: {description: Bytes of a part., type: int, returned: success, sample: 4194304}
    bytes: {description: Size of the definition in bytes., type: int, returned: success, sample: 137162752}
    resumed_at:
      description: The first part that is missing, counted from 0, if O(upload_journal) says so.
      type: int
      returned: success
      sample: 12
    sent_parts: {description: Parts that Elasticsearch has acknowledged., type: int, returned: success, sample: 33}
    sent_bytes: {description: The bytes of these., type: int, returned: success, sample: 137162752}
    already_there:
      description: Of these parts, those that it had before.
      type: int
      returned: success
      sample: 0
differences:
  description: What differs between the files and the model that was there. No API can change it.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description:
        - Where in the configuration, or of the files V(definition_sha256), V(definition_bytes), V(vocabulary_sha256) or
          V(definition_revision). That stands for the version of the file that a web server has named.
      type: str
      returned: success
      sample: tags
    current: {description: What the model has., type: raw, returned: success, sample: []}
    desired: {description: What the files say., type: raw, returned: success, sample: [shop]}
used_by:
  description:
    - What uses a model that the task would delete. Null if nothing does, or the task deletes nothing. A kind that the
      user may not read is null.
  returned: always
  type: dict
  sample:
    deployments: [my-model]
    inference_endpoints: []
    ingest_pipelines: [classify]
    model_aliases: [search-model]
    semantic_text_indices: []
waited:
  description: The wait for a download.
  returned: always
  type: dict
  contains:
    seconds: {description: Seconds that the task took., type: float, returned: success, sample: 41.5}
    polls: {description: Number of looks., type: int, returned: success, sample: 9}
    reached:
      description: Whether the model is complete. Null if the task did not wait.
      type: bool
      returned: success
      sample: true
before:
  description:
    - The model before the task, without what only Elasticsearch knows. Null if it was not read. Of a model that
      Elasticsearch downloads only id and type.
    - C(state) is V(absent), V(present), or V(incomplete) if parts are missing and nothing downloads them.
  returned: always
  type: dict
  sample:
    model_id: null
    model_type: null
    description: null
    tags: null
    task: null
    platform_architecture: null
    definition_sha256: null
    definition_bytes: null
    state: absent
after:
  description: The model after the task, with the same keys. Null if it was not read.
  returned: always
  type: dict
  sample:
    model_id: my-model
    model_type: pytorch
    description: null
    tags: [shop]
    task: text_embedding
    platform_architecture: null
    definition_sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    definition_bytes: 137162752
    state: present
diff:
  description: What differs between RV(before) and RV(after).
  returned: always
  type: dict
  sample:
    before: {state: absent}
    after: {model_id: my-model, state: present}
api_calls:
  description:
    - The write requests that took effect, in check mode those that the task would send. All parts of a definition are
      one entry, and a vocabulary is shown by the number of its items, also if an earlier task has sent it.
  returned: always
  type: list
  elements: dict
  contains:
    method: {description: HTTP method., type: str, returned: success, sample: PUT}
    path:
      description: Path of the request.
      type: str
      returned: success
      sample: /_ml/trained_models/my-model/definition/{part}
    query: {description: Query parameters., type: dict, returned: success}
    body: {description: "Body of the request, or null.", type: dict, returned: success}
failure:
  description:
    - The kind of failure as a short, stable C(code), for playbooks to branch on; null on success.
    - The page Troubleshooting lists all codes.
  returned: always
  type: dict
  sample:
    code: model_differs
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
    elasticsearch_ml_models:
      description:
        - The models of the run by id, under the name in O(fact_name). C(model) is RV(model), C(cluster) the cluster
          that has it, and C(predicted) whether a dry run has predicted it.
        - A deleted model has no entry, except in a dry run, where C(model) is null.
      type: dict
      returned: if O(fact_name) is set and the cluster was read
      sample:
        my-model:
          model: {model_id: my-model, fully_defined: true}
          cluster: {name: production, uuid: 3FgFLkTjT6-lgx3mGpSPiA}
          addresses: 5df6e0e2761359d3
          predicted: false
          run: 0242ac11-0002-5a2b-3c4d
          order: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.module import run_module
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
