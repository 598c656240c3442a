# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the HTTP layer: media types, routes, parameters, bodies, order of checks (server-behaviour.md 0)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from emulator_tests.api import Answer, Api

BOTH = pytest.mark.parametrize("version", ["8.19.21", "9.5.3"])
START = "/_ml/trained_models/m/deployment/_start"
UPDATE = "/_ml/trained_models/m/deployment/_update"
STOP = "/_ml/trained_models/m/deployment/_stop"
STATS = "/_ml/trained_models/_stats"
VENDOR = "application/vnd.elasticsearch+json;compatible-with={}"


def ask(api: Api, method: str, target: str, headers: dict[str, str] | None = None, body: str | None = None) -> Answer:
    """Send a request with exactly these headers; a body that is not JSON stays a text."""
    raw = None if body is None else body.encode()
    status, sent, answer = api.emulator.request(method, target, headers or {}, raw)
    try:
        parsed: Any = json.loads(answer) if answer else None
    except ValueError:
        parsed = answer.decode()
    return Answer(status, parsed, {name.lower(): value for name, value in sent})


def secured(*privileges: str) -> Api:
    """Return an emulator that requires a password."""
    api = Api("8.19.21")
    api.emulator.control("POST", "/privileges", {"username": "u", "password": "p", "privileges": list(privileges)})
    return api


def basic(password: str = "p") -> dict[str, str]:
    """Return credentials of its user."""
    return {"Authorization": "Basic " + base64.b64encode(f"u:{password}".encode()).decode()}


# --- the product header ---


@BOTH
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", STATS, 200),
        ("GET", "/_ml/trained_models/none/_stats", 404),
        ("GET", "/nowhere/at/all", 400),
        ("PUT", "/_ml/trained_models/m/_stats", 405),
        ("POST", "/_ml/trained_models/none/deployment/_start", 404),
    ],
)
def test_product_header(version: str, method: str, path: str, status: int) -> None:
    """Test server-behaviour.md 0."""
    answer = ask(Api(version), method, path)
    assert (answer.status, answer.headers["x-elastic-product"]) == (status, "Elasticsearch")


def test_no_product_header_without_credentials_or_privilege() -> None:
    """Test server-behaviour.md 0."""
    unauthorized = ask(secured("monitor_ml"), "GET", STATS)
    forbidden = ask(secured("monitor_ml"), "POST", START, basic())
    assert (unauthorized.status, forbidden.status) == (401, 403)
    assert "x-elastic-product" not in unauthorized.headers
    assert "x-elastic-product" not in forbidden.headers


# --- media types ---


