# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test API keys and bearer tokens: made, used, limited, expired, taken away."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.secured_api import HOUR, Secured, api_key, basic

KEYS = "/_security/api_key"
TOKEN = "/_security/oauth2/token"
ML = "/_ml/trained_models"
ME = "/_security/_authenticate"


def _created(emulator: Secured, who: str, **body: Any) -> Any:
    answer = emulator.send(who, "POST", KEYS, {"name": "k", **body})
    assert answer.status == 200, answer.body
    return answer.body


def _header(created: Any) -> str:
    return f"ApiKey {created['encoded']}"


# --- API keys ---


def test_a_key_has_its_owners_rights() -> None:
    """Test server-behaviour.md 0 (http:392-398)."""
    emulator = Secured()
    created = _created(emulator, "keys")
    assert set(created) == {"id", "name", "api_key", "encoded"}
    assert (len(created["id"]), len(created["api_key"])) == (20, 22)
    me = emulator.send(_header(created), "GET", ME).body
    assert (me["username"], me["authentication_type"]) == ("keys", "api_key")
    assert me["api_key"] == {"name": "k", "id": created["id"]}
    assert emulator.send(_header(created), "GET", f"{ML}/_stats").status == 200
    refused = emulator.send(_header(created), "POST", f"{ML}/m/deployment/_start")
    assert f"is unauthorized for API key id [{created['id']}] of user [keys], this action" in refused.reason


@pytest.mark.parametrize(
    ("descriptor", "stats", "start"), [("manage_ml", 200, 403), ("monitor", 200, 403), ("none", 403, 403)]
)
def test_descriptors_limit_and_never_add(descriptor: str, stats: int, start: int) -> None:
    """Test that a key's rights are those of its owner and of its descriptors, both (documentation of API keys)."""
    emulator = Secured()
    created = _created(emulator, "keys", role_descriptors={"r": {"cluster": [descriptor]}})
    assert emulator.send(_header(created), "GET", f"{ML}/_stats").status == stats
    assert emulator.send(_header(created), "POST", f"{ML}/m/deployment/_start").status == start
    desired = {"cluster": ["monitor_ml", "manage_ml"]}
    body = emulator.send(_header(created), "POST", "/_security/user/_has_privileges", desired).body
    assert body["cluster"] == {"monitor_ml": stats == 200, "manage_ml": False}


def test_keys_of_the_file() -> None:
    emulator = Secured()
    assert emulator.send(api_key("preset:secret"), "GET", ME).body["username"] == "ml"
    assert emulator.send(api_key("preset:secret"), "POST", f"{ML}/m/deployment/_start?wait_for=starting").status == 200
    assert emulator.send(api_key("preset:secret"), "GET", "/_cluster/health").status == 403


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("preset:wrong", "API key: invalid credentials for API key [preset]"),
        ("other:secret", "API key: unable to find apikey with id other"),
        ("dead:secret", "API key: api key [dead] has been invalidated"),
        ("nocolon", "API key: invalid ApiKey value"),
    ],
)
def test_keys_that_are_refused(raw: str, why: str) -> None:
    """Test server-behaviour.md 0 (http:328, 397, 400)."""
    refused = Secured().send(api_key(raw), "GET", ME)
    assert refused.status == 401
    assert refused.body["error"]["additional_unsuccessful_credentials"] == why


def test_keys_expire() -> None:
    emulator = Secured()
    created = _created(emulator, "elastic", expiration="2h")
    emulator.pass_time(HOUR + 0.001)
    assert emulator.send(_header(created), "GET", ME).status == 200
    refused = emulator.send(api_key("short:secret"), "GET", ME)
    assert refused.body["error"]["additional_unsuccessful_credentials"] == "API key: api key is expired"
    emulator.pass_time(HOUR)
    assert emulator.send(_header(created), "GET", ME).status == 401


