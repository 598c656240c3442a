# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test users, roles, run-as, 401 and 403, ``_authenticate`` and ``_has_privileges``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emulator.inprocess import InProcess
from emulator.security import file, java_base64, patterns, privileges
from emulator.security.patterns import Names
from emulator.state.versions import features
from emulator_tests.secured_api import SECURITY, Secured, basic

ML = "/_ml/trained_models"
NEWEST = features("9.5.3")


# --- who ---


def test_users_are_who_they_say() -> None:
    """Test server-behaviour.md 0: 401, and its reasons."""
    emulator = Secured()
    assert emulator.send("ml", "GET", "/_security/_authenticate").body["username"] == "ml"
    for who in (basic("ml", "wrong"), basic("unknown", "p"), "off"):
        refused = emulator.send(who, "GET", "/")
        assert refused.status == 401
        assert refused.reason.startswith("unable to authenticate user [")
        assert "X-elastic-product" not in refused.headers


def test_what_is_said_of_a_user() -> None:
    """Test server-behaviour.md 0 (http:338-345)."""
    body = Secured().send("ml", "GET", "/_security/_authenticate").body
    assert body == {
        "username": "ml",
        "roles": ["machine_learning_admin"],
        "full_name": "M. L.",
        "email": "ml@ml.invalid",
        "metadata": {},
        "enabled": True,
        "authentication_realm": {"name": "default_file", "type": "file"},
        "lookup_realm": {"name": "default_file", "type": "file"},
        "authentication_type": "realm",
    }


def test_roles_that_do_not_exist_are_named() -> None:
    """Test server-behaviour.md 0: 403."""
    refused = Secured().send("reader", "POST", f"{ML}/m/deployment/_start")
    assert refused.status == 403
    assert (
        "for user [reader] with effective roles [machine_learning_user] (assigned roles [gone] were not found), "
        "this action is granted by the cluster privileges [manage_inference,manage_ml,manage,all]"
    ) in refused.reason


@pytest.mark.parametrize(
    ("who", "method", "path", "status"),
    [
        ("ml", "POST", f"{ML}/m/deployment/_start?wait_for=starting", 200),
        ("ml", "GET", "/_cluster/state", 403),
        ("ml", "GET", "/_license", 403),
        ("reader", "GET", f"{ML}/_stats", 200),
        ("reader", "DELETE", f"{ML}/m", 403),
        ("keys", "GET", "/_security/user", 403),
        ("keys", "GET", "/_security/role", 403),
        ("elastic", "GET", "/_security/role/superuser", 200),
        ("elastic", "GET", "/_security/role/none", 404),
        ("elastic", "GET", "/_security/user/elastic", 200),
        # Users of the file realm are not shown.
        ("elastic", "GET", "/_security/user/ml", 404),
        ("reader", "GET", "/_security/user/_privileges", 200),
        ("reader", "GET", "/_security/privilege/_builtin", 403),
        ("elastic", "GET", "/_security/privilege/_builtin", 200),
    ],
)
def test_rights(who: str, method: str, path: str, status: int) -> None:
    """Test server-behaviour.md 8."""
    assert Secured().send(who, method, path).status == status


def test_without_credentials_even_an_unknown_path_is_401() -> None:
    """Test server-behaviour.md 0."""
    assert Secured().send(None, "GET", "/_nope/a").status == 401
    assert Secured().send("reader", "GET", "/_nope/a").status == 400


def test_order_of_checks() -> None:
    """Test server-behaviour.md 0: 401, then parsing and validation, then 403, then existence."""
    emulator, path = Secured(), f"{ML}/x/deployment/_update"
    assert emulator.send(None, "POST", path, {"foo": 1}).status == 401
    assert emulator.send("reader", "POST", path, {"foo": 1}).status == 400
    assert emulator.send("reader", "POST", path, {"number_of_allocations": 0}).status == 400
    assert emulator.send("reader", "POST", path, {"number_of_allocations": 1}).status == 403
    assert emulator.send("ml", "POST", path, {"number_of_allocations": 1}).status == 404