@BOTH
@pytest.mark.parametrize("accept", ["application/json", "text/plain", "text/html", "*/*", "application/x-ndjson"])
def test_plain_types_give_json(version: str, accept: str) -> None:
    """Test server-behaviour.md 0."""
    answer = ask(Api(version), "GET", STATS, {"Accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize(("version", "spoken"), [("8.19.21", 7), ("8.19.21", 8), ("9.5.3", 8), ("9.5.3", 9)])
def test_vendor_type_is_mirrored(version: str, spoken: int) -> None:
    """Test server-behaviour.md 0."""
    accept = VENDOR.format(spoken)
    answer = ask(Api(version), "GET", STATS, {"Accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, accept)


@BOTH
def test_yaml_is_mirrored(version: str) -> None:
    """Test server-behaviour.md 0."""
    answer = ask(Api(version), "GET", STATS, {"Accept": "application/yaml"})
    assert answer.headers["content-type"] == "application/yaml"
    assert str(answer.body).startswith("---\ncount: 2\n")


@BOTH
@pytest.mark.parametrize("accept", ["nonsense", "a/b/c", "application/json;charset"])
def test_unparsable_accept(version: str, accept: str) -> None:
    """Test server-behaviour.md 0."""
    answer = ask(Api(version), "GET", STATS, {"Accept": accept})
    assert (answer.status, answer.type) == (400, "media_type_header_exception")
    assert answer.reason == "Invalid media-type value on headers [Accept]"


@pytest.mark.parametrize(("version", "other", "known"), [("8.19.21", 9, "8 or 7"), ("9.5.3", 7, "9 or 8")])
def test_other_compatible_version(version: str, other: int, known: str) -> None:
    """Test server-behaviour.md 0: a 9.x client against an 8.x server, and a 7.x client against a 9.x one."""
    accept = VENDOR.format(other)
    answer = ask(Api(version), "GET", "/", {"Accept": accept})
    assert (answer.status, answer.type) == (400, "media_type_header_exception")
    assert answer.reason == "Invalid media-type value on headers [Content-Type, Accept]"
    cause = answer.body["error"]["caused_by"]
    assert cause["type"] == "status_exception"
    assert cause["reason"] == f"Accept version must be either version {known}, but found {other}. Accept={accept}"


@BOTH
@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "V", "Content-Type": "application/json"},
        {"Accept": "application/json", "Content-Type": "V"},
        {"Content-Type": "V"},
        {"Accept": "V", "Content-Type": "application/vnd.elasticsearch+json;compatible-with=8"},
    ],
)
def test_versions_on_both_headers_must_match(version: str, headers: dict[str, str]) -> None:
    """Test server-behaviour.md 0: with a body, one header alone or two different versions are refused."""
    spoken = VENDOR.format(9 if version[0] == "9" else 7)
    sent = {name: value.replace("V", spoken) if value == "V" else value for name, value in headers.items()}
    answer = ask(Api(version), "POST", START, sent, "{}")
    assert (answer.status, answer.type) == (400, "media_type_header_exception")
    assert answer.body["error"]["caused_by"]["reason"].startswith(
        "A compatible version is required on both Content-Type and Accept headers if either one has requested a "
        "compatible version"
    )
    without_body = ask(Api(version), "GET", STATS, sent)
    assert without_body.status == 200


@BOTH
@pytest.mark.parametrize(("method", "path"), [("GET", STATS), ("POST", START)])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_content_type_without_a_body(version: str, method: str, path: str, kind: str) -> None:
    """Test server-behaviour.md 0: it is neither parsed nor refused."""
    target = f"{path}?wait_for=starting" if method == "POST" else path
    assert ask(Api(version), method, target, {"Content-Type": kind}).status == 200


@BOTH
@pytest.mark.parametrize(("headers", "shown"), [({"Content-Type": "text/plain"}, "text/plain"), ({}, "")])
def test_unsupported_content_type(version: str, headers: dict[str, str], shown: str) -> None:
    """Test server-behaviour.md 0."""
    answer = ask(Api(version), "POST", START, headers, "{}")
    assert answer.status == 406
    assert answer.body == {"error": f"Content-Type header [{shown}] is not supported", "status": 406}


@BOTH
def test_unparsable_content_type(version: str) -> None:
    """Test server-behaviour.md 0."""
    assert ask(Api(version), "POST", START, {"Content-Type": "nonsense"}, "{}").status == 400


@BOTH
@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/yaml", "number_of_allocations: 2"), ("application/x-ndjson", '{"number_of_allocations":2}\n')],
)
def test_yaml_and_ndjson_bodies(version: str, kind: str, body: str) -> None:
    """Test server-behaviour.md 0."""
    api = Api(version)
    answer = ask(api, "POST", f"{START}?wait_for=starting", {"Content-Type": kind, "Accept": "*/*"}, body)
    assert answer.status == 200
    assert api.assignment()["task_parameters"]["number_of_allocations"] == 2


# --- routes ---


@BOTH
def test_no_route(version: str) -> None:
    """Test server-behaviour.md 0: the error is a text, and there is no status."""
    answer = ask(Api(version), "POST", "/p/a/b/c?q=1")
    assert answer.status == 400
    assert answer.body == {"error": "no handler found for uri [/p/a/b/c?q=1] and method [POST]"}


@BOTH
def test_wrong_method(version: str) -> None:
    """Test server-behaviour.md 0."""
    answer = ask(Api(version), "PUT", START)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.body == {
        "error": f"Incorrect HTTP method for uri [{START}] and method [PUT], allowed: [POST]",
        "status": 405,
    }


@BOTH
def test_head_on_a_route_for_get(version: str) -> None:
    """Test server-behaviour.md 0."""
    answer = ask(Api(version), "HEAD", "/_ml/trained_models/m/_stats")
    assert (answer.status, answer.body, answer.headers["allow"]) == (405, None, "GET")


# --- parameters and bodies ---


@BOTH
def test_unknown_parameters(version: str) -> None:
    """Test server-behaviour.md 0."""
    one = ask(Api(version), "POST", f"{START}?timeuot=1s")
    assert (one.status, one.type) == (400, "illegal_argument_exception")
    assert one.reason == f"request [{START}] contains unrecognized parameter: [timeuot] -> did you mean [timeout]?"
    several = ask(Api(version), "GET", f"{STATS}?foo=1&bar=2")
    assert several.reason == f"request [{STATS}] contains unrecognized parameters: [bar], [foo]"