def test_keys_are_invalidated_once() -> None:
    """Test server-behaviour.md 0 (http:399, 400)."""
    emulator = Secured()
    created = _created(emulator, "elastic")
    body = {"ids": [created["id"], "unknown"]}
    assert emulator.send("elastic", "DELETE", KEYS, body).body == {
        "invalidated_api_keys": [created["id"]],
        "previously_invalidated_api_keys": [],
        "error_count": 0,
    }
    assert emulator.send("elastic", "DELETE", KEYS, body).body["invalidated_api_keys"] == []
    assert emulator.send(_header(created), "GET", ME).status == 401


def test_own_keys() -> None:
    """Test that ``manage_own_api_key`` reaches the caller's own keys only."""
    emulator = Secured()
    created = _created(emulator, "keys")
    _created(emulator, "elastic")
    assert emulator.send("keys", "GET", KEYS).status == 403
    listed = emulator.send("keys", "GET", f"{KEYS}?owner=true").body["api_keys"]
    assert [each["id"] for each in listed] == [created["id"]]
    mine = f"{KEYS}?realm_name=default_native&username=keys"
    assert emulator.send("keys", "GET", mine).body["api_keys"] == listed
    refused = emulator.send("keys", "DELETE", KEYS, {"ids": [created["id"]]})
    assert refused.reason.endswith("granted by the cluster privileges [manage_api_key,manage_security,all]")
    gone = emulator.send("keys", "DELETE", KEYS, {"ids": [created["id"]], "owner": True})
    assert gone.body["invalidated_api_keys"] == [created["id"]]
    denied = emulator.send("reader", "POST", KEYS, {"name": "k"})
    assert denied.reason.endswith("[manage_own_api_key,manage_api_key,manage_security,all]")


def test_a_key_may_look_at_itself() -> None:
    emulator = Secured()
    found = emulator.send(api_key("preset:secret"), "GET", f"{KEYS}?id=preset")
    assert [each["id"] for each in found.body["api_keys"]] == ["preset"]
    assert emulator.send(api_key("preset:secret"), "GET", f"{KEYS}?id=short").status == 403


def test_what_is_shown_of_a_key() -> None:
    emulator = Secured()
    created = _created(emulator, "elastic", metadata={"a": 1}, role_descriptors={"r": {"cluster": ["monitor"]}})
    found = emulator.send("elastic", "GET", f"{KEYS}?id={created['id']}&with_limited_by=true").body["api_keys"][0]
    assert found.pop("creation") > 0
    limited = found.pop("limited_by")
    assert limited[0]["superuser"]["cluster"] == ["all"]
    descriptor = found.pop("role_descriptors")["r"]
    assert descriptor["cluster"] == ["monitor"]
    assert found == {
        "id": created["id"],
        "name": "k",
        "type": "rest",
        "invalidated": False,
        "username": "elastic",
        "realm": "reserved",
        "realm_type": "reserved",
        "metadata": {"a": 1},
    }
    old = Secured("8.0.1")
    assert "type" not in old.send("elastic", "GET", f"{KEYS}?id=preset").body["api_keys"][0]
    assert old.send("elastic", "GET", f"{KEYS}?id=preset&with_limited_by=true").status == 400


def test_keys_by_name() -> None:
    emulator = Secured()
    _created(emulator, "elastic", name="logs-1")
    _created(emulator, "elastic", name="logs-2")
    assert len(emulator.send("elastic", "GET", f"{KEYS}?name=logs-*").body["api_keys"]) == 2
    assert len(emulator.send("elastic", "GET", f"{KEYS}?name=logs-1").body["api_keys"]) == 1
    assert len(emulator.send("elastic", "GET", f"{KEYS}?active_only=true").body["api_keys"]) == 4
    assert emulator.send("elastic", "GET", f"{KEYS}?name=none").body == {"api_keys": []}
    assert emulator.send("elastic", "GET", f"{KEYS}?id=none").status == 404


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "Required [name]"),
        ({"name": " "}, "Validation Failed: 1: api key name is required;"),
        ({"name": "_k"}, "Validation Failed: 1: api key name may not begin with an underscore;"),
        ({"name": "k" * 257}, "Validation Failed: 1: api key name may not be more than 256 characters long;"),
        ({"name": "k", "metadata": {"_m": 1}}, "Validation Failed: 1: API key metadata keys may not start with [_];"),
    ],
)
def test_complaints_about_new_keys(body: Any, reason: str) -> None:
    refused = Secured().send("elastic", "POST", KEYS, body)
    assert (refused.status, refused.reason) == (400, reason)


