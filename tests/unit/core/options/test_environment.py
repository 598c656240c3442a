# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test environment variables: each row of the data, and which one wins."""

from __future__ import annotations

import base64
import re
import typing as t

import pytest
import yaml

from ansible_collections.mlops.elasticsearch.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import CONNECTION
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment import (
    GROUPS,
    NAMES,
    VARIABLES,
    Variable,
    with_environment,
)
from support.documents import ROOT

CLOUD_ID = "production:" + base64.b64encode(b"eu.example.com$abc$def").decode()
PRINT = "ab" * 32
HOST = {"hosts": ["https://es.example.com"]}
# Variable to its text, and to the value of its option.
VALUES: dict[str, tuple[str, t.Any]] = {
    "ELASTICSEARCH_ENDPOINTS": ("http://a:1, https://b:2", ["http://a:1", "https://b:2"]),
    "ELASTICSEARCH_URL": ("http://a:1", ["http://a:1"]),
    "ELASTIC_CLOUD_ID": (CLOUD_ID, CLOUD_ID),
    "ELASTICSEARCH_CA_FINGERPRINT": (PRINT, PRINT),
    "ELASTICSEARCH_VALIDATE_CERTS": ("no", False),
    "ELASTICSEARCH_INSECURE": ("no", True),
    "no_proxy": ("a, b", ["a", "b"]),
    "NO_PROXY": ("a, b", ["a", "b"]),
}
# What else has to be there, so that a variable makes sense.
BESIDE: dict[str, dict[str, str]] = {
    "ELASTICSEARCH_USERNAME": {"ELASTICSEARCH_PASSWORD": "p4ssw0rd"},
    "ELASTICSEARCH_PASSWORD": {"ELASTICSEARCH_USERNAME": "ada"},
    "ELASTICSEARCH_CLIENT_CERT": {"ELASTICSEARCH_CLIENT_KEY": "/key.pem"},
    "ELASTICSEARCH_CLIENT_KEY": {"ELASTICSEARCH_CLIENT_CERT": "/cert.pem"},
    "no_proxy": {"https_proxy": "http://proxy:1"},
    "NO_PROXY": {"https_proxy": "http://proxy:1"},
}
GIVEN: dict[str, t.Any] = {
    "hosts": ["https://given:1"],
    "cloud_id": CLOUD_ID,
    "ca_fingerprint": "cd" * 32,
    "no_proxy": ["given"],
    "validate_certs": "given",
}


def each(variable: Variable) -> str:
    return variable.name


def beside(variable: Variable) -> tuple[dict[str, t.Any], dict[str, str]]:
    """Return options and variables among which *variable* counts."""
    hosts = (
        {}
        if variable.option in ("hosts", "cloud_id")
        else {"hosts": [f"{variable.scheme or 'https'}://es.example.com"]}
    )
    return hosts, BESIDE.get(variable.name, {})


@pytest.mark.parametrize("variable", VARIABLES, ids=each)
def test_each_variable_is_read(variable: Variable) -> None:
    given, others = beside(variable)
    text, value = VALUES.get(variable.name, ("text", "text"))
    assert with_environment(given, {**others, variable.name: text})[variable.option] == value


@pytest.mark.parametrize("variable", VARIABLES, ids=each)
@pytest.mark.parametrize("empty", ["", None, [], {}, [""]])
def test_empty_counts_as_not_given(variable: Variable, empty: t.Any) -> None:
    given, others = beside(variable)
    text, value = VALUES.get(variable.name, ("text", "text"))
    resolved = with_environment({**given, variable.option: empty}, {**others, variable.name: text})
    assert resolved[variable.option] == value
    nothing = with_environment({**given, variable.option: empty}, {**dict.fromkeys(NAMES, ""), variable.name: ""})
    assert nothing == given


@pytest.mark.parametrize("variable", VARIABLES, ids=each)
def test_an_option_of_the_group_hides_each_variable(variable: Variable) -> None:
    hosts, others = beside(variable)
    text = VALUES.get(variable.name, ("text", "text"))[0]
    group = next((group for group in GROUPS if variable.option in group), (variable.option,))
    for option in group:
        pair = {
            "username": "password",
            "password": "username",
            "client_cert": "client_key",
            "client_key": "client_cert",
            "proxy_username": "proxy_password",
            "proxy_password": "proxy_username",
        }
        options = {**hosts, option: GIVEN.get(option, "given")}
        if option in pair:
            options[pair[option]] = "other"
        expected = {**options, **({"proxy": others["https_proxy"]} if "https_proxy" in others else {})}
        assert with_environment(options, {**others, variable.name: text}) == expected


