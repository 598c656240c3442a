#!/usr/bin/python

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inference_region_policy
short_description: Limit the places in which the Elastic Inference Service may run inferences
version_added: 0.1.0
description:
  - Sets, changes, removes or reads the region policy of an Elasticsearch cluster. With a policy, the Elastic Inference
    Service runs inferences only in the geographic areas, or in the regions of cloud providers, that it allows, and
    refuses those of models that none of them has.
  - The policy is about endpoints of the service C(elastic). Models on the cluster's own nodes are not affected.
  - Needs Elasticsearch 9.5 or newer, or Serverless.
options:
  state:
    description:
      - With V(present) and neither O(allowed_geos) nor O(allowed_regions) the task only reads the policy.
      - V(absent) removes the policy, whatever it allows. Then Elasticsearch uses the nearest region again.
    type: str
    choices: [present, absent]
    default: present
  allowed_geos:
    description:
      - The geographic areas that are allowed, such as V(us), V(eu) and V(apac), in any order. They take the place of
        what was allowed before.
      - Elasticsearch takes any text, so a misspelt area allows nothing.
    type: list
    elements: str
  allowed_regions:
    description: The regions that are allowed, in any order. They take the place of what was allowed before.
    type: list
    elements: dict
    suboptions:
      csp:
        description: The cloud service provider, such as V(aws), V(azure) or V(gcp).
        type: str
        required: true
      region:
        description: Its name of the region, such as V(us-east-1).
        type: str
        required: true
  force:
    description:
      - Whether to set a policy that denies access to inference endpoints which ingest pipelines or indices use. Without
        it Elasticsearch refuses such a policy and names them.
      - Only Elasticsearch knows which endpoints a policy denies. Check mode does not.
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
    details: Sends no write request. Later tasks of the dry run do not see the policy.
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - Reads need the cluster privileges C(monitor_inference) and C(monitor_ml), or C(monitor); changes need
    C(manage_inference), too. See R(Privileges,ansible_collections.mlops.elasticsearch.docsite.privileges).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - name: Region and hosting of the Elastic Inference Service
    description: The places that there are, and what a policy does.
    link: https://www.elastic.co/docs/explore-analyze/elastic-inference/eis
  - ref: ansible_collections.mlops.elasticsearch.docsite.troubleshooting
    description: All failure codes.
  - ref: ansible_collections.mlops.elasticsearch.docsite.endpoints
    description: Endpoints from nothing to a search, with what each version can change.
"""

EXAMPLES = r"""
- name: Keep inferences of the Elastic Inference Service in Europe
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Allow only Europe
      mlops.elasticsearch.inference_region_policy:
        hosts: https://es.example.com:9200
        api_key: "{{ elasticsearch_api_key }}"
        allowed_geos: [eu]

- name: Say what Elasticsearch may use
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.elasticsearch.ml:
      hosts: https://es.example.com:9200
      api_key: "{{ elasticsearch_api_key }}"
  tasks:
    - name: Read the policy
      mlops.elasticsearch.inference_region_policy:
        state: present
      register: places

    - name: Show the areas that it allows
      ansible.builtin.debug:
        var: places.region_policy.allowed_geos

# Tasks for a play like the second one, whose module_defaults have the connection.
- name: Allow two regions instead, even if endpoints in use are then denied
  mlops.elasticsearch.inference_region_policy:
    allowed_regions:
      - {csp: aws, region: eu-west-1}
      - {csp: gcp, region: europe-west1}
    force: true

- name: Remove it
  mlops.elasticsearch.inference_region_policy:
    state: absent
"""

RETURN = r"""
operation:
  description: What the task did, or in check mode would do. One of V(none), V(create), V(update) and V(delete).
  returned: always
  type: str
  sample: update
skipped_because:
  description: Always null; other modules return here why a task left something as it is.
  returned: always
  type: str
  sample: null
region_policy:
  description: The policy after the task, in check mode as it would be. Null if there is none, or if it was not read.
  returned: always
  type: dict
  contains:
    allowed_geos:
      description: The geographic areas that it allows, sorted; null if it allows regions.
      type: list
      elements: str
      returned: success
      sample: [eu, us]
    allowed_regions:
      description: The regions that it allows, sorted; null if it allows geographic areas.
      type: list
      elements: dict
      returned: success
      contains:
        csp: {description: The cloud service provider., type: str, returned: success, sample: aws}
        region: {description: Its name of the region., type: str, returned: success, sample: us-east-1}
    created_at:
      description: When it was created, as Elasticsearch shows it.
      type: raw
      returned: success
      sample: "2026-05-04T12:00:00.000Z"
    created_by: {description: Who created it., type: str, returned: success, sample: ada}
    updated_at:
      description: When it was changed, as Elasticsearch shows it; null if it never was, or if that is not known yet.
      type: raw
      returned: success
      sample: "2026-05-05T12:00:00.000Z"
    updated_by: {description: Who changed it., type: str, returned: success, sample: ada}
before:
  description: The policy before the task. Null if it was not read.
  returned: always
  type: dict
  sample: {allowed_geos: null, allowed_regions: null, state: absent}
after:
  description: The policy after the task, with the same keys. Null if it was not read.
  returned: always
  type: dict
  sample: {allowed_geos: [eu, us], allowed_regions: null, state: present}
diff:
  description: What differs between RV(before) and RV(after).
  returned: always
  type: dict
  sample:
    before: {state: absent}
    after: {allowed_geos: [eu, us], state: present}
api_calls:
  description: The write requests that took effect, or may have; in check mode those that the task would send.
  returned: always
  type: list
  elements: dict
  contains:
    method: {description: HTTP method., type: str, returned: success, sample: PUT}
    path: {description: Path of the request., type: str, returned: success, sample: /_inference/_region_policy}
    query: {description: "Query parameters, C(force) if it is set.", type: dict, returned: success}
    body:
      description: Body of the request, or null.
      type: dict
      returned: success
      sample: {region_policy: {allowed_geos: [eu, us]}}
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
from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy.options import SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy.run import empty_result, run


def main() -> None:
    run_module(AnsibleModule(supports_check_mode=True, **SPEC.to_kwargs()), run, empty_result)


if __name__ == "__main__":
    main()
