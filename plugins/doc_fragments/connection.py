# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ``_core/options/connection.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  hosts:
    description:
      - Addresses of the cluster, such as V(https://es.example.com:9200). A path prefix is kept.
      - If one does not answer, the next is tried.
      - Credentials in an address are refused; they belong in O(username) and O(password).
      - If neither this nor O(cloud_id) is given, E(ELASTICSEARCH_ENDPOINTS) or E(ELASTICSEARCH_URL) is used, with
        commas between addresses.
    type: list
    elements: str
  cloud_id:
    description:
      - Cloud id of a deployment in Elastic Cloud, instead of O(hosts).
      - If neither this nor O(hosts) is given, E(ELASTIC_CLOUD_ID) is used.
    type: str
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
      - Whether the certificate of the cluster must be valid. A given O(ca_fingerprint) has to fit in any case.
      - If left out, E(ELASTICSEARCH_VALIDATE_CERTS) is used, or the opposite of E(ELASTICSEARCH_INSECURE).
    type: bool
    default: true
  ca_path:
    description:
      - File with the certificates of the authorities to trust, in PEM format, and of no others.
      - Read where the code runs.
      - If left out, what the system and the Python package certifi trust is trusted.
      - If neither this nor O(ca_fingerprint) is given, E(ELASTICSEARCH_CA_PATH) is used.
      - This and the other options for TLS are refused if no address in O(hosts) uses it. Their variables are ignored
        then.
    type: path
  ca_fingerprint:
    description:
      - SHA-256 fingerprint of the authority to trust, or of the server's own certificate, with or without colons, as
        Elasticsearch prints it at its first start. Instead of O(ca_path).
      - The server has to send the certificate with this fingerprint, and to prove that it has signed the server's own.
        Names in certificates are not compared.
      - If neither this nor O(ca_path) is given, E(ELASTICSEARCH_CA_FINGERPRINT) is used.
    type: str
  client_cert:
    description:
      - File with the certificate to show to the cluster, in PEM format. It goes with any way to authenticate, and is
        one itself if none is given and the cluster has a PKI realm.
      - Read where the code runs.
      - If neither this nor O(client_key) is given, E(ELASTICSEARCH_CLIENT_CERT) is used.
    type: path
  client_key:
    description:
      - File with the private key of O(client_cert), in PEM format, not encrypted.
      - If neither this nor O(client_cert) is given, E(ELASTICSEARCH_CLIENT_KEY) is used.
    type: path
  headers:
    description:
      - Headers to add to each request, such as V(es-security-runas-user).
      - Those that the client sets itself, and those that authenticate, are refused.
    type: dict
  secret_headers:
    description:
      - As O(headers), with values that are never shown. Values with fewer than 8 characters are refused, because to
        hide them would hide half of a result.
    type: dict
  proxy:
    description:
      - Address of an HTTP proxy, such as V(http://proxy.example.com:3128).
      - Credentials in the address are refused; they belong in O(proxy_username) and O(proxy_password).
      - If none of these options is given, E(https_proxy) or E(HTTPS_PROXY) is used for addresses with https, and
        E(http_proxy) or E(HTTP_PROXY) for those with http. Credentials in their addresses are taken out of them.
    type: str
  proxy_username:
    description: User for O(proxy), together with O(proxy_password).
    type: str
  proxy_password:
    description: Password of O(proxy_username).
    type: str
  no_proxy:
    description:
      - Hosts that are reached without O(proxy). Names (which stand for what is below them, too), addresses or networks,
        each with or without a port, or V(*) for all.
      - If left out while the proxy comes from a variable, E(no_proxy) or E(NO_PROXY) is used, with commas in between.
    type: list
    elements: str
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
  - Exactly one of O(hosts) and O(cloud_id) is needed.
  - Exactly one of O(api_key), O(username) with O(password), and O(bearer_token) is used, or none.
  - Precedence is by group. If a task or C(module_defaults) gives any authentication option, all variables for
    authentication are ignored. The same holds for O(hosts) with O(cloud_id), O(ca_path) with O(ca_fingerprint),
    O(client_cert) with O(client_key), and O(proxy) with its credentials.
  - An empty variable or option counts as not given.
  - Variables are taken from the task's C(environment), and then from the environment of the controller.
  - Reading needs the cluster privilege C(monitor_ml), changing needs C(manage_ml). With C(monitor) too, routing tables
    are complete.
"""