@BOTH
def test_body_where_none_is_read(version: str) -> None:
    """Test server-behaviour.md 0."""
    answer = ask(Api(version), "GET", STATS, {"Content-Type": "application/json"}, "{}")
    assert (answer.status, answer.type) == (400, "illegal_argument_exception")
    assert answer.reason == f"request [GET {STATS}] does not support having a body"


@BOTH
@pytest.mark.parametrize(("value", "status"), [("10", 400), ("0", 200), ("-1", 200), ("10s", 200), ("abc", 400)])
def test_time_values_need_a_unit(version: str, value: str, status: int) -> None:
    """Test server-behaviour.md 0: 0 and -1 pass without one."""
    api = Api(version)
    api.started()
    target = f"{UPDATE}?timeout={value}&number_of_allocations=2"
    assert ask(api, "POST", target).status == status


@BOTH
@pytest.mark.parametrize(
    ("value", "status"), [("true", 200), ("false", 200), ("", 200), ("1", 400), ("yes", 400), ("True", 400)]
)
def test_booleans(version: str, value: str, status: int) -> None:
    """Test server-behaviour.md 0."""
    assert ask(Api(version), "GET", f"{STATS}?allow_no_match={value}").status == status


@BOTH
def test_filter_path(version: str) -> None:
    """Test server-behaviour.md 0: errors are not filtered, and no match gives an empty object."""
    api = Api(version)
    assert ask(api, "GET", f"{STATS}?filter_path=count").body == {"count": 2}
    assert ask(api, "GET", f"{STATS}?filter_path=nothing").body == {}
    error = ask(api, "GET", "/_ml/trained_models/none/_stats?filter_path=nothing")
    assert (error.status, error.body["status"]) == (404, 404)


@BOTH
@pytest.mark.parametrize(
    ("given", "number"),
    [
        ('"2"', 2),
        ("1.5", 1),
        ("1e2", 100),
        ("null", None),
        ("true", None),
        ("[]", None),
        ("{}", None),
        ("2.9", 2),
        ('"\u0663"', None),
    ],
)
def test_numbers_in_a_body_are_coerced(version: str, given: str, number: int | None) -> None:
    """Test server-behaviour.md 0."""
    api = Api(version, nodes={"n1": 200})
    body = f'{{"number_of_allocations":{given}}}'
    answer = ask(api, "POST", f"{START}?wait_for=starting", {"Content-Type": "application/json"}, body)
    if number is None:
        assert (answer.status, answer.type) == (400, "x_content_parse_exception")
    else:
        assert answer.assignment["task_parameters"]["number_of_allocations"] == number


@BOTH
def test_text_after_the_object_and_duplicate_keys(version: str) -> None:
    """Test server-behaviour.md 0."""
    for body, status in (('{"queue_capacity":5} rest', 200), ('{"queue_capacity":5,"queue_capacity":6}', 400)):
        answer = ask(Api(version), "POST", f"{START}?wait_for=starting", {"Content-Type": "application/json"}, body)
        assert answer.status == status


# --- the order of checks ---


def test_order_of_checks() -> None:
    """Test server-behaviour.md 0: each step takes away what the check before it complained of."""
    api = secured("monitor_ml")
    path = "/_ml/trained_models/none/deployment/_update"
    json_type = {"Content-Type": "application/json"}
    steps: list[tuple[str, dict[str, str], str, int, str]] = [
        ("?timeout=1&wrong=1", {}, '{"number_of_allocations":{}}', 401, "security_exception"),
        ("?wrong=1", basic(), '{"number_of_allocations":{}}', 400, "x_content_parse_exception"),
        ("?wrong=1&timeout=1", basic(), '{"number_of_allocations":0}', 400, "illegal_argument_exception"),
        ("?wrong=1", basic(), '{"number_of_allocations":0}', 400, "illegal_argument_exception"),
        ("", basic(), '{"number_of_allocations":0}', 400, "action_request_validation_exception"),
        ("", basic(), '{"number_of_allocations":1}', 403, "security_exception"),
    ]
    for query, credentials, body, status, kind in steps:
        answer = ask(api, "POST", path + query, {**json_type, **credentials}, body)
        assert (answer.status, answer.type) == (status, kind), (query, body)
    allowed = secured("manage_ml")
    answer = ask(allowed, "POST", path, {**json_type, **basic()}, '{"number_of_allocations":1}')
    assert (answer.status, answer.type) == (404, "resource_not_found_exception")