def test_run_as() -> None:
    """Test server-behaviour.md 0 (http:390, 391)."""
    emulator = Secured()
    shown = emulator.send("proxy", "GET", "/_security/_authenticate", es_security_runas_user="reader").body
    assert (shown["username"], shown["roles"]) == ("reader", ["machine_learning_user", "gone"])
    assert emulator.send("proxy", "GET", f"{ML}/_stats", es_security_runas_user="reader").status == 200
    refused = emulator.send("proxy", "GET", f"{ML}/_stats", es_security_runas_user="ml")
    assert refused.status == 403
    assert refused.reason.endswith("because user [proxy] is unauthorized to run as [ml]")
    unknown = emulator.send("elastic", "GET", "/", es_security_runas_user="unknown")
    assert unknown.reason.endswith("because user [elastic] is unauthorized to run as [unknown]")
    assert emulator.send("proxy", "GET", "/", es_security_runas_user="").status == 401


def test_service_accounts() -> None:
    """Test server-behaviour.md 0 (http:334)."""
    emulator = Secured()
    token = "Bearer AAEAAWVsYXN0aWMva2liYW5hL3Rva2VuMTpzZWNyZXQ="
    body = emulator.send(token, "GET", "/_security/_authenticate").body
    assert (body["username"], body["token"]["name"]) == ("elastic/kibana", "token1")
    assert emulator.send(token, "GET", f"{ML}/_stats").status == 200
    refused = emulator.send("Bearer AAEAAWVsYXN0aWMva2liYW5hL3Rva2VuMTp4", "GET", "/")
    assert refused.reason == "failed to authenticate service account [elastic/kibana] with token name [token1]"
    denied = emulator.send(token, "DELETE", "/_license")
    assert "is unauthorized for service account [elastic/kibana], this action" in denied.reason


def test_indices() -> None:
    """Test rights on indices by name (public source: the text of the refusal)."""
    emulator = Secured()
    assert emulator.send("elastic", "PUT", "/logs-1/_doc/1", {"a": 1}).status == 201
    assert emulator.send("proxy", "GET", "/logs-1/_doc/1").status == 200
    refused = emulator.send("proxy", "DELETE", "/logs-1/_doc/1")
    assert refused.status == 403
    assert refused.reason == (
        "action [indices:data/write/delete] is unauthorized for user [proxy] with effective roles [proxy] "
        "on indices [logs-1], this action is granted by the index privileges [delete,write,all]"
    )
    assert emulator.send("proxy", "GET", "/other").status == 403
    assert emulator.send("proxy", "PUT", "/logs-2").reason.endswith("index privileges [create_index,manage,all]")


# --- has privileges ---


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_has_privileges(method: str) -> None:
    """Test server-behaviour.md 0: for every user, about that user."""
    desired = {
        "cluster": ["manage_ml", "monitor", "cluster:monitor/xpack/ml/inference/stats/get"],
        "index": [{"names": ["logs-1", "other"], "privileges": ["read", "write"]}],
        "application": [{"application": "a", "privileges": ["read"], "resources": ["*"]}],
    }
    body = Secured().send("proxy", method, "/_security/user/_has_privileges", desired).body
    assert body == {
        "username": "proxy",
        "has_all_requested": False,
        "cluster": {"manage_ml": False, "monitor": False, "cluster:monitor/xpack/ml/inference/stats/get": False},
        "index": {"logs-1": {"read": True, "write": False}, "other": {"read": False, "write": False}},
        "application": {"a": {"*": {"read": False}}},
    }
    every = Secured().send("elastic", method, "/_security/user/_has_privileges", desired).body
    assert every["has_all_requested"] is True


_ROLE = "failed to parse indices privileges for role [reader]."
_CHECK = "failed to parse privileges check [reader]."
_STRINGS = "expected a string array but"


