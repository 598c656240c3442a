# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document the options of ``_core/options/connection.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  hosts:
    description:
      - Addresses of the cluster, such as V(https://es.example.com:9200). An address may have a path prefix.
      - If a host does not answer, the task tries the next.
      - The task refuses credentials in an address; use O(username) and O(password).
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
      - Whether the certificate of the cluster must be valid. If O(ca_fingerprint) is given, it must match in any case.
      - If not given, E(ELASTICSEARCH_VALIDATE_CERTS) is used, or the opposite of E(ELASTICSEARCH_INSECURE).
      - If a variable turns the check off, the first task of a run that it concerns has a warning.
    type: bool
    default: true
  ca_path:
    description:
      - File with the certificates of the only authorities to trust, in PEM format.
      - The file is on the machine where the code runs.
      - If neither this nor O(ca_fingerprint) is given, E(ELASTICSEARCH_CA_PATH) is used.
      - Without it the task trusts the authorities of the system and of the Python package certifi.
      - If no address in O(hosts) uses TLS, the task refuses this and the other options for TLS, and ignores their
        variables.
    type: path
  ca_fingerprint:
    description:
      - SHA-256 fingerprint of the authority to trust, or of the server's own certificate, with or without colons, as
        Elasticsearch prints it at its first start. Use it instead of O(ca_path).
      - The server must send the certificate with this fingerprint, and this certificate must have signed the server's
        own. The task does not compare the names in certificates.
      - If neither this nor O(ca_path) is given, E(ELASTICSEARCH_CA_FINGERPRINT) is used.
    type: str
  client_cert:
    description:
      - File with the client certificate, in PEM format. It can be combined with any way to authenticate, and is itself
        one if the cluster has a PKI realm.
      - The file is on the machine where the code runs.
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
      - The task refuses headers that the client sets itself and headers that authenticate.
    type: dict
  secret_headers:
    description:
      - Like O(headers), with values that are never shown. The task refuses values with fewer than 8 characters, because
        masking them would mask half of a result.
    type: dict
  proxy:
    description:
      - Address of an HTTP proxy, such as V(http://proxy.example.com:3128).
      - The task refuses credentials in the address; use O(proxy_username) and O(proxy_password).
      - If none of these options is given, E(https_proxy) or E(HTTPS_PROXY) is used for addresses with https, and
        E(http_proxy) or E(HTTP_PROXY) for addresses with http. The task moves credentials in these variables to
        O(proxy_username) and O(proxy_password).
    type: str
  proxy_username:
    description: User for O(proxy), together with O(proxy_password).
    type: str
  proxy_password:
    description: Password of O(proxy_username).
    type: str
  no_proxy:
    description:
      - Hosts to connect to directly, without O(proxy). A list of names (which include their subdomains), addresses or
        networks, each with or without a port, or V(*) for all hosts.
      - If not given while the proxy comes from a variable, E(no_proxy) or E(NO_PROXY) is used, with commas in between.
    type: list
    elements: str
  request_timeout:
    description:
      - How long a request may wait for a connection, and then for its answer, as a number of seconds or a time such as
        V(500ms), V(90s) or V(1m). Must be longer than C(server_timeout) if the module has that option.
    type: raw
    default: 60
  request_retries:
    description:
      - How often the task repeats a read request after a connection error or an answer 429, 502, 503 or 504. The pauses
        grow, or follow C(Retry-After).
      - The task never repeats a write request blindly. It reads again first.
    type: int
    default: 3
notes:
  - Give exactly one of O(hosts) and O(cloud_id).
  - Give at most one of O(api_key), O(username) with O(password), and O(bearer_token).
  - Options take precedence by group. If a task or C(module_defaults) gives any authentication option, the task ignores
    all variables for authentication. The same holds for O(hosts) with O(cloud_id), O(ca_path) with O(ca_fingerprint),
    O(client_cert) with O(client_key), and O(proxy) with its credentials.
  - An empty variable or option counts as not given.
  - The task reads variables from its keyword C(environment), and then from the environment of the controller.
"""
