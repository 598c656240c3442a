# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recreate the situations in which requests were recorded: nodes, models, deployments, users."""

from __future__ import annotations

import base64
import re

from emulator.inprocess import InProcess
from emulator.security import file
from emulator.security.store import Security
from emulator.state import licence
from emulator.state.assignment import Assignment, Route, TaskParams
from emulator.state.models import Model
from emulator.state.nodes import Node
from emulator.wire.values import ByteSize
from emulator_tests.recordings import Row

SIZE = 265632637
DEPLOYMENT = re.compile(r"/_ml/trained_models/([^/]*)/deployment/_(start|update|stop)")
_PASSWORD = "secret123"
_ROLES = {
    "mladmin": "manage_ml",
    "mlmonitor": "monitor_ml",
    "monitoronly": "monitor",
    "inferonly": "manage_inference",
    "norights": None,
}
_USERS = {
    "elastic": "superuser",
    "u_admin": "mladmin",
    "u_mon": "mlmonitor",
    "u_monitor": "monitoronly",
    "u_infer": "inferonly",
    "u_none": "norights",
}
SECURITY = {
    "users": {name: {"password": _PASSWORD, "roles": [role]} for name, role in _USERS.items()},
    "roles": {name: {"cluster": [privilege] if privilege else []} for name, privilege in _ROLES.items()},
    "api_keys": [
        {
            "api_key": "-hsDBaIBk9in8ZFTU348:Jqhcuq9SlWylt_eCofjgyQ",
            "name": "k1",
            "owner": "elastic",
            "role_descriptors": {"r": {"cluster": ["manage_ml"]}},
        }
    ],
}
"""The recorded users, and the API key that one of the rows created."""
_JSON = {"Content-Type": "application/json"}
_INVALIDATE = b'{"ids":["-hsDBaIBk9in8ZFTU348"]}'
_ELASTIC = "Basic " + base64.b64encode(f"elastic:{_PASSWORD}".encode()).decode()


LACKING = ("inference", "ml", "root", "security", "xpack")
"""The parts that the recorded nodes lack (recorded-answers.md 1)."""


def _part_missing(row: Row) -> bool:
    """Return whether the secured node lacks what is requested.

    It has security, licences and a stand-in for three paths.
    """
    path = row.data["request"]["path"]
    if DEPLOYMENT.match(path) or path.startswith(("/_security", "/_license", "/_xpack")):
        return False
    return "xpack.ml." in (row.data["request"]["body"] or "") or path == "/" or path.startswith("/_ml/")


def _node(row: Row) -> Node:
    """Return a node without the attributes of plugins, as the recorded ones were."""
    return Node("n1", 64, given_name="n1", plugin=not row.data["request"]["path"].startswith("/_nodes"))


def _complete(row: Row, version: str) -> InProcess:
    emulator = InProcess(version, [_node(row)])
    emulator.cluster.name = "oracle"
    match = DEPLOYMENT.match(row.data["request"]["path"])
    if match is not None:
        deploy(emulator, match[1], match[2])
    return emulator


def plain(row: Row, version: str) -> InProcess:
    """Return a node without security."""
    emulator = InProcess(version, [_node(row)], without=LACKING)
    emulator.cluster.name = "oracle"
    return emulator


def secured(row: Row, version: str) -> InProcess:
    """Return a node with security: its users, and the deployment that the path names."""
    emulator = plain(row, version) if _part_missing(row) else _complete(row, version)
    declared = file.declared(SECURITY, emulator.cluster.version)
    emulator.cluster.security = Security(declared, emulator.cluster.version, emulator.cluster.milliseconds)
    if row.data["request"]["path"].startswith("/_license"):
        # Elsewhere the stand-ins for machine learning asked for no licence.
        emulator.cluster.licence = licence.new("basic", emulator.cluster.name, emulator.cluster.milliseconds())
    if row.data["note"] == "invalidated api key":
        emulator.request("DELETE", "/_security/api_key", {"Authorization": _ELASTIC, **_JSON}, _INVALIDATE)
    return emulator


def sent_headers(row: Row) -> dict[str, str]:
    """Return the headers of a request.

    Those of the secured node were sent as ``elastic`` unless the row says otherwise.
    """
    headers = dict(row.data["request"]["headers"])
    if "security" in row.node and row.data["response"]["status"] != 401:
        headers.setdefault("Authorization", _ELASTIC)
    return headers


def masterless(row: Row, version: str) -> InProcess:
    """Return a node that has no elected master, and never had one: it has no recovered state either."""
    emulator = not_recovered(row, version)
    emulator.control("POST", "/effects", {"do": "lose_master"})
    return emulator


def not_recovered(row: Row, version: str) -> InProcess:
    """Return a node whose cluster state is not recovered."""
    emulator = plain(row, version)
    emulator.control("POST", "/effects", {"do": "lose_state"})
    return emulator


SITUATIONS = {
    "8.9.2": plain,
    "8.19.21": plain,
    "8.19.21+security+oracle": secured,
    "8.19.21 without elected master": masterless,
    "8.19.21 state not recovered": not_recovered,
}
"""The name of a node in a row, and the emulator that stands in for it."""


def deploy(emulator: InProcess, encoded: str, operation: str) -> None:
    """Make a deployment in the state that its name asks for, or a model to start."""
    name = encoded.replace("%2F", "/").replace("%C3%A9", "é")
    cluster = emulator.cluster
    cluster.models["m"] = Model("m", SIZE)
    if operation == "start":
        cluster.models[name] = Model(name, SIZE)
        if name == "toobigcause":
            # The stand-in's condition is not known; the emulator gives the same answer as a fault.
            emulator.control("POST", "/faults", {"operation": "start", "do": {"type": "capacity"}})
        return
    if name == "missing":
        return
    number = 1 if name == "toobig" else 7
    params = TaskParams("m", name, SIZE, number, 1, 10000, ByteSize(SIZE, f"{SIZE}b"))
    each = Assignment(params, cluster.version, 0, {"n1": Route(number, number, "started")}, "started")
    cluster.put_assignment(each)
    if name == "notstarted":
        each.routes, each.state = {}, "starting"
    # The stand-in takes any number but that of one deployment: more nodes could come.
    cluster.settings["xpack.ml.max_lazy_ml_nodes"] = 0 if name == "toobig" else 99
    if name == "toobig":
        cluster.nodes = {"n1": Node("n1", 1)}
    if name == "adaptive":
        emulator.control(
            "POST", "/effects", {"do": "set_adaptive", "deployment_id": name, "adaptive_allocations": {"enabled": True}}
        )
