# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the credential type for AWX: filled in, injected by AWX's own code, and used by a job of ansible-runner."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from awx_plugins.interfaces._temporary_private_inject_api import ENV_BLOCKLIST
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment import NAMES
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.limits import ENVIRONMENT
from support.awx_job import DEFINITION, inject
from support.awx_variables import extra_variables
from support.canaries import canary, files, hits
from support.documents import ROOT
from support.emulator_process import ONE_NODE, Emulator, emulator
from support.runner import run_job

Json = dict[str, t.Any]
FIELDS: list[Json] = DEFINITION["inputs"]["fields"]
SURVEY = json.loads((ROOT / "playbooks/files/scale_survey.json").read_text())
ANSWERS = {question["variable"]: question["default"] for question in SURVEY["spec"]}
ANSWERS |= {"deployment_id": "sentiment", "number_of_allocations": 2, "dry_run": "false"}

KEY = canary("key of a job", before="VuaCfGcBCdbkQm-e5aOx:")
PASSWORD = canary("password of a job")
TOKEN = canary("token of a job")
SECRETS = (KEY, PASSWORD, TOKEN)
USERS = {
    "settings": {"tokens": True, "client_certificates": "optional"},
    "users": {"ada": {"password": PASSWORD.value, "roles": ["machine_learning_admin", "monitoring_user"]}},
    "api_keys": [{"api_key": KEY.value, "name": "job", "owner": "ada"}],
    "tokens": [{"token": TOKEN.value, "user": "ada"}],
    "certificates": [{"dn": "CN=client,OU=tests,O=emulator", "username": "job", "roles": ["machine_learning_admin"]}],
}
# A name to what is filled in; texts in capitals are those of the cluster.
FILLED_IN: dict[str, Json] = {
    "key": {"api_key": KEY.value, "ca_certificate": "CA"},
    "user": {"username": "ada", "password": PASSWORD.value, "ca_certificate": "CA"},
    "token": {"bearer_token": TOKEN.value, "ca_fingerprint": "FINGERPRINT"},
    "certificate": {"client_certificate": "CERTIFICATE", "client_key": "KEY", "ca_certificate": "CA"},
    "no certificate": {"api_key": KEY.value, "insecure": True},
}


def test_the_definition_is_one_that_awx_takes() -> None:
    assert DEFINITION.keys() == {"name", "description", "kind", "inputs", "injectors"}
    assert DEFINITION["kind"] in ("cloud", "net")
    ids = [field["id"] for field in FIELDS]
    assert len(set(ids)) == len(ids)
    for field in FIELDS:
        assert field.keys() <= {"id", "type", "label", "help_text", "secret", "multiline"}
        assert re.fullmatch(r"[a-z_]+", field["id"])
        assert field["type"] in ("string", "boolean")
    for name in DEFINITION["injectors"]["env"]:
        assert not name.startswith("ANSIBLE_")
        assert name not in ENV_BLOCKLIST
    assert all(re.fullmatch(r"template\.[a-z_]+", name) for name in DEFINITION["injectors"]["file"])


def test_every_field_is_used_and_every_variable_is_one_of_ours() -> None:
    injectors = DEFINITION["injectors"]
    templates = [*injectors["env"].values(), *injectors["file"].values()]
    strict = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    files_of = {name.partition(".")[2]: "EXAMPLE" for name in injectors["file"]}
    namespace: Json = {**{field["id"]: "EXAMPLE" for field in FIELDS}, "tower": {"filename": files_of}}
    assert {strict.from_string(template).render(namespace) for template in templates} == {"EXAMPLE"}
    for field in FIELDS:
        without = {name: value for name, value in namespace.items() if name != field["id"]}
        assert any(
            "EXAMPLE" not in ImmutableSandboxedEnvironment().from_string(each).render(without) for each in templates
        )
    # Of two names for one thing there is one, and what concerns other programs too is left to the settings of AWX.
    others = {"ELASTICSEARCH_URL", "ELASTICSEARCH_VALIDATE_CERTS"} | {name for name in NAMES if "PROXY" in name.upper()}
    assert set(injectors["env"]) == (NAMES - others) | {ENVIRONMENT}


