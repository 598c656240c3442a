# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make tasks with canaries: for each module, authentication method, source of a secret, and answer."""

from __future__ import annotations

import base64
import itertools
import typing as t
import urllib.parse
from collections.abc import Iterator

from support.canaries import Canary, canary
from support.documents import MODULES, ROOT
from support.hostile import PASS, WAYS, Hostile
from support.random_search import has_turn

Json = dict[str, t.Any]
_BRIEFLY: Json = {"wait_sleep": 0.1, "wait_timeout": 20}

# The options of each module: they change something, so that the result has many keys.
TASKS: dict[str, Json] = {
    "semantic_text_field": {
        "index": "i{{ 999999999 | random }}",
        "field": "content",
        "inference_id": "search",
        "create": True,
    },
    "inference_endpoint_info": {"gather": ["deployment", "users"]},
    "inference_endpoint": {
        "inference_id": "e{{ 999999999 | random }}",
        "task_type": "completion",
        "service": "openai",
        "service_settings": {"model_id": "gpt"},
        "secrets": "{{ secrets.of_service }}",
        "secrets_version": "1",
        "secrets_state_file": "{{ playbook_dir }}/versions.json",
        **_BRIEFLY,
    },
    "inference_region_policy": {"allowed_geos": ["eu"], "force": True},
    "ml_capacity_info": {"fit": [{"model_id": "m"}], "deployments": [{"model_id": "m", "number_of_allocations": 2}]},
    "trained_model": {
        "model_id": "m{{ 999999999 | random }}",
        "config": {"model_type": "pytorch", "inference_config": {"pass_through": {}}, "input": {"field_names": ["f"]}},
        "definition": str(ROOT / "README.md"),
        **_BRIEFLY,
    },
    "trained_model_alias": {"model_alias": "a{{ 999999999 | random }}z", "model_id": "m"},
    "trained_model_deployment": {"model_id": "m", "state": "restarted", "on_referenced": "force", **_BRIEFLY},
    "trained_model_deployment_info": {"gather": ["routing", "nodes", "usage"]},
    "trained_model_deployments": {
        "deployments": [{"model_id": "m", "state": "restarted", "on_referenced": "force"}],
        **_BRIEFLY,
    },
    "trained_model_cache": {"deployment_id": "m"},
    "ml_upgrade_mode": {"enabled": False, **_BRIEFLY},
    "trained_model_deployment_watch": {"deployment_id": "m", "watch_seconds": 0.2, "watch_sleep": 0.1},
    "trained_model_infer": {"deployment_id": "m", **_BRIEFLY},
    "trained_model_info": {"gather": ["definition", "references", "config"]},
}

ONLY_READ = ("ml_upgrade_mode",)
"""Modules whose task finds the cluster as it should be: in the upgrade mode the other tasks would fail."""

# Around some of them stand characters that JSON, a URL, HTML, Python and a shell escape.
KEY = canary("api_key", before="VuaCfGcBCdbkQm-e5aOx:")
ENCODED = canary("encoded api_key", before="b9aAfGcBCdbkQm-e5aOy:")
PASSWORD = canary("password", before="ä\"&<%'", behind="'>\\$+/  ä")
BEARER = canary("bearer_token")
HEADER = canary("secret_headers", before="Token \"&<%'", behind="'>\\$+/")
PROXY = canary("proxy_password", before="ä\"&<%'", behind="'>\\$+/")
IN_PROXY = canary("credentials in a proxy's address", before="p@&<%'", behind="?>+/:")
IN_HOST = canary("credentials in an address of hosts", before="p%40")
OF_SERVICE = canary("a secret of a service", before="ä\"&<%'", behind="'>\\$+/")
IN_SERVICE = canary("a secret within a secret of a service")
EVERY = (KEY, ENCODED, PASSWORD, BEARER, HEADER, PROXY, IN_PROXY, IN_HOST, OF_SERVICE, IN_SERVICE)

AUTHENTICATION: dict[str, dict[str, str]] = {
    "key": {"api_key": KEY.value},
    "encoded": {"api_key": base64.b64encode(ENCODED.value.encode()).decode()},
    "password": {"username": "ada", "password": PASSWORD.value},
    "bearer": {"bearer_token": BEARER.value},
}
_CARRIED = {"key": KEY, "encoded": ENCODED, "password": PASSWORD, "bearer": BEARER}
HEADERS = {"secret_headers": {"X-Gateway": HEADER.value}}
SOURCES = ("options", "environment", "task")
"""Sources of secrets: options, the environment of the process, or the keyword ``environment``."""


