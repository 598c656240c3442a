# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test environment variables in real playbooks: one by one, as an action and as a module, and which one wins."""

from __future__ import annotations

import base64
import datetime
import importlib
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.authentication_methods import WAYS, secured
from support.emulator_process import Emulator
from support.forked.python import python
from support.forward_proxy import Proxy, forward_proxy
from support.playbook import Json, Played, run_playbook
from support.random_search import has_turn

CONNECTIONS = Path(__file__).resolve().parent.parent / "support" / "connection"
INFO = "mlops.elasticsearch.trained_model_deployment_info"
NAMES: frozenset[str] = importlib.import_module(
    "ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment"
).NAMES
NOWHERE = "http://127.0.0.1:9"
Environment = dict[str, str]


class Setting(t.NamedTuple):
    plain: Emulator
    tls: Emulator
    proxy: Proxy

    @property
    def key(self) -> str:
        return str(WAYS["api_key"][1]["api_key"])

    def cases(self) -> dict[str, Environment]:
        """Return, for each variable, an environment that leads to a cluster only because this variable is in it."""
        tls, shown = self.tls.url, self.tls.shown
        port = tls.rpartition(":")[2]
        key = {"ELASTICSEARCH_API_KEY": self.key}
        plain = {"ELASTICSEARCH_URL": self.plain.url, **key}
        secure = {"ELASTICSEARCH_URL": tls, **key}
        trusting = {"ELASTICSEARCH_URL": tls, "ELASTICSEARCH_CA_PATH": shown["ca_path"]}
        basic = {"ELASTICSEARCH_USERNAME": "by-password", "ELASTICSEARCH_PASSWORD": "p4ssw0rd-of-runner"}
        certificate = {
            "ELASTICSEARCH_CLIENT_CERT": shown["client_cert"],
            "ELASTICSEARCH_CLIENT_KEY": shown["client_key"],
        }
        # Names that only the proxy can resolve.
        http = {**key, "ELASTICSEARCH_URL": f"http://es.invalid:{self.plain.url.rpartition(':')[2]}"}
        https = {
            **key,
            "ELASTICSEARCH_URL": f"https://es.invalid:{port}",
            "ELASTICSEARCH_CA_FINGERPRINT": shown["ca_fingerprint"],
        }
        cloud_id = base64.b64encode(f"0.0.1:{port}$127$kibana".encode()).decode()
        return {
            "ELASTICSEARCH_ENDPOINTS": {**key, "ELASTICSEARCH_ENDPOINTS": f"{NOWHERE}, {self.plain.url}"},
            "ELASTICSEARCH_URL": plain,
            "ELASTIC_CLOUD_ID": {
                **key,
                "ELASTIC_CLOUD_ID": f"tests:{cloud_id}",
                "ELASTICSEARCH_CA_PATH": shown["ca_path"],
            },
            "ELASTICSEARCH_API_KEY": plain,
            "ELASTICSEARCH_USERNAME": {**trusting, **basic},
            "ELASTICSEARCH_PASSWORD": {**trusting, **basic},
            "ELASTICSEARCH_BEARER_TOKEN": {**trusting, "ELASTICSEARCH_BEARER_TOKEN": "a-bearer-token"},
            "ELASTICSEARCH_VALIDATE_CERTS": {**secure, "ELASTICSEARCH_VALIDATE_CERTS": "no"},
            "ELASTICSEARCH_INSECURE": {**secure, "ELASTICSEARCH_INSECURE": "true"},
            "ELASTICSEARCH_CA_PATH": {**trusting, **key},
            "ELASTICSEARCH_CA_FINGERPRINT": {**secure, "ELASTICSEARCH_CA_FINGERPRINT": shown["ca_fingerprint"]},
            "ELASTICSEARCH_CLIENT_CERT": {**trusting, **certificate},
            "ELASTICSEARCH_CLIENT_KEY": {**trusting, **certificate},
            "https_proxy": {**https, "https_proxy": self.proxy.url},
            "HTTPS_PROXY": {**https, "HTTPS_PROXY": self.proxy.url},
            "http_proxy": {**http, "http_proxy": self.proxy.url},
            "HTTP_PROXY": {**http, "HTTP_PROXY": self.proxy.url},
            "no_proxy": {**plain, "http_proxy": NOWHERE, "no_proxy": "localhost,127.0.0.0/8"},
            "NO_PROXY": {**plain, "HTTP_PROXY": NOWHERE, "NO_PROXY": "localhost,127.0.0.0/8"},
        }


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("users")
    with secured(folder) as plain, secured(folder, "--tls") as tls, forward_proxy() as proxy:
        yield Setting(plain, tls, proxy)