def test_unknown_things_in_new_keys() -> None:
    emulator = Secured()
    assert "unknown field [nme]" in emulator.send("elastic", "POST", KEYS, {"nme": "k"}).reason
    bogus = {"name": "k", "role_descriptors": {"r": {"cluster": ["bogus"]}}}
    assert "unknown cluster privilege [bogus]" in emulator.send("elastic", "PUT", KEYS, bogus).reason
    assert emulator.send("elastic", "POST", f"{KEYS}?refresh=maybe", {"name": "k"}).status == 400
    derived = emulator.send(api_key("preset:secret"), "POST", KEYS, {"name": "k"})
    assert derived.status == 403


def test_a_key_makes_only_keys_without_rights() -> None:
    emulator = Secured()
    created = _created(emulator, "elastic")
    refused = emulator.send(_header(created), "POST", KEYS, {"name": "k2"})
    assert refused.reason.startswith("creating derived api keys requires an explicit role descriptor that is empty")
    assert emulator.send(_header(created), "POST", KEYS, {"name": "k2", "role_descriptors": {"r": {}}}).status == 200


def test_update() -> None:
    emulator = Secured()
    created = _created(emulator, "keys", role_descriptors={"r": {"cluster": ["none"]}})
    path = f"{KEYS}/{created['id']}"
    assert emulator.send(_header(created), "GET", f"{ML}/_stats").status == 403
    body = {"role_descriptors": {"r": {"cluster": ["monitor_ml"]}}, "expiration": "1h"}
    assert emulator.send("keys", "PUT", path, body).body == {"updated": True}
    assert emulator.send(_header(created), "GET", f"{ML}/_stats").status == 200
    assert emulator.send("keys", "PUT", path).body == {"updated": False}
    assert emulator.send("elastic", "PUT", path).status == 404
    assert emulator.send(_header(created), "PUT", path).status == 403
    assert emulator.send(_header(_created(emulator, "keys")), "PUT", path).reason.startswith(
        "authentication via API key"
    )
    emulator.pass_time(2 * HOUR)
    assert emulator.send("keys", "PUT", path).reason == f"cannot update expired API key [{created['id']}]"
    assert Secured("8.3.0").send("keys", "PUT", path).status == 400


def test_grant() -> None:
    emulator, path = Secured(), f"{KEYS}/grant"
    body = {"grant_type": "password", "username": "ml", "password": "p2", "api_key": {"name": "k"}}
    created = emulator.send("elastic", "POST", path, body).body
    assert emulator.send(_header(created), "GET", ME).body["username"] == "ml"
    assert emulator.send("elastic", "POST", path, {**body, "password": "x"}).status == 401
    assert emulator.send("elastic", "POST", path, {**body, "grant_type": "x"}).status == 400
    token = {"grant_type": "access_token", "access_token": "bearer", "api_key": {"name": "k"}}
    created = emulator.send("elastic", "POST", path, token).body
    assert emulator.send(_header(created), "GET", ME).body["username"] == "reader"
    assert emulator.send("ml", "POST", path, body).status == 403


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "One of [api key id(s), api key name, username, realm name] must be specified"),
        ({"ids": []}, "Field [ids] cannot be an empty array"),
        ({"ids": ["a", " "]}, "but got blank id at index position: [1]"),
        ({"ids": ["a"], "name": "b"}, "only one of [api key id(s), api key name] can be specified"),
        ({"owner": True, "username": "a"}, "neither username nor realm-name may be specified when invalidating"),
    ],
)
def test_complaints_about_invalidation(body: Any, reason: str) -> None:
    assert reason in Secured().send("elastic", "DELETE", KEYS, body).reason


# --- bearer tokens ---