@pytest.mark.parametrize("variable", VARIABLES, ids=each)
def test_of_several_variables_the_first_wins(variable: Variable) -> None:
    """Test that variables for the same option (and scheme) that follow in the data are not read."""
    hosts, others = beside(variable)
    following = [
        later
        for later in VARIABLES[VARIABLES.index(variable) + 1 :]
        if (later.option, later.scheme) == (variable.option, variable.scheme)
    ]
    text, value = VALUES.get(variable.name, ("text", "text"))
    environ = {
        **others,
        variable.name: text,
        **{later.name: VALUES.get(later.name, ("later", ""))[0] for later in following},
    }
    assert with_environment(hosts, environ)[variable.option] == value


def test_the_data_name_options_that_exist_and_each_variable_once() -> None:
    options = CONNECTION.argument_spec
    assert len(NAMES) == len(VARIABLES)
    assert {variable.option for variable in VARIABLES} <= options.keys()
    assert {name for group in GROUPS for name in group} <= options.keys()


def test_the_guide_has_each_variable_and_each_group() -> None:
    guide = (ROOT / "docs/docsite/rst/connections.rst").read_text().partition("\nEnvironment variables\n")[2]
    rows = re.findall(r"^   \* - ``(\w+)``\n     - (.+)\n", guide, re.MULTILINE)
    options = dict.fromkeys(variable.option for variable in VARIABLES)
    assert [(option, re.findall("``(.+?)``", variables)) for option, variables in rows] == [
        (option, [variable.name for variable in VARIABLES if variable.option == option]) for option in options
    ]
    groups = re.findall(r"^\* (``\w+``(?:, ``\w+``)+)$", guide, re.MULTILINE)
    assert sorted(tuple(re.findall(r"\w+", group)) for group in groups) == sorted(map(tuple, GROUPS))


def test_each_option_documents_its_variables() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    for name, option in documented.items():
        reported = set(re.findall(r"E\((\w+)\)", str(option["description"])))
        assert reported == {variable.name for variable in VARIABLES if variable.option == name}


def refused(given: dict[str, t.Any], environ: dict[str, str]) -> str:
    with pytest.raises(Refusal) as caught:
        with_environment(given, environ)
    return str(caught.value)


TWO = {"ELASTICSEARCH_URL": "https://a", "ELASTIC_CLOUD_ID": CLOUD_ID}
TRUSTS = {"ELASTICSEARCH_CA_PATH": "/ca.pem", "ELASTICSEARCH_CA_FINGERPRINT": PRINT}
MIXED = {"hosts": ["http://a:1", "https://b:2"]}