@pytest.mark.parametrize(
    ("body", "reason", "cause"),
    [
        ({}, f"{_CHECK} All privilege fields [cluster,index,applications] are missing", None),
        ({"foo": []}, f"{_CHECK} unexpected field [foo]", None),
        (
            {"cluster": "monitor"},
            "failed to parse role [reader]",
            f"could not parse [cluster] field. {_STRINGS} found [VALUE_STRING] value instead",
        ),
        (
            {"cluster": [5]},
            "failed to parse role [reader]",
            f"could not parse [null] field. {_STRINGS} one of the value in the array is [VALUE_NUMBER]",
        ),
        ({"index": {}}, f"{_ROLE} expected field [index] value to be an array, but found [START_OBJECT] instead", None),
        (
            {"index": ["a"]},
            f"{_ROLE} expected field [null] value to be an array of objects, "
            "but found an array element of type [VALUE_STRING]",
            None,
        ),
        ({"index": [{"names": ["a"]}]}, f"{_ROLE} missing required [privileges] field", None),
        ({"index": [{"privileges": ["read"]}]}, f"{_ROLE} missing required [names] field", None),
        ({"index": [{"names": []}]}, f"{_ROLE} [names] cannot be an empty array", None),
        ({"index": [{"foo": 1}]}, f"{_ROLE} unexpected field [foo]", None),
        (
            {"index": [{"names": 5}]},
            f"{_ROLE} expected field [names] value to be a string or an array of strings, "
            "but found [VALUE_NUMBER] instead",
            None,
        ),
        (
            {"index": [{"allow_restricted_indices": None}]},
            f"{_ROLE} expected field [allow_restricted_indices] value to be a boolean, but found [VALUE_NULL] instead",
            None,
        ),
        (
            {"index": [{"names": "a", "privileges": ["read"], "query": "{}"}]},
            "Field [query] is not supported in a has_privileges request",
            None,
        ),
        (
            {"index": [{"names": "a", "privileges": ["read"], "field_security": {"grant": ["f"]}}]},
            "Field [field_security] is not supported in a has_privileges request",
            None,
        ),
        (
            {"application": [{"application": "a", "privileges": ["b"]}]},
            "failed to parse application privileges for role [reader]. missing required [resources] field",
            None,
        ),
    ],
)
def test_malformed_checks(body: Any, reason: str, cause: str | None) -> None:
    """Test server-behaviour.md 0.

    400; texts of the public parser of role descriptors, which also reads privileges to check.
    """
    refused = Secured().send("reader", "POST", "/_security/user/_has_privileges", body)
    assert (refused.status, refused.type, refused.reason) == (400, "parse_exception", reason)
    assert refused.body["error"].get("caused_by", {}).get("reason") == cause


def test_has_privileges_complaints() -> None:
    """Test server-behaviour.md 0: unknown privileges are a 400."""
    emulator, path = Secured(), "/_security/user/_has_privileges"
    assert emulator.send("reader", "POST", path).reason == "request body or source parameter is required"
    assert emulator.send("reader", "POST", path, {"cluster": ["bogus"]}).reason.startswith("unknown cluster privilege")
    index = {"index": [{"names": ["a"], "privileges": ["bogus"]}]}
    assert emulator.send("reader", "POST", path, index).reason.startswith("unknown index privilege [bogus]")
    refused = emulator.send("reader", "POST", path, {"cluster": []})
    assert refused.reason == "Validation Failed: 1: must specify at least one privilege;"
    everything = {"grant": ["*"]}
    plain = {"index": [{"names": "a", "privileges": ["read"], "field_security": everything}], "applications": []}
    assert emulator.send("reader", "POST", path, plain).body["index"] == {"a": {"read": False}}


def test_has_privileges_of_another() -> None:
    """Test that a question about another user needs a right for it."""
    emulator, body = Secured(), {"cluster": ["monitor"]}
    path = "/_security/user/reader/_has_privileges"
    assert emulator.send("reader", "POST", path, body).status == 200
    assert emulator.send("ml", "POST", path, body).status == 403


# --- privileges ---


