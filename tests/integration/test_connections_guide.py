# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the guide about connections against a cluster with security: its examples, and each way of its table."""

from __future__ import annotations

import base64
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.authentication_methods import WAYS, secured
from support.documents import plays, rows
from support.emulator_process import emulator
from support.forward_proxy import forward_proxy
from support.playbook import run_playbook

Json = dict[str, t.Any]
ADDRESS, CA = "https://es.example.com:9200", "/etc/pki/elasticsearch/ca.pem"
EXAMPLES = {name.partition(": ")[2]: text for name, text in plays() if "connections.rst" in name}
TABLE = {cells[0]: re.findall(r"``(\w+)``", cells[1]) for cells in rows("connections") if not cells[0].startswith("``")}
SECRETS = {
    "elasticsearch_api_key": WAYS["api_key"][1]["api_key"],
    "elasticsearch_username": "by-password",
    "elasticsearch_password": "p4ssw0rd-of-runner",
    "elasticsearch_bearer_token": "a-bearer-token",
    "proxy_username": "ada",
    "proxy_password": "pw-of-the-proxy",
    "gateway_key": "long-enough",
}
USUAL = {"hosts": ADDRESS, "api_key": "{{ elasticsearch_api_key }}", "ca_path": CA}
GIVEN: Json = {
    **USUAL,
    "hosts": ["https://es-1.example.com/search", "https://es-2.example.com/search"],
    "username": "{{ elasticsearch_username }}",
    "password": "{{ elasticsearch_password }}",
    "bearer_token": "{{ elasticsearch_bearer_token }}",
    "client_cert": "/etc/pki/elasticsearch/client.pem",
    "client_key": "/etc/pki/elasticsearch/client.key",
    "cloud_id": "{{ elastic_cloud_id }}",
    "ca_fingerprint": "{{ elasticsearch_ca_fingerprint }}",
    "proxy": "http://proxy.example.com:3128",
    "proxy_username": "{{ proxy_username }}",
    "proxy_password": "{{ proxy_password }}",
    "no_proxy": [".internal.example.com", "10.0.0.0/8"],
    "headers": {"X-Tenant": "search"},
    "secret_headers": {"X-Gateway-Key": "{{ gateway_key }}"},
}
AUTHENTICATES = ("username", "bearer_token", "client_cert")
INSTEAD = {"cloud_id": ("hosts", "ca_path"), "ca_fingerprint": ("ca_path",)}


def play(options: list[str]) -> str:
    """Return a playbook with *options* and, of the usual ones, those that they do not replace."""
    replaced = {name for option in options for name in INSTEAD.get(option, ())}
    replaced |= {"api_key"} if set(options) & set(AUTHENTICATES) else set()
    given = {name: value for name, value in USUAL.items() if name not in replaced}
    given |= {name: GIVEN[name] for name in options}
    task = {"name": "Read", "mlops.elasticsearch.trained_model_deployment_info": given}
    return yaml.safe_dump([{"name": "Connect", "hosts": "localhost", "gather_facts": False, "tasks": [task]}])


class Stage:
    """Addresses, files and variables of this run that stand for those of the guide."""

    def __init__(self, texts: dict[str, str], variables: dict[str, str]) -> None:
        self.texts = texts
        self.variables = {**SECRETS, **variables}

    def run(self, text: str) -> str:
        """Run a play that has to pass, and return its output."""
        for there, here in self.texts.items():
            text = text.replace(there, here)
        assert "example.com" not in text.replace(".internal.example.com", ""), "unknown address"
        return run_playbook(text, "-vvv", extra_vars=self.variables).must_pass().output


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("users")
    locked = ("--basic-auth", "ada:pw-of-the-proxy")
    with secured(folder, "--tls") as tls, forward_proxy(*locked) as proxy:
        port = tls.url.rpartition(":")[2]
        cloud_id = "production:" + base64.b64encode(f"0.0.1:{port}$127$kibana".encode()).decode()
        texts = {
            ADDRESS: tls.url,
            "https://es-1.example.com/search": "https://127.0.0.1:9",
            "https://es-2.example.com/search": tls.url,
            "http://proxy.example.com:3128": proxy.url,
            **{f"/etc/pki/elasticsearch/{Path(tls.shown[name]).name}": tls.shown[name] for name in FILES},
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", tls.shown["ca_path"])  # Elastic Cloud has certificates that systems trust
            yield Stage(
                texts, {"elastic_cloud_id": cloud_id, "elasticsearch_ca_fingerprint": tls.shown["ca_fingerprint"]}
            )


FILES = ("ca_path", "client_cert", "client_key")


def no_secret(output: str, shown: set[str]) -> bool:
    return not any(secret in output for secret in {*SECRETS.values()} - {"ada", "by-password"} - shown)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_leads_to_a_cluster(stage: Stage, name: str) -> None:
    # At -vvv Ansible itself shows the keyword environment; everything else stays secret.
    shown = {SECRETS["elasticsearch_api_key"]} if "environment:" in EXAMPLES[name] else set()
    assert no_secret(stage.run(EXAMPLES[name]), shown)


@pytest.mark.parametrize("way", TABLE)
def test_each_way_of_the_table_leads_to_a_cluster(stage: Stage, way: str) -> None:
    assert no_secret(stage.run(play(TABLE[way])), set())


def test_no_authentication_leads_to_a_cluster_without_security() -> None:
    with emulator() as plain:
        task = {"name": "Read", "mlops.elasticsearch.trained_model_deployment_info": {"hosts": plain.url}}
        run_playbook(
            yaml.safe_dump([{"name": "Connect", "hosts": "localhost", "gather_facts": False, "tasks": [task]}])
        ).must_pass()


def test_the_table_has_each_way() -> None:
    assert sorted(option for options in TABLE.values() for option in options) == sorted(GIVEN)