@pytest.mark.parametrize(
    ("given", "environ", "sentence"),
    [
        ({}, TWO, "hosts (from ELASTICSEARCH_URL) and cloud_id (from ELASTIC_CLOUD_ID) are both given. Give one: each"),
        ({"hosts": ["https://a"], "cloud_id": CLOUD_ID}, {}, "hosts and cloud_id are both given."),
        (
            HOST,
            TRUSTS,
            "ca_path (from ELASTICSEARCH_CA_PATH) and ca_fingerprint (from ELASTICSEARCH_CA_FINGERPRINT) are both",
        ),
        (
            HOST,
            {"ELASTICSEARCH_API_KEY": "k", "ELASTICSEARCH_BEARER_TOKEN": "t"},
            "More than one way to authenticate is given: api_key (from ELASTICSEARCH_API_KEY), "
            "bearer_token (from ELASTICSEARCH_BEARER_TOKEN). Give one",
        ),
        (
            HOST,
            {"ELASTICSEARCH_PASSWORD": "hunter22"},
            "password (from ELASTICSEARCH_PASSWORD) is given without username.",
        ),
        (
            HOST,
            {"ELASTICSEARCH_CLIENT_CERT": "/cert.pem"},
            "client_cert (from ELASTICSEARCH_CLIENT_CERT) is given without client_key.",
        ),
        (HOST, {"ELASTICSEARCH_CLIENT_KEY": "/key.pem"}, "client_key (from ELASTICSEARCH_CLIENT_KEY) is given without"),
        (
            {**HOST, "client_cert": "/cert.pem"},
            {"ELASTICSEARCH_CLIENT_KEY": "/k"},
            "client_cert is given without client_key",
        ),
        (
            {},
            {"ELASTICSEARCH_URL": "https://u:hunter22@es:1/"},
            "The address of es:1 in hosts (from ELASTICSEARCH_URL) contains credentials. "
            "Remove them from the URL and set username and password.",
        ),
        ({"hosts": "https://a,https://hunter22@b"}, {}, "The address of b in hosts contains credentials."),
        (
            {**HOST, "proxy": "http://u:hunter22@proxy:1"},
            {},
            "The address of proxy:1 in proxy contains credentials. Remove them from the URL and set proxy_username",
        ),
        (
            HOST,
            {"HTTPS_PROXY": "socks5://proxy:1"},
            "'socks5://proxy:1' in proxy (from HTTPS_PROXY) is not the URL of an",
        ),
        (MIXED, {"http_proxy": "a", "https_proxy": "b"}, "same proxy for both (from http_proxy and https_proxy)."),
        (MIXED, {"HTTPS_PROXY": "b"}, "but not the same proxy for both (from HTTPS_PROXY). Set proxy, or"),
        ({**HOST, "secret_headers": {"X-Key": "hunter2"}}, {}, "The value of X-Key in secret_headers has fewer than 8"),
        ({"cloud_id": "production"}, {}, "cloud_id is malformed."),
        ({}, {"ELASTIC_CLOUD_ID": "nope"}, "cloud_id (from ELASTIC_CLOUD_ID) is malformed. Copy"),
        (
            {},
            {"ELASTICSEARCH_URL": "localhost:9200"},
            "'localhost:9200' in hosts (from ELASTICSEARCH_URL) is not a URL. Write it",
        ),
        (
            {},
            {"ELASTICSEARCH_ENDPOINTS": "http://a:1,http://b:port"},
            "An address in hosts (from ELASTICSEARCH_ENDPOINTS) is not a URL.",
        ),
        ({}, {"ELASTICSEARCH_URL": "http://a:0"}, "An address in hosts (from ELASTICSEARCH_URL) has port 0"),
        (
            HOST,
            {"ELASTICSEARCH_CA_FINGERPRINT": "ab"},
            "ca_fingerprint (from ELASTICSEARCH_CA_FINGERPRINT) is not a SHA-256 fingerprint.",
        ),
        (
            HOST,
            {"ELASTICSEARCH_API_KEY": "hunter2\nhunter2"},
            "api_key (from ELASTICSEARCH_API_KEY) contains characters that no api_key has.",
        ),
        (
            HOST,
            {"ELASTICSEARCH_BEARER_TOKEN": " \n"},
            "bearer_token (from ELASTICSEARCH_BEARER_TOKEN) is blank. Leave it out",
        ),
        (
            HOST,
            {"ELASTICSEARCH_USERNAME": "ada:hunter2", "ELASTICSEARCH_PASSWORD": "hunter22"},
            "username (from ELASTICSEARCH_USERNAME) contains a colon. The text after it",
        ),
        (
            HOST,
            {"HTTPS_PROXY": "http://hunter22@proxy:1"},
            "proxy_username (from HTTPS_PROXY) is given without proxy_password. A proxy that asks",
        ),
        (
            HOST,
            {"HTTPS_PROXY": "http://:hunter22@proxy:1"},
            "proxy_password (from HTTPS_PROXY) is given without proxy_username.",
        ),
        (
            HOST,
            {"HTTPS_PROXY": "http://a%3Ab:hunter22@proxy:1"},
            "proxy_username (from HTTPS_PROXY) contains a colon.",
        ),
    ],
)
def test_contradictions_are_reported_with_their_source(given: t.Any, environ: dict[str, str], sentence: str) -> None:
    said = refused(given, environ)
    assert said.startswith(sentence) or sentence in said
    assert "hunter2" not in said