@pytest.mark.parametrize("version", ["8.0.0", "8.10.4", "8.14.0", "8.19.21", "9.5.3"])
def test_more_privilege_comes_later(version: str) -> None:
    """Test that in every list a privilege comes after those it includes."""
    listed = list(privileges.named(features(version)).values())
    for place, each in enumerate(listed):
        for later in listed[place + 1 :]:
            assert not each.implies(later) or later.implies(each), (each.name, later.name)
    assert ("manage_inference" in privileges.named(features(version))) == (features(version).manage_inference)


def test_a_pattern_is_a_privilege() -> None:
    found = privileges.find("cluster:monitor/xpack/ml/inference", NEWEST)
    assert found is not None
    assert found.actions.has("cluster:monitor/xpack/ml/inference/stats/get")
    assert privileges.find("nonsense", NEWEST) is None


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        (Names(("a*",)), Names(("ab*",)), True),
        (Names(("ab*",)), Names(("a*",)), False),
        (Names(("a*",), ("ab*",)), Names(("ac*",)), True),
        (Names(("a*",), ("ab*",)), Names(("abc",)), False),
        (Names(("a*",), ("ab*",)), Names(("a*",), ("ab*",)), True),
        (Names(("a*",), ("ab",)), Names(("a*",)), False),
        (Names(("a*", "b*")), Names(("ab", "bc")), True),
    ],
)
def test_sets_of_names(wide: Names, narrow: Names, expected: bool) -> None:
    assert wide.contains(narrow) is expected


def test_patterns() -> None:
    assert patterns.matches("/~(([.]|ilm-history-).*)/", "logs")
    assert not patterns.matches("/~(([.]|ilm-history-).*)/", ".hidden")
    assert patterns.matches("a?c", "abc")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("!!!", "Illegal base64 character 21"),
        ("a", "Input byte[] should at least have 2 bytes for base64 bytes"),
        ("abcde", "Last unit does not have enough valid bits"),
        ("a===", "Input byte array has wrong 4-byte ending unit"),
        ("YQ==x", "Input byte array has incorrect ending byte at 4"),
    ],
)
def test_java_base64(text: str, complaint: str) -> None:
    with pytest.raises(java_base64.NotBase64) as caught:
        java_base64.decode(text)
    assert str(caught.value) == complaint
    assert java_base64.decode("YQ") == java_base64.decode("YQ==") == b"a"


# --- files ---


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ([], "security: expected a mapping"),
        ({"user": {}}, "security: unknown user; known: settings, users"),
        ({"users": {"u": {"pasword": "x"}}}, "security: users.u: unknown pasword"),
        ({"users": {"u": {"password": 1}}}, "security: users.u.password: expected a text"),
        ({"users": {"u": {"enabled": "yes"}}}, "security: users.u.enabled: expected true or false"),
        ({"users": {"u": {"realm": "ldap"}}}, "security: users.u.realm: expected one of file, native, reserved"),
        ({"users": {"u": {"roles": [1]}}}, "could not parse [roles]"),
        ({"roles": {"r": {"cluster": ["bogus"]}}}, "security: roles.r: unknown cluster privilege [bogus]"),
        ({"roles": {"r": {"cluster": "monitor"}}}, "[cluster] field. expected a string array but found [VALUE_STRING]"),
        ({"roles": {"r": {"foo": 1}}}, "failed to parse role [r]. unexpected field [foo]"),
        ({"roles": {"r": {"indices": [{"names": "a", "privileges": ["bogus"]}]}}}, "unknown index privilege [bogus]"),
        ({"api_keys": [{"api_key": "a:b"}]}, "security: api_keys[0].owner: expected one of the users"),
        ({"api_keys": {}}, None),
        ({"api_keys": {"a": 1}}, "security: api_keys: expected a list"),
        ({"tokens": [{"user": "u"}]}, "security: tokens[0].token: is missing"),
        ({"settings": {"tls": "broken"}}, "security: settings.tls: expected one of valid, expired"),
        ({"certificates": [{"roles": []}]}, "security: certificates[0].dn: is missing"),
        ({"service_accounts": {"kibana": {}}}, "a service account is named NAMESPACE/SERVICE"),
        ({"users": {"u": {}}, "tokens": [{"token": "t", "user": "u", "expires_in": "1"}]}, "unit is missing"),
    ],
)
def test_bad_files(body: Any, complaint: str | None) -> None:
    if complaint is None:
        assert file.declared(body, NEWEST).users == ()
        return
    with pytest.raises(file.BadSecurityFile) as caught:
        file.declared(body, NEWEST)
    assert complaint in str(caught.value)


