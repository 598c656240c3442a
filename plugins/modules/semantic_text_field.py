#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: semantic_text_field
short_description: Make sure that a field of an index uses a certain inference endpoint
version_added: 0.1.0
description:
  - Makes sure that a field of type C(semantic_text) in an index names a certain inference endpoint. It never relies on
    the default of Elasticsearch, which depends on the version that made the field.
  - If the index is missing, the task creates it with this field, but only if O(create=true).
  - It changes no index that is there. One whose field is missing, has another type, or uses another endpoint is
    refused, because its documents would have to be written again.
  - Needs Elasticsearch 8.15 or newer, or Serverless.
options:
  index:
    description: Name of the index, an alias or a data stream. Each index behind it must have the field.
    type: str
    required: true
  field:
    description: Name of the field, with dots for one within objects, such as V(page.content).
    type: str
    required: true
  inference_id:
    description: Id of the inference endpoint that it must use. The endpoint itself is not looked at.
    type: str
    required: true
  create:
    description: Whether to create the index if it is missing, with this field alone.
    type: bool
    default: false
extends_documentation_fragment:
  - mlops.elasticsearch.attributes
  - mlops.elasticsearch.attributes.actiongroup_ml
  - mlops.elasticsearch.attributes.controller
  - mlops.elasticsearch.connection
attributes:
  check_mode:
    support: full
    details: Sends no write request. Later tasks of the dry run do not see an index that would be created.
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - Needs the index privilege C(view_index_metadata), to create the index also C(create_index), and the cluster
    privilege C(monitor_ml) or C(monitor). See R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - module: mlops.elasticsearch.inference_endpoint_info
    description: The endpoints that there are, and the indices that use them.
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
  - ref: ansible_collections.mlops.elasticsearch.docsite.endpoints
    description: Endpoints from nothing to a search, with what each version can change.
"""

EXAMPLES = r"""
- name: Have an index for semantic search
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Create it if it is missing, and make sure that it uses the endpoint
      mlops.elasticsearch.semantic_text_field:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        index: articles
        field: content
        inference_id: search
        create: true

- name: Look before a deployment of the search page
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Fail if the index uses another endpoint
      mlops.elasticsearch.semantic_text_field:
        index: articles
        field: content
        inference_id: search
"""

RETURN = r"""
operation:
  description: What the task did, or in check mode would do. V(none) or V(create).
  returned: always
  type: str
  sample: create
skipped_because:
  description: Always null; other modules return here why a task left something as it is.
  returned: always
  type: str
  sample: null
field:
  description:
    - The field after the task, in check mode as it would be. Of an alias or a data stream that of the first index.
    - Null if there is none, or if it was not read.
  returned: always
  type: dict
  contains:
    index: {description: Name of its index., type: str, returned: success, sample: articles}
    field: {description: Name of the field., type: str, returned: success, sample: content}
    type: {description: Its type., type: str, returned: success, sample: semantic_text}
    inference_id: {description: The endpoint that it uses., type: str, returned: success, sample: search}
before:
  description: The field before the task. Null if it was not read.
  returned: always
  type: dict
  sample: {index: null, field: null, type: null, inference_id: null, state: absent}
after:
  description: The field after the task, with the same keys. Null if it was not read.
  returned: always
  type: dict
  sample: {index: articles, field: content, type: semantic_text, inference_id: search, state: present}
diff:
  description: What differs between RV(before) and RV(after).
  returned: always
  type: dict
  sample:
    before: {state: absent}
    after: {index: articles, field: content, type: semantic_text, inference_id: search, state: present}
api_calls:
  description: The write requests that took effect, or may have; in check mode those that the task would send.
  returned: always
  type: list
  elements: dict
  contains:
    method: {description: HTTP method., type: str, returned: success, sample: PUT}
    path: {description: Path of the request., type: str, returned: success, sample: /articles}
    query: {description: Query parameters., type: dict, returned: success}
    body:
      description: Body of the request.
      type: dict
      returned: success
      sample: {mappings: {properties: {content: {type: semantic_text, inference_id: search}}}}
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
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