def test_tokens() -> None:
    emulator = Secured()
    body = {"grant_type": "password", "username": "ml", "password": "p2"}
    made = emulator.send("elastic", "POST", TOKEN, body).body
    assert (made["type"], made["expires_in"], made["authentication"]["username"]) == ("Bearer", 1200, "ml")
    me = emulator.send(f"Bearer {made['access_token']}", "GET", ME).body
    assert (me["username"], me["authentication_type"]) == ("ml", "token")
    renewed = emulator.send(
        "elastic", "POST", TOKEN, {"grant_type": "refresh_token", "refresh_token": made["refresh_token"]}
    )
    assert emulator.send(f"Bearer {renewed.body['access_token']}", "GET", ME).status == 200
    again = emulator.send(
        "elastic", "POST", TOKEN, {"grant_type": "refresh_token", "refresh_token": made["refresh_token"]}
    )
    assert (again.status, again.body["error"]) == (400, "invalid_grant")
    mine = emulator.send("elastic", "POST", TOKEN, {"grant_type": "client_credentials"}).body
    assert "refresh_token" not in mine
    assert mine["authentication"]["username"] == "elastic"


def test_tokens_end() -> None:
    emulator = Secured()
    assert emulator.send("Bearer bearer", "GET", ME).body["username"] == "reader"
    gone = emulator.send("elastic", "DELETE", TOKEN, {"token": "bearer"})
    assert gone.body == {"invalidated_tokens": 1, "previously_invalidated_tokens": 0, "error_count": 0}
    assert emulator.send("elastic", "DELETE", TOKEN, {"token": "bearer"}).body["previously_invalidated_tokens"] == 1
    assert emulator.send("elastic", "DELETE", TOKEN, {"token": "none"}).status == 404
    assert emulator.send("Bearer bearer", "GET", ME).reason == "token expired"
    other = Secured()
    other.pass_time(HOUR + 0.001)
    refused = other.send("Bearer bearer", "GET", ME)
    assert (refused.status, refused.reason) == (401, "token expired")
    assert refused.body["error"]["header"]["WWW-Authenticate"][1] == 'Bearer realm="security"'


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"grant_type": "magic"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "ml"}, "invalid_request"),
        ({"grant_type": "client_credentials", "username": "ml"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
    ],
)
def test_complaints_about_tokens(body: Any, error: str) -> None:
    refused = Secured().send("elastic", "POST", TOKEN, body)
    assert (refused.status, refused.body["error"]) == (400, error)


def test_tokens_may_be_off() -> None:
    """Test server-behaviour.md 0: the challenge and the API are there only where tokens are on."""
    emulator = Secured(security={"users": {"elastic": {"password": "p1", "roles": ["superuser"]}}})
    off = emulator.send("elastic", "POST", TOKEN, {"grant_type": "client_credentials"})
    assert (off.status, off.type, off.reason) == (
        400,
        "feature_not_enabled_exception",
        "security tokens are not enabled",
    )
    assert off.body["error"]["disabled.feature"] == "security_tokens"
    assert emulator.send("elastic", "DELETE", TOKEN, {"token": "t"}).type == "feature_not_enabled_exception"
    # What is wrong with the request, or with the password in it, comes first.
    assert emulator.send("elastic", "POST", TOKEN, {"grant_type": "magic"}).body["error"] == "unsupported_grant_type"
    wrong = {"grant_type": "password", "username": "elastic", "password": "x"}
    assert emulator.send("elastic", "POST", TOKEN, wrong).status == 401
    refused = emulator.send(basic("elastic", "x"), "GET", "/")
    assert refused.body["error"]["header"]["WWW-Authenticate"] == ['Basic realm="security", charset="UTF-8"', "ApiKey"]


def test_tokens_need_a_licence() -> None:
    """Test that the token service exists from the standard licence on (public source of the security plugin)."""
    emulator = Secured(license_type="basic")
    for method, body in (("POST", {"grant_type": "client_credentials"}), ("DELETE", {"token": "bearer"})):
        refused = emulator.send("elastic", method, TOKEN, body)
        assert (refused.status, refused.reason) == (403, "current license is non-compliant for [security tokens]")
    assert emulator.send("Bearer bearer", "GET", ME).status == 200
    emulator.emulator.control("POST", "/effects", {"do": "set_setting", "name": "license", "value": "standard"})
    assert emulator.send("elastic", "POST", TOKEN, {"grant_type": "client_credentials"}).status == 200