def test_a_privilege_of_another_version_is_a_bad_file() -> None:
    with pytest.raises(file.BadSecurityFile, match=r"unknown cluster privilege \[manage_inference\] in version 8.10.4"):
        file.declared({"roles": {"r": {"cluster": ["manage_inference"]}}}, features("8.10.4"))


def test_files_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "users.yml"
    path.write_text("users:\n  u: {password: 'secret', roles: [superuser]}\n", encoding="utf-8")
    emulator = InProcess(security=path)
    assert emulator.request("GET", "/")[0] == 401
    assert emulator.request("GET", "/", {"Authorization": basic("u", "secret")})[0] == 200
    path.write_text("users: [", encoding="utf-8")
    with pytest.raises(file.BadSecurityFile, match="is not YAML in line 1"):
        file.load(path, NEWEST)
    with pytest.raises(file.BadSecurityFile, match="cannot be read"):
        file.load(tmp_path / "none.yml", NEWEST)


def test_reset_brings_the_file_back() -> None:
    emulator = Secured()
    emulator.emulator.control("POST", "/privileges", {"privileges": None})
    assert emulator.send(None, "GET", "/").status == 200
    emulator.emulator.control("POST", "/reset")
    assert emulator.send(None, "GET", "/").status == 401
    assert emulator.send("elastic", "GET", "/").status == 200


def test_without_security_its_apis_are_not_there() -> None:
    status, _headers, raw = InProcess().request("GET", "/_security/_authenticate")
    assert status == 400
    assert json.loads(raw)["error"].startswith("no handler found for uri [/_security/_authenticate]")


def test_no_secret_is_shown() -> None:
    """Test that neither the state nor the journal has one."""
    emulator = Secured()
    emulator.send(
        "elastic", "POST", "/_security/oauth2/token", {"grant_type": "password", "username": "ml", "password": "p2"}
    )
    emulator.send("elastic", "POST", "/_security/api_key/grant", _granting())
    shown = json.dumps(emulator.emulator.control("GET", "/state")) + json.dumps(
        emulator.emulator.control("GET", "/requests")
    )
    for secret in ("p1", "p2", "p6", "secret", "bearer"):
        assert f'"{secret}"' not in shown
        assert f":{secret}" not in shown
    assert '"ml"' in shown
    assert "p2" not in repr(emulator.emulator.cluster.security and emulator.emulator.cluster.security.users)


def _granting() -> dict[str, Any]:
    return {"grant_type": "password", "username": "ml", "password": "p2", "api_key": {"name": "k"}}


# --- serverless ---


def test_serverless() -> None:
    """Test server-behaviour.md 8: keys and rights are there, users and tokens are not."""
    emulator = Secured(flavor="serverless")
    assert emulator.send("elastic", "GET", "/_security/_authenticate").status == 200
    assert emulator.send("elastic", "GET", "/_security/api_key").status == 200
    for method, path in (("GET", "/_security/user"), ("POST", "/_security/oauth2/token"), ("DELETE", "/_license")):
        refused = emulator.send("elastic", method, path)
        assert (refused.status, refused.type) == (410, "api_not_available_exception")
    assert emulator.send(None, "GET", "/_security/user").status == 401


def test_every_action_of_every_route_is_known_to_all() -> None:
    """Test that a user with all privileges may do what any part of the emulator adds."""
    assert SECURITY["users"]["elastic"]["roles"] == ["superuser"]
    emulator = Secured()
    for method, path in (("GET", "/_cluster/health"), ("GET", "/_nodes"), ("PUT", "/idx"), ("GET", "/_license")):
        assert emulator.send("elastic", method, path).status not in (401, 403)
        assert emulator.send("proxy", method, path).status != 200