class Row(t.NamedTuple):
    """One task. ``answer``: a way of the gateway, or a request to a server that works."""

    module: str
    answer: str
    authentication: str
    source: str

    @property
    def name(self) -> str:
        return "-".join(self)

    @property
    def fails(self) -> bool:
        """Return whether the task fails. One that only reads never gets the answer to a write."""
        reads_on = self.answer == "write" and (self.module.endswith("_info") or self.module in ONLY_READ)
        return self.answer not in (PASS, "gossip", "check", "async") and not reads_on

    def carried(self) -> set[Canary]:
        """Return the secrets that its requests have to carry."""
        if self.answer == "userinfo":
            return set()
        of_proxy = PROXY if self.source == "options" else IN_PROXY
        return {of_proxy} if self.answer == "tunnel" else {_CARRIED[self.authentication], HEADER, of_proxy}

    def task(self, gateway: Hostile) -> Json:
        task: Json = {"name": self.name, "ignore_errors": True, "check_mode": self.answer == "check"}
        options = {"request_retries": 0, "secret_headers": "{{ secrets.headers }}", **TASKS[self.module]}
        if self.answer != "userinfo":
            options["hosts"] = [gateway.url(self.answer if self.answer in WAYS else PASS, self.name)]
        if self.source == "options":
            options |= _variables(self.authentication) | {name: f"{{{{ secrets.{name} }}}}" for name in _PROXY}
            options |= {"hosts": ["{{ secrets.hosts }}"]} if self.answer == "userinfo" else {}
        else:
            task["environment"] = self._environment()
        if self.answer == "async":
            task |= {"async": 60, "poll": 0, "register": "job"}
        return {**task, f"mlops.elasticsearch.{self.module}": options}

    def _environment(self) -> dict[str, str]:
        """Return variables of the task. An empty one counts as not set: so one method of the process is left."""
        given = _variables(self.authentication)
        others = {name for each in AUTHENTICATION.values() for name in each} - given.keys()
        here = dict.fromkeys(others, "") | (given if self.source == "task" else {})
        found = {f"ELASTICSEARCH_{name.upper()}": value for name, value in here.items()}
        proxies = dict.fromkeys(("http_proxy", "https_proxy"), "{{ secrets.proxy_with_userinfo }}")
        return found | (proxies if self.source == "task" else {})


_PROXY = ("proxy", "proxy_username", "proxy_password")


def _variables(authentication: str) -> dict[str, str]:
    """Return options with a variable each: Ansible quotes literal values of a task that fails."""
    return {name: f"{{{{ secrets.{authentication}.{name} }}}}" for name in AUTHENTICATION[authentication]}


def variables(gateway: Hostile) -> Json:
    """Return the variables of the play, which those of the tasks refer to."""
    proxy = {"proxy": gateway.address, "proxy_username": "pat", "proxy_password": PROXY.value}
    addresses = {"hosts": _with_userinfo(gateway, IN_HOST.value), "proxy_with_userinfo": process(gateway)["HTTP_PROXY"]}
    of_service = {"api_key": OF_SERVICE.value, "secret_parameters": {"token": IN_SERVICE.value}}
    return {
        "secrets": {
            **AUTHENTICATION,
            "of_service": of_service,
            "headers": HEADERS["secret_headers"],
            **proxy,
            **addresses,
        }
    }


def process(gateway: Hostile) -> dict[str, str]:
    """Return the environment of the process, which all tasks see."""
    given = {name: value for way, each in AUTHENTICATION.items() if way != "encoded" for name, value in each.items()}
    proxy = _with_userinfo(gateway, urllib.parse.quote(IN_PROXY.value, safe=""))
    return {
        **{f"ELASTICSEARCH_{name.upper()}": value for name, value in given.items()},
        "ELASTICSEARCH_URL": _with_userinfo(gateway, IN_HOST.value),
        "HTTP_PROXY": proxy,
        "HTTPS_PROXY": proxy,
    }


def _with_userinfo(gateway: Hostile, password: str) -> str:
    return gateway.address.replace("//", f"//pat:{password}@")


WAIT: Json = {
    "name": "Wait for the job",
    "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
    "register": "done",
    "until": "done is finished",
    "retries": 100,
    "delay": 0.2,
}


def rows(way: str, number: int) -> Iterator[Row]:
    """Yield each answer with each authentication method; modules and sources alternate, by *number* (0 or 1).

    Each answer comes with half of the methods inside the controller, and with one elsewhere, where a task takes longer.
    """
    answers = ("check", "userinfo", *WAYS, *(("async",) if way == "loopback" else ()))
    turn = itertools.count(number)
    for (at, answer), (place, authentication) in itertools.product(enumerate(answers), enumerate(AUTHENTICATION)):
        if not has_turn(at + place + number, share=4 if way == "loopback" else 2):
            continue
        # A process has one of the two forms of a key.
        sources = [source for source in SOURCES if (authentication, source) != ("encoded", "environment")]
        module = MODULES[(at // 2 + place + number) % len(MODULES)]
        yield Row(module, answer, authentication, sources[next(turn) % len(sources)])
