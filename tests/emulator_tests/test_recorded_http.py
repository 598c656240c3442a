# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole requests: answered as recorded, in status, headers and every byte that is not a mere circumstance."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

import pytest

from emulator.inprocess import InProcess
from emulator.security.accounts import User
from emulator.state.assignment import Assignment, Route, TaskParams
from emulator.state.models import Model
from emulator.state.nodes import Node
from emulator.wire.values import ByteSize
from emulator_tests.recordings import USED, Row, cases, check, not_reproduced, rows

SIZE = 265632637
_ML = re.compile(r"/_ml/trained_models/([^/]*)/deployment/_(start|update|stop)")
_USERS = {
    "elastic": ("superuser", ["all"]),
    "u_admin": ("mladmin", ["manage_ml"]),
    "u_mon": ("mlmonitor", ["monitor_ml"]),
    "u_monitor": ("monitoronly", ["monitor"]),
    "u_infer": ("inferonly", ["manage_inference"]),
    "u_none": ("norights", []),
}
_PASSWORD = "secret123"
_API_KEY = "-hsDBaIBk9in8ZFTU348:Jqhcuq9SlWylt_eCofjgyQ"
_CIRCUMSTANCES = (
    # The order of the two names is that of a hash map.
    (re.compile(r"\[Accept, Content-Type\]"), "[Content-Type, Accept]"),
    # The recorded secured node has an index of its own.
    (re.compile(r'(active(?:_primary)?_shards" ?: ?)1'), r"\g<1>0"),
    (re.compile(r'("(?:master_node|cluster_uuid)":")[^"]*'), r"\1somewhere"),
)
# Warnings were not recorded; where an answer was compressed, the header that says so has been lost.
_NOT_COMPARED = {"content-length", "transfer-encoding", "content-encoding", "warning"}


def _version(row: Row) -> str:
    return str(row.data["node"].partition("+")[0].partition(" ")[0])


def _played_rows() -> list[Any]:
    chosen = [row for row in rows("http") if "response" in row.data]
    USED.update(row.key for row in chosen)
    return [pytest.param(row, id=row.key) for row in chosen]


def _user(headers: dict[str, str]) -> User | None:
    scheme, _space, value = headers.get("Authorization", "").partition(" ")
    if scheme == "ApiKey":
        return User("elastic", ("manage_ml",), api_key=_API_KEY)
    name = "u_admin"
    if scheme == "Basic" and re.fullmatch(r"[A-Za-z0-9+/]+=*", value):
        name = base64.b64decode(value).decode().partition(":")[0]
    role, privileges = _USERS.get(name, _USERS["u_admin"])
    password = _PASSWORD if name in _USERS else None
    return User(name if name in _USERS else "u_admin", tuple(privileges), password, roles=(role,))


def _double(row: Row) -> InProcess:
    """The situation that the row needs: its user, and the deployment its path names."""
    double = InProcess(_version(row), [Node("n1", 64)])
    double.cluster.name = "oracle"
    if "Authorization" in row.data["request"]["headers"] or row.data["response"]["status"] == 401:
        # The other rows of the secured node were sent with credentials that were not written down.
        double.double.user = _user(dict(row.data["request"]["headers"]))
    request = row.data["request"]
    match = _ML.match(request["path"])
    if match is not None:
        _deploy(double, match[1], match[2])
    return double


def _deploy(double: InProcess, encoded: str, operation: str) -> None:
    name = encoded.replace("%2F", "/").replace("%C3%A9", "é")
    cluster = double.cluster
    cluster.models["m"] = Model("m", SIZE)
    if operation == "start":
        cluster.models[name] = Model(name, SIZE)
        return
    if name == "missing":
        return
    params = TaskParams("m", name, SIZE, 1 if name == "toobig" else 7, 1, 10000, ByteSize(SIZE, f"{SIZE}b"))
    each = Assignment(params, cluster.version, 0, {"n1": Route(7, 7, "started")}, "started")
    cluster.put_assignment(each)
    if name == "notstarted":
        each.routes, each.state = {}, "starting"
    if name == "toobig":
        cluster.nodes = {"n1": Node("n1", 1)}
    if name == "adaptive":
        double.control(
            "POST", "/effects", {"do": "set_adaptive", "deployment_id": name, "adaptive_allocations": {"enabled": True}}
        )