def test_variables_for_tls_are_ignored_without_it() -> None:
    environ = {**TRUSTS, "ELASTICSEARCH_CLIENT_CERT": "/cert.pem"}
    assert with_environment({"hosts": ["http://a"]}, environ) == {"hosts": ["http://a"]}
    cert = {**environ, "ELASTICSEARCH_CLIENT_KEY": "/key.pem", "ELASTICSEARCH_CA_PATH": ""}
    assert with_environment({"cloud_id": CLOUD_ID}, cert) == {
        "cloud_id": CLOUD_ID,
        "ca_fingerprint": PRINT,
        "client_cert": "/cert.pem",
        "client_key": "/key.pem",
    }


@pytest.mark.parametrize(
    ("text", "proxy", "credentials"),
    [
        ("http://proxy:3128", "http://proxy:3128", {}),
        ("proxy:3128", "proxy:3128", {}),
        (
            "http://ada:s%3Acret%2Fone@proxy:3128/",
            "http://proxy:3128/",
            {"proxy_username": "ada", "proxy_password": "s:cret/one"},
        ),
        ("ada:pw@proxy:1", "proxy:1", {"proxy_username": "ada", "proxy_password": "pw"}),
    ],
)
def test_credentials_of_a_proxys_variable_become_options(text: str, proxy: str, credentials: dict[str, str]) -> None:
    assert with_environment(HOST, {"HTTPS_PROXY": text}) == {**HOST, "proxy": proxy, **credentials}


def test_a_proxy_is_chosen_by_the_scheme_of_the_hosts() -> None:
    environ = {"HTTPS_PROXY": "http://for-https:1", "HTTP_PROXY": "http://for-http:1"}
    assert with_environment({"cloud_id": CLOUD_ID}, environ)["proxy"] == "http://for-https:1"
    assert with_environment({"hosts": "HTTP://a"}, environ)["proxy"] == "http://for-http:1"
    both = {"HTTPS_PROXY": "http://one:1", "HTTP_PROXY": "http://one:1"}
    assert with_environment(MIXED, both)["proxy"] == "http://one:1"
    assert with_environment(MIXED, {}) == MIXED


def test_hosts_that_are_exempt_need_no_proxy() -> None:
    environ = {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "b,.example.org"}
    assert with_environment({"hosts": ["https://b"]}, environ) == {"hosts": ["https://b"]}
    assert with_environment(MIXED, environ) == MIXED
    two = {"hosts": ["https://b", "https://c"]}
    assert with_environment(two, environ) == {**two, "proxy": "http://proxy:1", "no_proxy": ["b", ".example.org"]}
    own = {**two, "no_proxy": ["c"]}
    assert with_environment(own, environ) == {**own, "proxy": "http://proxy:1"}


def test_a_proxy_that_is_given_is_used_for_all_hosts() -> None:
    given = {**HOST, "proxy": "http://mine:1"}
    assert with_environment(given, {"HTTPS_PROXY": "http://other:1", "NO_PROXY": "*"}) == given


@pytest.mark.parametrize(
    ("given", "environ"),
    [
        ({**HOST, "validate_certs": True}, {"ELASTICSEARCH_INSECURE": "maybe"}),
        ({**HOST, "validate_certs": True}, {"ELASTICSEARCH_VALIDATE_CERTS": "maybe"}),
        (HOST, {"ELASTICSEARCH_URL": "nowhere", "ELASTIC_CLOUD_ID": "nope"}),
        ({**HOST, "ca_path": "/ca.pem"}, {"ELASTICSEARCH_CA_FINGERPRINT": "nope"}),
        ({**HOST, "proxy": "http://proxy:1"}, {"HTTPS_PROXY": "socks5://token@elsewhere"}),
    ],
)
def test_a_variable_that_does_not_count_may_say_anything(given: dict[str, t.Any], environ: dict[str, str]) -> None:
    assert with_environment(given, environ) == given


def test_a_later_variable_is_not_read() -> None:
    environ = {"ELASTICSEARCH_VALIDATE_CERTS": "no", "ELASTICSEARCH_INSECURE": "maybe"}
    assert with_environment(HOST, environ)["validate_certs"] is False


@pytest.mark.parametrize("name", ["request_timeout", "request_retries", "headers", "proxy_username", "proxy_password"])
@pytest.mark.parametrize("empty", ["", None])
def test_what_has_no_variable_may_be_empty_too(name: str, empty: t.Any) -> None:
    assert with_environment({**HOST, name: empty}, {}) == HOST
