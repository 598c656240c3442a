# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the examples of the guide about connections, run as they stand there, against a cluster with security."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.authentication_methods import WAYS, secured
from support.documents import ROOT, plays
from support.emulator_process import emulator
from support.forward_proxy import forward_proxy
from support.playbook import run_playbook

GUIDE = (ROOT / "docs/docsite/rst/connections.rst").read_text()
EXAMPLES = {name.partition(": ")[2]: text for name, text in plays() if "connections.rst" in name}
SECRETS = {
    "elasticsearch_api_key": WAYS["api_key"][1]["api_key"],
    "elasticsearch_username": "by-password",
    "elasticsearch_password": "p4ssw0rd-of-runner",
    "elasticsearch_bearer_token": "a-bearer-token",
    "proxy_username": "ada",
    "proxy_password": "pw-of-the-proxy",
    "gateway_key": "long-enough",
}


class Stage:
    """Addresses, files and variables of this run that stand for those of the examples."""

    def __init__(self, texts: dict[str, str], variables: dict[str, str]) -> None:
        self.texts = texts
        self.variables = {**SECRETS, **variables}

    def run(self, text: str) -> str:
        """Run an example that has to pass, and return its output."""
        for there, here in self.texts.items():
            text = text.replace(there, here)
        assert "example.com" not in text.replace(".internal.example.com", ""), "unknown address"
        return run_playbook(text, "-vvv", extra_vars=self.variables).must_pass().output


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("users")
    locked = ("--basic-auth", "ada:pw-of-the-proxy")
    with secured(folder, "--tls") as tls, emulator() as plain, forward_proxy(*locked) as proxy:
        port = tls.url.rpartition(":")[2]
        cloud_id = "production:" + base64.b64encode(f"0.0.1:{port}$127$kibana".encode()).decode()
        texts = {
            "https://es.example.com:9200": tls.url,
            "https://es-1.example.com/search": "https://127.0.0.1:9",
            "https://es-2.example.com/search": tls.url,
            "http://localhost:9200": plain.url,
            "http://proxy.example.com:3128": proxy.url,
            **{f"/etc/pki/elasticsearch/{Path(tls.shown[name]).name}": tls.shown[name] for name in FILES},
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", tls.shown["ca_path"])  # Elastic Cloud has certificates that systems trust
            yield Stage(
                texts, {"elastic_cloud_id": cloud_id, "elasticsearch_ca_fingerprint": tls.shown["ca_fingerprint"]}
            )


FILES = ("ca_path", "client_cert", "client_key")


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_leads_to_a_cluster(stage: Stage, name: str) -> None:
    output = stage.run(EXAMPLES[name])
    # At -vvv Ansible itself shows the keyword environment; everything else stays secret.
    shown = {SECRETS["elasticsearch_api_key"]} if "environment:" in EXAMPLES[name] else set()
    for secret in {*SECRETS.values()} - {"ada", "by-password"} - shown:
        assert secret not in output


def test_each_section_of_a_way_has_an_example() -> None:
    titles = re.findall(r"^(.+)\n-{4,}$", GUIDE, re.MULTILINE)
    assert len(EXAMPLES) == len(titles) - 1, "all but what is refused"