def test_what_stays_empty_is_not_set(tmp_path: Path) -> None:
    given = {name: value for name, value in inject({}, tmp_path).variables.items() if value}
    assert given == {"ELASTICSEARCH_INSECURE": "False"}
    empty = {field["id"]: "" for field in FIELDS if field["type"] == "string"}
    assert inject(empty, tmp_path).variables.keys() == set(DEFINITION["injectors"]["env"])


def filled_in(inputs: Json, cluster: Emulator) -> Json:
    paths = {"CA": "ca_path", "CERTIFICATE": "client_cert", "KEY": "client_key"}
    found = {
        name: Path(cluster.shown[paths[value]]).read_text() if value in paths else value
        for name, value in inputs.items()
    }
    texts = {"FINGERPRINT": cluster.shown["ca_fingerprint"]}
    return {"hosts": cluster.url, **{name: texts.get(str(value), value) for name, value in found.items()}}


@pytest.mark.parametrize("way", sorted(FILLED_IN))
def test_a_job_reaches_the_cluster(way: str, tmp_path: Path) -> None:
    users, folder = tmp_path / "users.yml", tmp_path / "job"
    users.write_text(yaml.safe_dump(USERS))
    options = ("--security", str(users), "--tls", "--client-certificates", "optional", "--interval", "0.01")
    with emulator(*ONE_NODE, *options) as cluster:
        inputs = filled_in(FILLED_IN[way], cluster)
        injected = inject(inputs, folder)
        stdout = run(folder, injected.variables, START, SCALE)
        verbs = [call["path"].rpartition("/")[2] for call in cluster.writes()]
        assert verbs == ["_start", "_update"], stdout
        deployments = cluster.control("GET", "/state")["deployments"]
    assert deployments["sentiment"]["task_parameters"]["number_of_allocations"] == 2, stdout
    assert hits(SECRETS, [("database", str(injected.kept)), ("stdout", stdout)]) == []
    # ansible-runner notes the environment of the program that it starts, in a folder that AWX deletes.
    kept = [(name, text) for name, text in files(folder / "artifacts") if not name.endswith("/command")]
    assert len(kept) > 10
    assert hits(SECRETS, kept) == []
    commands = [(name, text) for name, text in files(folder / "artifacts") if name.endswith("/command")]
    assert bool(hits(SECRETS, commands)) == any(each.value in inputs.values() for each in SECRETS)


START: Json = {
    "name": "Start",
    "hosts": "localhost",
    "gather_facts": False,
    "tasks": [
        {"name": "Start", "mlops.elasticsearch.trained_model_deployment": {"model_id": "sentiment", "wait_sleep": 0.1}}
    ],
}
SCALE: Json = {"name": "Scale", "import_playbook": "mlops.elasticsearch.scale"}


def run(folder: Path, variables: dict[str, str], *plays: Json) -> str:
    """Run a job that has to pass, and return what it prints."""
    contents = {
        "project/job.yml": yaml.safe_dump([*plays]),
        "inventory/hosts": "localhost ansible_connection=local\n",
        "env/extravars": extra_variables(ANSWERS),
        "env/envvars": json.dumps(variables),
        "env/cmdline": "-vvv",
    }
    done = run_job(folder, contents, "--playbook", "job.yml")
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_guide_names_every_field_and_its_variable() -> None:
    guide = (ROOT / "docs/docsite/rst/awx.rst").read_text()
    assert [field["label"] for field in FIELDS if f"* - {field['label']}\n" not in guide] == []
    assert [name for name in DEFINITION["injectors"]["env"] if f"``{name}``" not in guide] == []
