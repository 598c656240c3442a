# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX makes them: its variables file, command line, environment, inventory and credential.

Taken from AWX at commit e21dd0a0933f (``awx/main/tasks/jobs.py``, ``awx/main/models/inventory.py``) and from
ansible-runner, which adds ``-i`` and ``-e`` to the command line.
"""

from __future__ import annotations

import json
import os
import re
import typing as t
from pathlib import Path

import yaml
from awx_plugins.interfaces._temporary_private_api import ManagedCredentialType
from awx_plugins.interfaces._temporary_private_credential_api import Credential
from awx_plugins.interfaces._temporary_private_inject_api import inject_credential

from support.awx_variables import extra_variables
from support.documents import ROOT
from support.runner import run_job

Json = dict[str, t.Any]
DEFINITION: Json = yaml.safe_load((ROOT / "extensions/awx/credential_type.yml").read_text())
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LOCALHOST = {
    "all": {"hosts": ["localhost"]},
    "_meta": {
        "hostvars": {
            "localhost": {
                "ansible_connection": "local",
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                "remote_tower_enabled": "true",
                "remote_tower_id": 1,
            }
        }
    },
}


class Launch(t.NamedTuple):
    """A launch: ``answers``, variables of the ``template``, job type, and ``inputs`` of a credential.

    ``artifacts``: what earlier jobs of a workflow hand on; it goes over the answers, unchecked.
    """

    answers: Json = {}
    template: Json = {}
    artifacts: Json = {}
    check: bool = False
    inputs: Json = {}

    def variables(self) -> str:
        """Return the file with the extra variables."""
        return extra_variables({**self.answers, **self.artifacts, **_own_variables(self)}, self.template)

    def command_line(self) -> str:
        return "--check -u root --diff" if self.check else "-u root"


class Job(t.NamedTuple):
    """A finished job: ``artifacts`` are the variables that AWX hands to the next job."""

    rc: int
    stdout: str
    events: list[Json]
    artifacts: Json
    command: list[str]

    def result(self, playbook: str) -> Json:
        return t.cast(Json, self.artifacts[f"{playbook}_result"])

    def shown(self) -> str:
        """Return all that AWX keeps of the job."""
        return self.stdout + json.dumps([self.events, self.artifacts])


def run(folder: Path, playbook: str, launch: Launch) -> Job:
    """Run a job once, in a fresh private data folder, with a project whose playbook imports *playbook*."""
    files = {
        f"project/{playbook}.yml": yaml.safe_dump([{"import_playbook": f"mlops.elasticsearch.{playbook}"}]),
        "inventory/hosts": f"#! /usr/bin/env python3\nprint({json.dumps(_LOCALHOST)!r})\n",
        "env/extravars": launch.variables(),
        "env/cmdline": launch.command_line(),
        "env/envvars": json.dumps({**_environment(folder), **inject(launch.inputs, folder).variables}),
        "env/settings": json.dumps({"suppress_ansible_output": False}),
    }
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / "inventory/hosts").touch(0o700)
    done = run_job(folder, files, "--playbook", f"{playbook}.yml", "--ident", "job")
    of_job = folder / "artifacts/job"
    events = [json.loads(path.read_text()) for path in (of_job / "job_events").glob("*.json")]
    stats = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"] or [{}]
    command = json.loads((of_job / "command").read_text())["command"]
    return Job(done.returncode, _COLOURS.sub("", done.stdout), events, stats[0].get("artifact_data") or {}, command)


class Injected(t.NamedTuple):
    """``variables`` of a job, and what AWX keeps of them in its database."""

    variables: dict[str, str]
    kept: dict[str, str]


def inject(inputs: Json, folder: Path) -> Injected:
    """Return what AWX makes of a credential. It mounts *folder* into the container of the job as ``/runner``."""
    (folder / "env").mkdir(parents=True, exist_ok=True)
    kind = {name: DEFINITION[name] for name in ("name", "kind", "inputs", "injectors")}
    variables: Json = {}
    kept: Json = {}
    of_type = ManagedCredentialType(namespace="mlops", **kind)
    inject_credential(of_type, Credential(inputs), variables, kept, [], str(folder))
    found = {name: value.replace("/runner/", f"{folder}/") for name, value in variables.items()}
    return Injected(found, kept)


def _environment(folder: Path) -> dict[str, str]:
    """Return the variables of each job. The collection is where the tests have it, not in ``/runner``."""
    collections = f"{folder}/requirements_collections:{os.environ['ANSIBLE_COLLECTIONS_PATH']}"
    return {
        "ANSIBLE_COLLECTIONS_PATH": collections,
        "ANSIBLE_COLLECTIONS_PATHS": collections,
        "ANSIBLE_ROLES_PATH": f"{folder}/requirements_roles:/usr/share/ansible/roles",
        "ANSIBLE_FORCE_COLOR": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{folder}/cp",
        "AWX_HOST": "https://towerhost",
        "AWX_PRIVATE_DATA_DIR": str(folder),
        "INVENTORY_ID": "1",
        "JOB_ID": "7",
        "MAX_EVENT_RES": "700000",
        "PROJECT_REVISION": "0123456789abcdef0123456789abcdef01234567",
    }


def _own_variables(launch: Launch) -> Json:
    """Return the variables that AWX adds itself, over all others."""
    own = {
        "job_id": 7,
        "job_launch_type": "workflow" if launch.artifacts else "manual",
        "user_id": 1,
        "user_name": "admin",
        "user_email": "admin@example.com",
        "user_first_name": "",
        "user_last_name": "",
        "inventory_id": 1,
        "inventory_name": "Controller",
        "project_revision": "0123456789abcdef0123456789abcdef01234567",
        "project_scm_branch": "",
        "job_template_id": 7,
        "job_template_name": "A template",
        "execution_node": "awx",
    }
    return {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in own.items()}
