# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ``_options/connection.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  hosts:
    description:
      - Addresses of the cluster, such as V(https://es.example.com:9200). A path prefix is kept.
      - If one does not answer, the next is tried.
      - Credentials in an address are refused; they belong in O(username) and O(password).
      - If left out, E(ELASTICSEARCH_ENDPOINTS) or E(ELASTICSEARCH_URL) is used, with commas between addresses.
    type: list
    elements: str
  api_key:
    description:
      - API key, in the encoded form or as V(id:key).
      - If no authentication option is given, E(ELASTICSEARCH_API_KEY) is used.
    type: str
  username:
    description:
      - User, together with O(password).
      - If no authentication option is given, E(ELASTICSEARCH_USERNAME) is used.
    type: str
  password:
    description:
      - Password of O(username).
      - If no authentication option is given, E(ELASTICSEARCH_PASSWORD) is used.
    type: str
  bearer_token:
    description:
      - Token of the token service, or a JSON Web Token.
      - If no authentication option is given, E(ELASTICSEARCH_BEARER_TOKEN) is used.
    type: str
  validate_certs:
    description:
      - Whether the certificate of the cluster must be valid.
      - If left out, E(ELASTICSEARCH_VALIDATE_CERTS) is used, or the opposite of E(ELASTICSEARCH_INSECURE).
    type: bool
    default: true
  ca_path:
    description:
      - File with the certificates of the authorities to trust, in PEM format. Read where the code runs.
      - If left out, E(ELASTICSEARCH_CA_PATH) is used, or what the system trusts.
    type: path
  request_timeout:
    description: Seconds that one request may take. Must be more than the C(server_timeout) of a module that has one.
    type: float
    default: 60.0
  request_retries:
    description:
      - How often a reading request is repeated after a connection error or an answer 429, 502, 503 or 504, with growing
        pauses, or those that C(Retry-After) asks for.
      - Writes are never repeated blindly. The module reads again first.
    type: int
    default: 3
notes:
  - Exactly one of O(api_key), O(username) with O(password), and O(bearer_token) is used, or none.
  - If a task or C(module_defaults) gives any of them, all variables for authentication are ignored. An empty variable
    or option counts as not given.
  - Variables are taken from the task's C(environment), and then from the environment of the controller.
  - Reading needs the cluster privilege C(monitor_ml), changing needs C(manage_ml). With C(monitor) too, routing tables
    are complete.
"""