def _send(double: InProcess, row: Row) -> tuple[int, list[tuple[str, str]], str]:
    request = row.data["request"]
    body = request["body"]
    status, headers, raw = double.request(
        request["method"], request["path"], dict(request["headers"]), None if body is None else body.encode()
    )
    if any(name == "content-encoding" for name, _value in headers):
        raw = gzip.decompress(raw)
    return status, headers, raw.decode()


def _circumstances_removed(text: str) -> str:
    for pattern, replacement in _CIRCUMSTANCES:
        text = pattern.sub(replacement, text)
    return text


def _headers(pairs: list[Any]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in pairs if name.lower() not in _NOT_COMPARED)


def _stood_in(row: Row) -> bool:
    """Whether a stand-in answered: what it made up beyond the request is no evidence."""
    return row.data["response"]["status"] == 200 and _ML.match(row.data["request"]["path"]) is not None


def _parameters(text: str) -> Any:
    """What a stand-in's answer says about the request: the id, the number and the priority that were read from it."""
    try:
        body = json.loads(text)
    except ValueError:
        return "not JSON"
    found = body.get("assignment", {}).get("task_parameters", body)
    return {
        name: found[name] for name in ("deployment_id", "number_of_allocations", "priority", "stopped") if name in found
    }


@pytest.mark.parametrize("row", _played_rows())
def test_answer(row: Row) -> None:
    double = _double(row)
    response = row.data["response"]
    status, headers, text = _send(double, row)
    recorded: list[Any] = [response["status"], _headers(response["headers"])]
    played: list[Any] = [status, _headers(headers)]
    if "gzip" in json.dumps(row.data["request"]["headers"]):
        # The recording keeps compressed bytes as text, which damages them.
        text = response["body"]
    if _stood_in(row):
        recorded.append(_parameters(response["body"]))
        played.append(_parameters(text))
    else:
        recorded.append(_circumstances_removed(response["body"]))
        played.append(_circumstances_removed(text))
    if row.data["request"]["method"] == "HEAD":
        recorded.append(dict(response["headers"]).get("content-length"))
        played.append(dict(headers).get("content-length"))
    check(row, recorded, played)


def test_every_raw_row_is_listed() -> None:
    raw = [row.key for row in rows("http") if "response" not in row.data]
    assert raw
    assert set(raw) <= set(not_reproduced())


@pytest.mark.parametrize(("row", "version"), cases("rest_layer"))
def test_rest_layer(row: Row, version: str) -> None:
    """The REST classes called directly. Where a stand-in said ok, only the status counts."""
    data = row.data
    method, _space, target = data["request"].partition(" ")
    given = {"Content-Type": ["application/json"]} if data["headers"] is None and data["body"] else data["headers"]
    sent = {name: values[0] for name, values in (given or {}).items()}
    double = InProcess(version, [Node("n1", 64)])
    _deploy(double, "dep", "update")
    double.cluster.models["a"] = Model("a")
    body = None if data["body"] is None else data["body"].encode()
    status, headers, raw = double.request(method, target, sent, body)
    recorded: list[Any] = [data["status"], (data["response_headers"] or {}).get("Allow", [None])[0]]
    played: list[Any] = [status, dict(headers).get("Allow")]
    if "json" in data and method != "HEAD":
        recorded += [data["json"], data["content_type"]]
        played += [json.loads(raw), dict(headers)["content-type"]]
    assert dict(headers)["X-elastic-product"] == data["thread_context_headers"]["X-elastic-product"][0]
    check(row, recorded, played, version)
