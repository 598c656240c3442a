# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test every way to authenticate, and to trust, on real sockets; inside the controller and as a module."""

from __future__ import annotations

import base64
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible.release import __version__ as ansible_version

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from support.authentication_methods import TRUSTS, WAYS, certificate, secured, trusting
from support.emulator_process import Emulator, emulator
from support.forked.python import python
from support.playbook import Json, run_playbook
from support.random_search import has_turn
from support.sockets import read, run

CONNECTIONS = Path(__file__).resolve().parent.parent / "support" / "connection"
MODULE = "mlops.elasticsearch.trained_model_deployment"
WHO = "/_security/_authenticate"


class Emulators(t.NamedTuple):
    """``plain`` speaks HTTP, ``tls`` HTTPS; both with users. ``open`` speaks HTTPS with any client."""

    plain: Emulator
    tls: Emulator
    open: Emulator

    def options(self, trust: str) -> Json:
        return trusting(trust, self.plain if trust == "http" else self.tls)


@pytest.fixture(scope="module")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    folder = tmp_path_factory.mktemp("users")
    with secured(folder) as plain, secured(folder, "--tls") as tls, emulator("--tls") as open_to_all:
        yield Emulators(plain, tls, open_to_all)


@pytest.mark.parametrize("trust", TRUSTS)
@pytest.mark.parametrize("way", WAYS)
def test_each_way_in(emulators: Emulators, trust: str, way: str) -> None:
    user, options = WAYS[way]
    assert read(WHO, **emulators.options(trust), **options)["username"] == user


@pytest.mark.parametrize("trust", TRUSTS[1:])
def test_a_client_certificate_is_a_way_in(emulators: Emulators, trust: str) -> None:
    mine = certificate(emulators.tls)
    assert read(WHO, **emulators.options(trust), **mine)["username"] == "by-certificate"
    user, options = WAYS["basic"]
    assert read(WHO, **emulators.options(trust), **mine, **options)["username"] == user, "it goes with the others"


@pytest.mark.parametrize("trust", TRUSTS)
def test_no_client_gets_in_without_credentials(emulators: Emulators, trust: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(WHO, **emulators.options(trust))
    assert (caught.value.kind, caught.value.status) == ("credentials", 401)


@pytest.mark.parametrize("trust", TRUSTS[1:])
def test_no_credentials_are_needed_without_security(emulators: Emulators, trust: str) -> None:
    assert read("/", **trusting(trust, emulators.open))["version"]["number"]


def test_a_cloud_id_leads_to_its_cluster(emulators: Emulators) -> None:
    """Test an address that is put together of two parts, here ``127`` and ``0.0.1``."""
    port = emulators.tls.url.rpartition(":")[2]
    cloud_id = "tests:" + base64.b64encode(f"0.0.1:{port}$127$kibana".encode()).decode()
    user, options = WAYS["api_key"]
    trust = {name: value for name, value in emulators.options("ca_path").items() if name != "hosts"}
    assert read(WHO, cloud_id=cloud_id, **trust, **options)["username"] == user
    assert read(WHO, {"ELASTIC_CLOUD_ID": cloud_id}, **trust, **options)["username"] == user


def test_headers_arrive_with_each_request(emulators: Emulators) -> None:
    emulators.plain.control("DELETE", "/journal")
    _user, options = WAYS["basic"]
    extra: Json = {"headers": {"X-Tenant": "blue", "X-Number": 7}, "secret_headers": {"X-Gateway-Key": "long-enough"}}
    result = run(**emulators.options("http"), **options, **extra, model_id="sentiment", deployment_id="headers")
    assert result["operation"] == "start", result.get("msg")
    requests = emulators.plain.control("GET", "/requests")
    assert len(requests) > 3
    for request in requests:
        headers = {name.lower(): value for name, value in request["headers"].items()}
        assert (headers["x-tenant"], headers["x-number"], headers["x-gateway-key"]) == ("blue", "7", "long-enough")
        assert headers["accept"] == "application/vnd.elasticsearch+json; compatible-with=8"


def test_a_header_runs_as_another_user(tmp_path: Path) -> None:
    """Test a use of ``headers``: Elasticsearch's own header to act for another user."""
    with secured(tmp_path) as server:
        _user, options = WAYS["basic"]
        with pytest.raises(ApiError) as caught:
            read(WHO, hosts=[server.url], **options, headers={"es-security-runas-user": "by-key"})
        assert caught.value.status == 403
        assert "by-key" in str(caught.value)


def tasks(emulators: Emulators, turn: int) -> Iterator[tuple[str, Json]]:
    """Yield the options of each way to authenticate by its name, with a way to trust: they take turns."""
    for number, trust in enumerate(TRUSTS, turn):
        for place, (way, (_user, options)) in enumerate(WAYS.items()):
            if has_turn(number + place, share=len(TRUSTS)):
                yield f"{way} {trust}", {**emulators.options(trust), **options}
        if trust != "http" and has_turn(number, share=3):
            yield f"certificate {trust}", {**emulators.options(trust), **certificate(emulators.tls)}


@pytest.mark.parametrize(("connection", "turn"), [("local", 0), ("loopback", 1)])
def test_each_way_in_from_a_playbook(emulators: Emulators, connection: str, turn: int) -> None:
    ways = dict(tasks(emulators, turn))
    plays = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_connection": connection, "ansible_python_interpreter": python()},
        "module_defaults": {MODULE: {"model_id": "sentiment", "deployment_id": connection, "wait_sleep": 0.05}},
        "tasks": [
            {"name": f"{way} {state}", MODULE: {**options, "state": state}}
            for way, options in ways.items()
            for state in ("started", "stopped")
        ],
    }
    for server in (emulators.plain, emulators.tls):
        server.control("DELETE", "/journal")
    played = run_playbook(yaml.safe_dump([plays]), env={"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS)}).must_pass()
    assert played.changed() == [f"{way} {state}" for way in ways for state in ("started", "stopped")]
    # Ansible tells the arguments of a module, and those of nothing else; from 2.21 on only if it is asked to.
    invoked = connection == "loopback" and tuple(map(int, ansible_version.split(".")[:2])) < (2, 21)
    assert all(("invocation" in task.result) == invoked for task in played.tasks)
    assert len(emulators.plain.writes()) + len(emulators.tls.writes()) == 2 * len(ways)
    for secret in ("secret-of-the-key", "p4ssw0rd-of-runner", "a-bearer-token", WAYS["api_key"][1]["api_key"]):
        assert secret not in str(played)