@pytest.mark.parametrize(("choice", "status"), [("before", 400), ("after", 401)])
def test_media_type_and_credentials(choice: str, status: int) -> None:
    """Test server-behaviour.md 0 [U]: which of the two is complained of first is not known."""
    api = secured("monitor_ml")
    api.emulator.control("POST", "/unknowns", {"media_type_and_credentials": choice})
    assert ask(api, "GET", STATS, {"Accept": "nonsense"}).status == status
    assert ask(api, "GET", STATS, {"Accept": "nonsense", **basic()}).status == 400
    assert ask(api, "GET", STATS).status == 401
    assert ask(api, "GET", STATS, basic()).status == 200


# --- credentials and privileges ---


def test_unauthorized() -> None:
    """Test server-behaviour.md 0: texts, and the two headers."""
    api = secured("monitor_ml")
    status, headers, raw = api.emulator.request("GET", STATS)
    error = json.loads(raw)["error"]
    offered = [value for name, value in headers if name.lower() == "www-authenticate"]
    assert (status, offered) == (401, ['Basic realm="security", charset="UTF-8"', "ApiKey"])
    assert error["reason"] == f"missing authentication credentials for REST request [{STATS}]"
    assert error["header"]["WWW-Authenticate"] == offered
    wrong = ask(api, "GET", STATS, basic("wrong"))
    assert wrong.reason == f"unable to authenticate user [u] for REST request [{STATS}]"
    assert ask(api, "GET", "/nowhere").status == 401


@pytest.mark.parametrize(
    ("path", "granted"),
    [
        (START, "manage_inference,manage_ml,manage,all"),
        (STOP, "manage_inference,manage_ml,manage,all"),
        (UPDATE, "manage_ml,manage,all"),
    ],
)
def test_forbidden(path: str, granted: str) -> None:
    """Test server-behaviour.md 0: the text names action, user, roles, and who would be granted it."""
    body = '{"number_of_allocations":1}' if path == UPDATE else None
    headers = {**basic(), **({"Content-Type": "application/json"} if body else {})}
    answer = ask(secured("monitor_ml"), "POST", path, headers, body)
    action = f"cluster:admin/xpack/ml/trained_models/deployment/{path.rpartition('_')[2]}"
    assert (answer.status, answer.type) == (403, "security_exception")
    assert answer.reason.startswith(f"action [{action}] is unauthorized for user [u] with effective roles [u_role], ")
    assert answer.reason.endswith(f" [u_role], this action is granted by the cluster privileges [{granted}]")


# --- what real clients do ---


@BOTH
def test_stop_options_as_query_and_as_body(version: str) -> None:
    """Test server-behaviour.md 0: older Python clients send them in the query, newer ones in the body."""
    for query, body in (("?force=true&allow_no_match=false", None), ("", '{"force":true,"allow_no_match":false}')):
        api = Api(version, clock="eager")
        api.started()
        headers = {} if body is None else {"Content-Type": "application/json"}
        assert ask(api, "POST", STOP + query, headers, body).body == {"stopped": True}


@BOTH
def test_start_by_query_alone_then_root_and_stats_by_model(version: str) -> None:
    """Test server-behaviour.md 0: as the Terraform provider does it."""
    api = Api(version, clock="eager")
    query = "?deployment_id=d&number_of_allocations=2&threads_per_allocation=2&priority=normal&timeout=30s"
    assert ask(api, "POST", START + query).status == 200
    assert ask(api, "GET", "/").body["version"]["number"] == version
    row = ask(api, "GET", "/_ml/trained_models/m/_stats").body["trained_model_stats"][0]
    assert row["deployment_stats"]["deployment_id"] == "d"


@BOTH
def test_lists_of_accepted_types(version: str) -> None:
    """Test server-behaviour.md 0: as the JavaScript client sends them."""
    spoken = version[0]
    accept = f"application/vnd.elasticsearch+json; compatible-with={spoken},text/plain"
    assert ask(Api(version), "GET", STATS, {"Accept": accept}).status == 200


@BOTH
def test_repeated_start_after_a_gateway_error(version: str) -> None:
    """Test server-behaviour.md 0: a client that repeats a lost start hears that the deployment exists."""
    api = Api(version, clock="eager")
    api.fault("start", {"type": "answer", "status": 502, "body": "<html>"}, when="after")
    assert ask(api, "POST", START).status == 502
    again = ask(api, "POST", START)
    assert (again.status, "existing deployment with the same id [m]" in again.reason) == (400, True)