def play(connection: str, tasks: list[Json], env: Environment | None = None, *args: str, **keywords: t.Any) -> Played:
    playbook = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_connection": connection, "ansible_python_interpreter": python()},
        "tasks": [{"ignore_errors": True, **task} for task in tasks],
        **keywords,
    }
    environment = {"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS), **(env or {})}
    return run_playbook(yaml.safe_dump([playbook]), *args, env=environment).must_pass()


def status(played: Played) -> dict[str, str]:
    return {task.task: task.status for task in played.tasks}


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_each_variable_leads_to_a_cluster(setting: Setting, connection: str) -> None:
    """Test also that nothing leads there without the variable, or with an empty one."""
    cases = setting.cases()
    assert cases.keys() == NAMES
    options: Json = {"request_retries": 0}
    outcome = {}
    tasks: list[Json] = []
    for name, environ in cases.items():
        outcome[f"with {name}"] = "ok"
        tasks.append({"name": f"with {name}", INFO: options, "environment": environ})
        if connection == "local":  # a module takes its time, and what is not there it does not see either
            outcome[f"empty {name}"] = "ignored"
            tasks.append({"name": f"empty {name}", INFO: options, "environment": {**environ, name: ""}})
    played = play(connection, tasks)
    assert status(played) == outcome
    assert all("Traceback" not in str(task.result) for task in played.tasks)


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_the_keyword_goes_over_the_controllers_environment(setting: Setting, connection: str) -> None:
    controller = {
        "ELASTICSEARCH_ENDPOINTS": "",
        "ELASTICSEARCH_URL": setting.plain.url,
        "ELASTICSEARCH_USERNAME": "",
        "ELASTICSEARCH_API_KEY": setting.key,
        "HTTPS_PROXY": NOWHERE,
    }
    wrong, empty = {"ELASTICSEARCH_API_KEY": "wrong-key"}, {"ELASTICSEARCH_URL": ""}
    basic = {"ELASTICSEARCH_USERNAME": "by-password", "ELASTICSEARCH_PASSWORD": "p4ssw0rd-of-runner"}
    tasks: list[Json] = [
        {"name": "of the controller", INFO: {}},
        {"name": "of the task", INFO: {}, "environment": wrong},
        {"name": "emptied by the task", INFO: {}, "environment": empty},
        {
            "name": "another way, the controller's emptied",
            INFO: {},
            "environment": {**basic, "ELASTICSEARCH_API_KEY": ""},
        },
        {"name": "two ways", INFO: {}, "environment": basic},
        {"name": "one endpoint goes over a URL", INFO: {}, "environment": {"ELASTICSEARCH_ENDPOINTS": NOWHERE}},
    ]
    played = play(connection, [{**task, INFO: {"request_retries": 0}} for task in tasks], controller)
    assert status(played) == {
        "of the controller": "ok",
        "of the task": "ignored",
        "emptied by the task": "ignored",
        "another way, the controller's emptied": "ok",
        "two ways": "ignored",
        "one endpoint goes over a URL": "ignored",
    }
    messages = {task.task: task.result.get("msg", "") for task in played.tasks}
    assert played.result("of the task")["error"]["kind"] == "credentials"
    assert messages["emptied by the task"].startswith("No cluster is named. Set hosts or cloud_id")
    assert messages["two ways"].startswith(
        "More than one way to authenticate is given: api_key (from ELASTICSEARCH_API_KEY), "
        "username (from ELASTICSEARCH_USERNAME), password (from ELASTICSEARCH_PASSWORD)."
    )
    assert "connection refused" in messages["one endpoint goes over a URL"]


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_module_defaults_of_the_group_hide_the_variables_of_their_groups(setting: Setting, connection: str) -> None:
    environ = {
        "ELASTIC_CLOUD_ID": "not:one",
        "ELASTICSEARCH_URL": NOWHERE,
        "ELASTICSEARCH_USERNAME": "by-password",
        "ELASTICSEARCH_CA_FINGERPRINT": "ab" * 32,
        "ELASTICSEARCH_INSECURE": "",
        "HTTPS_PROXY": NOWHERE,
    }
    defaults = {
        "hosts": setting.tls.url,
        "api_key": setting.key,
        "ca_path": setting.tls.shown["ca_path"],
        "proxy": setting.proxy.url,
        "request_retries": 0,
    }
    other: Json = {"hosts": "https://elsewhere.invalid", "no_proxy": "*"}
    tasks: list[Json] = [
        {"name": "by the group", INFO: {}},
        {"name": "empty in the task", INFO: {"ca_path": "", "api_key": None}},
        {"name": "omitted in the task", INFO: {"ca_path": "{{ nothing | default(omit) }}"}},
        {"name": "by the task", INFO: other},
    ]
    group: t.Any = {"group/mlops.elasticsearch.ml": defaults}
    setting.proxy.forget()
    played = play(connection, tasks, environ, module_defaults=group)
    assert status(played) == {
        "by the group": "ok",
        "empty in the task": "ok",
        "omitted in the task": "ok",
        "by the task": "ignored",
    }
    assert set(setting.proxy.seen()) == {f"CONNECT {setting.tls.url.partition('//')[2]}"}
    assert "elsewhere.invalid" in played.result("by the task")["msg"]


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_refusals_are_the_same_on_both_paths(setting: Setting, connection: str) -> None:
    """Test also that what a module is given, and Ansible logs, has credentials only in secret options."""
    url = setting.tls.url
    wrong: dict[str, tuple[Json, str]] = {
        "hosts": ({"hosts": "https://ada:hunter2-hunter2@es"}, "The address of es in hosts contains credentials."),
        "proxy": ({"hosts": url, "proxy": "http://hunter2-hunter2@p:1"}, "The address of p:1 in proxy contains"),
        "cloud": ({"cloud_id": "name:hunter2"}, "cloud_id is malformed."),
        "both": ({"hosts": url, "cloud_id": "name:abc"}, "hosts and cloud_id are both given."),
        "none": ({}, "No cluster is named."),
        "ca": ({"hosts": url, "ca_path": "/nowhere"}, "ca_path /nowhere cannot be read: No such file"),
        "print": ({"hosts": url, "ca_fingerprint": "ab"}, "ca_fingerprint is not a SHA-256 fingerprint."),
        "plain": ({"hosts": setting.plain.url, "ca_fingerprint": "ab" * 32}, "ca_fingerprint is given, but no address"),
        "half": ({"hosts": url, "client_cert": "/nowhere"}, "client_cert is given without client_key."),
        "header": ({"hosts": url, "headers": {"Accept": "text/html"}}, "The header Accept cannot be set in headers."),
        "short": ({"hosts": url, "secret_headers": {"X-Key": "es"}}, "The value of X-Key in secret_headers has fewer"),
        "lines": (
            {"hosts": url, "secret_headers": {"X-Key": "hunter2\r\nhunter2"}},
            "The value of X-Key in secret_headers has line breaks",
        ),
        "proxy user": ({"hosts": url, "proxy_username": "ada"}, "proxy_username is given without proxy_password."),
    }
    share = 2 if connection == "loopback" else 1
    chosen = [name for number, name in enumerate(wrong) if has_turn(number, share)]
    tasks = [{"name": name, INFO: wrong[name][0]} for name in chosen]
    played = play(connection, tasks)
    assert [task.task for task in played.tasks] == chosen
    for task in played.tasks:
        assert task.status == "ignored"
        assert task.result["msg"].startswith(wrong[task.task][1]), task.result["msg"]
        assert "hunter2" not in str(task.result)


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_refusals_name_the_variable(connection: str) -> None:
    """Test also that a value of a variable that would be a secret elsewhere is not shown, with any ``-v``."""
    host = {"hosts": "https://es.invalid"}
    wrong: dict[str, tuple[Json, Environment, str]] = {
        "cloud": ({}, {"ELASTIC_CLOUD_ID": "hunter2"}, "cloud_id (from ELASTIC_CLOUD_ID) is malformed."),
        "url": (
            {},
            {"ELASTICSEARCH_URL": "localhost:9200"},
            "'localhost:9200' in hosts (from ELASTICSEARCH_URL) is not a URL.",
        ),
        "print": (
            host,
            {"ELASTICSEARCH_CA_FINGERPRINT": "ab"},
            "ca_fingerprint (from ELASTICSEARCH_CA_FINGERPRINT) is not a SHA-256 fingerprint.",
        ),
        "key": (host, {"ELASTICSEARCH_API_KEY": "hunter2\nx"}, "api_key (from ELASTICSEARCH_API_KEY) contains"),
        "blank": (host, {"ELASTICSEARCH_API_KEY": " \n"}, "api_key (from ELASTICSEARCH_API_KEY) is blank."),
        "half": (
            host,
            {"HTTPS_PROXY": "http://hunter2-hunter2@127.0.0.1:9"},
            "proxy_username (from HTTPS_PROXY) is given without proxy_password.",
        ),
    }
    tasks: list[Json] = [
        {"name": name, INFO: options, "environment": environ} for name, (options, environ, _said) in wrong.items()
    ]
    played = play(connection, tasks, {}, "-vvvv")
    for task in played.tasks:
        assert task.status == "ignored"
        assert task.result["msg"].startswith(wrong[task.task][2]), task.result["msg"]
        assert task.result["deployments"] == []
        assert "hunter2" not in str(task.result)
    alone = play(connection, [task for task in tasks if task["name"] == "half"], {}, "-vvvv")
    assert "hunter2" not in alone.output


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_what_looks_empty_or_odd_in_yaml(setting: Setting, connection: str) -> None:
    """Test that entries without a value are empty, a date is its text, and a hidden variable is not read."""
    key = {"ELASTICSEARCH_API_KEY": setting.key}
    url = setting.plain.url
    options: Json = {"hosts": url, "request_retries": 0}
    tasks: list[Json] = [
        {"name": "none", INFO: options, "environment": {**key, "ELASTICSEARCH_BEARER_TOKEN": None}},
        {
            "name": "none goes over the controller's",
            INFO: options,
            "environment": {"ELASTICSEARCH_API_KEY": None, "ELASTICSEARCH_BEARER_TOKEN": "a-bearer-token"},
        },
        {
            "name": "does not count",
            INFO: {**options, "validate_certs": True},
            "environment": {"ELASTICSEARCH_INSECURE": "maybe"},
        },
        {"name": "a date", INFO: {**options, "headers": {"X-Date": datetime.date(2024, 1, 1)}}},
        {"name": "empty numbers", INFO: {"hosts": url, "request_timeout": "", "request_retries": None}},
        {"name": "a comma", INFO: {**options, "hosts": f"{url},"}},
        {"name": "twice", INFO: {**options, "hosts": [url, f"{url}/"]}},
        {"name": "bytes", INFO: {**options, "headers": {"X-Bytes": b"\xff\x00"}}},
    ]
    played = play(connection, tasks, key)
    outcome = status(played)
    assert outcome.pop("bytes") == "ignored"
    assert set(outcome.values()) == {"ok"}, played.output
    assert played.result("bytes")["msg"].startswith("headers.X-Bytes has a value that JSON does not have.")
    assert played.result("bytes")["deployments"] == []
