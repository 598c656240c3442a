# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test connection options: fallbacks, precedence, refusals."""

from __future__ import annotations

import base64
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import (
    CONNECTION,
    Connection,
    connection,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment import with_environment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.secrets import secrets

HOST = {"hosts": ["http://127.0.0.1:9200"]}
TLS = {"hosts": ["https://127.0.0.1:9200"]}


def resolved(given: dict[str, t.Any], environ: dict[str, str] | None = None) -> Connection:
    options = with_environment(given, environ or {})
    checked = ArgumentSpecValidator(**CONNECTION.to_kwargs()).validate(options)
    assert not checked.error_messages
    return connection(checked.validated_parameters)


def refused(given: dict[str, t.Any], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(Refusal) as caught:
        resolved(given, environ)
    return str(caught.value)


def test_endpoints_win_over_url() -> None:
    environ = {"ELASTICSEARCH_ENDPOINTS": "http://first:1", "ELASTICSEARCH_URL": "http://second:2"}
    assert resolved({}, environ).hosts == ("http://first:1",)


def test_an_option_wins_over_its_variable() -> None:
    assert resolved(HOST, {"ELASTICSEARCH_URL": "http://other:1"}).hosts == ("http://127.0.0.1:9200",)


def test_one_authentication_option_hides_all_authentication_variables() -> None:
    environ = {"ELASTICSEARCH_API_KEY": "from-environment", "ELASTICSEARCH_BEARER_TOKEN": "token"}
    found = resolved({**HOST, "username": "ada", "password": "secret-1"}, environ).credentials()
    assert found == {"basic_auth": "YWRhOnNlY3JldC0x"}


@pytest.mark.parametrize("empty", ["", None, [], [""]])
def test_empty_options_and_variables_count_as_not_given(empty: t.Any) -> None:
    environ = {"ELASTICSEARCH_API_KEY": "", "ELASTICSEARCH_URL": "http://a:1"}
    found = resolved({"hosts": empty, "api_key": "" if isinstance(empty, list) else empty}, environ)
    assert (found.hosts, found.credentials()) == (("http://a:1",), {})


@pytest.mark.parametrize(("text", "validates"), [("true", False), ("0", True), ("", True)])
def test_insecure_inverts(text: str, validates: bool) -> None:
    assert resolved(HOST, {"ELASTICSEARCH_INSECURE": text}).validate_certs is validates


def test_validate_certs_wins_over_insecure() -> None:
    environ = {"ELASTICSEARCH_VALIDATE_CERTS": "yes", "ELASTICSEARCH_INSECURE": "yes"}
    assert resolved(HOST, environ).validate_certs is True
    assert resolved({**HOST, "validate_certs": False}, environ).validate_certs is False


@pytest.mark.parametrize("variable", ["ELASTICSEARCH_VALIDATE_CERTS", "ELASTICSEARCH_INSECURE"])
def test_a_variable_that_is_no_boolean_is_named(variable: str) -> None:
    assert refused(HOST, {variable: "perhaps"}).startswith(f"The variable {variable} is 'perhaps'")


def test_options_of_other_groups_pass_through() -> None:
    assert with_environment({"model_id": "", "state": "started"}, {}) == {"model_id": "", "state": "started"}


@pytest.mark.parametrize(
    ("given", "credentials"),
    [
        ({"api_key": "id:key"}, {"api_key": ("id", "key")}),
        ({"api_key": "aWQ6a2V5"}, {"api_key": "aWQ6a2V5"}),
        ({"bearer_token": "t"}, {"bearer_auth": "t"}),
        ({"username": "ada", "password": "pä:ß"}, {"basic_auth": base64.b64encode("ada:pä:ß".encode()).decode()}),
        ({}, {}),
    ],
)
def test_credentials_of_the_client(given: dict[str, str], credentials: dict[str, t.Any]) -> None:
    assert resolved({**HOST, **given}).credentials() == credentials


def test_no_secret_is_in_what_python_shows_of_a_connection() -> None:
    assert "p4ssw0rd" not in repr(resolved({**HOST, "username": "u", "password": "p4ssw0rd"}))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://es.example.com", "https://es.example.com:443"),
        ("http://es.example.com", "http://es.example.com:80"),
        ("https://es.example.com:9243/prefix/", "https://es.example.com:9243/prefix"),
        ("http://[::1]:9200", "http://[::1]:9200"),
        ("http://es.example.com/team@eu", "http://es.example.com:80/team@eu"),
        ("https://[::1]:9200/a/team@eu/", "https://[::1]:9200/a/team@eu"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert resolved({"hosts": [text]}).hosts == (address,)


@pytest.mark.parametrize(
    "hosts",
    [
        "https://es.example.com,",
        ["https://es.example.com", "", " "],
        "https://es.example.com,https://ES.example.com:443/",
    ],
)
def test_empty_addresses_and_repeated_ones_do_not_count(hosts: t.Any) -> None:
    assert resolved({"hosts": hosts}).hosts == ("https://es.example.com:443",)


@pytest.mark.parametrize("name", ["request_timeout", "request_retries"])
def test_an_empty_number_is_the_default(name: str) -> None:
    assert getattr(resolved({**HOST, name: ""}), name) == CONNECTION.argument_spec[name]["default"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hosts": None}, "No cluster is named. Set hosts or cloud_id, or the variable ELASTICSEARCH_URL."),
        ({"hosts": ["localhost:9200"]}, "'localhost:9200' in hosts is not a URL"),
        ({"hosts": ["http://a:port"]}, "An address in hosts is not a URL"),
        ({"hosts": ["https://elastic:hunter2@es:1"]}, "The address of es:1 in hosts contains credentials"),
        ({"hosts": ["https://elastic:hunter2/x@es:1"]}, "The address of es:1 in hosts contains credentials"),
        ({"hosts": ["https://elastic:4711/hunter2?x@es"]}, "The address of es in hosts contains credentials"),
        ({"hosts": ["https://hunter2@es:1/team@eu"]}, "in hosts contains credentials"),
        ({"api_key": "a", "bearer_token": "b"}, "More than one way to authenticate is given: api_key, bearer_token"),
        ({"api_key": "a\nb"}, "api_key contains characters that no api_key has"),
        ({"bearer_token": "€4711"}, "bearer_token contains characters"),
        ({"request_timeout": "nan"}, "request_timeout is 'nan', not a time"),
        ({"api_key": "a", "username": "b"}, "More than one way to authenticate is given: api_key, username"),
        ({"username": "a"}, "username is given without password"),
        ({"password": "a"}, "password is given without username"),
        ({"request_timeout": 0}, "request_timeout must be above 0 seconds"),
        ({"request_retries": -1}, "request_retries must be 0 or more"),
        ({"api_key": "  "}, "api_key is blank."),
        ({"username": "a:b", "password": "4711"}, "username contains a colon."),
        ({"hosts": ["http://a:0"]}, "An address in hosts has port 0, where nothing can listen."),
        ({"hosts": ","}, "No cluster is named."),
        ({**TLS, "ca_path": "/nowhere/ca.pem"}, "ca_path /nowhere/ca.pem cannot be read: No such file or directory"),
    ],
)
def test_refusals(given: dict[str, t.Any], said: str) -> None:
    sentence = refused({**HOST, **given})
    assert said in sentence
    assert "hunter2" not in sentence
    assert "4711" not in sentence


def test_the_sentence_names_the_variable() -> None:
    environ = {"ELASTICSEARCH_API_KEY": "a", "ELASTICSEARCH_USERNAME": "b", "ELASTICSEARCH_PASSWORD": "c"}
    assert "api_key (from ELASTICSEARCH_API_KEY), username (from ELASTICSEARCH_USERNAME)" in refused(HOST, environ)
    alone = refused(HOST, {"ELASTICSEARCH_PASSWORD": "c"})
    assert alone.startswith("password (from ELASTICSEARCH_PASSWORD) is given without username")


def test_the_line_end_of_a_file_is_no_part_of_a_secret() -> None:
    assert resolved({**HOST, "api_key": "key-4711\n"}).credentials() == {"api_key": "key-4711"}
    assert secrets({"api_key": "key-4711\n"}) >= {"key-4711", "key-4711\n"}


def test_a_ca_file_must_hold_a_certificate(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n")
    assert refused({**TLS, "ca_path": str(file)}) == f"ca_path {file} has no certificate in PEM format."


@pytest.mark.parametrize("name", ["username", "password", "proxy_username", "proxy_password"])
def test_bytes_that_are_no_utf8_are_refused(name: str) -> None:
    """Test such bytes as Python reads them out of a variable."""
    pairs = {"username": "ada", "password": "x", "proxy": "http://p:1", "proxy_username": "pat", "proxy_password": "x"}
    sentence = refused({**HOST, **pairs, name: "n\udcf6rdlich-4711"})
    assert sentence == f"{name} has characters that cannot be sent. Write it in UTF-8, also in a variable or a file."


@pytest.mark.parametrize("path", ["/a\0b", "/a\ud800b"])
def test_what_no_path_has_is_refused(path: str) -> None:
    assert refused({"hosts": ["https://a"], "ca_path": path}).startswith("ca_path has characters that no path can")
