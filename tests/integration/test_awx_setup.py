# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the playbook that sets up AWX, with the modules of awx.awx, against a stand-in of AWX's API."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from support.awx_rules import NOTIFICATIONS
from support.awx_server import Awx, awx
from support.canaries import canary, hits
from support.documents import ROOT, loaded, variables
from support.forked.python import python
from support.playbook import Json, Played, run_playbook

FOLDER = ROOT / "extensions/awx"
SETUP = FOLDER / "setup.yml"
COLLECTIONS = Path(sys.prefix).parent / "awx"
"""Made by the Makefile."""
DEFAULTS: Json = loaded((FOLDER / "variables.yml").read_text())
SURVEYS = {path.name[: -len("_survey.json")]: path for path in (ROOT / "playbooks/files").glob("*_survey.json")}
PROJECT = tuple(path.name for path in (FOLDER / "project").glob("*.yml"))
TOKEN = canary("token of AWX")
KEY = canary("key in a credential", before="VuaCfGcBCdbkQm-e5aOx:")
NEW_KEY = canary("new key in a credential", before="VuaCfGcBCdbkQm-e5aOx:")
PASSWORD = canary("password of a webhook")
SECRETS = (TOKEN, KEY, NEW_KEY, PASSWORD)
WEBHOOK = {**NOTIFICATIONS["webhook"], "url": "https://chat.example.com", "headers": {}, "password": PASSWORD.value}
GUIDE: Json = variables("awx")
MINE: Json = {
    **GUIDE,
    "elasticsearch_api_key": KEY.value,
    "setup_credential_inputs": {**GUIDE["setup_credential_inputs"], "username": None, "password": ""},
    "setup_execution_environment_image": "registry.example.com/elasticsearch:1.0.0",
    "setup_notification_type": "webhook",
    "setup_notification_configuration": WEBHOOK,
}
ANSWERS = {"deployment_id": "sentiment", "number_of_allocations": 2}
RULE = "DTSTART:20260101T000000Z RRULE:FREQ=DAILY;INTERVAL=1"
MINE["setup_schedules"] = [*DEFAULTS["setup_schedules"], {"playbook": "scale", "rrule": RULE, "answers": ANSWERS}]


def set_up(server: Awx, given: Json, *args: str, collections: Path = COLLECTIONS) -> Played:
    assert collections.is_dir(), "make .venv/awx/.made brings the collection awx.awx"
    env = {
        "ANSIBLE_COLLECTIONS_PATH": f"{ROOT / '.build/tree'}:{collections}",
        "CONTROLLER_HOST": server.url,
        "CONTROLLER_OAUTH_TOKEN": TOKEN.value,
        # The modules read all certificates of the system for each request, which takes half of their time.
        "SSL_CERT_FILE": os.devnull,
    }
    variables = {"ansible_python_interpreter": python(), **MINE, **given}
    played = run_playbook(SETUP, *args, env=env, extra_vars=variables)
    assert hits(SECRETS, [("output", played.output), ("results", str(played.tasks))]) == []
    return played


@pytest.fixture
def controller(tmp_path: Path) -> Path:
    """Return a folder with ansible.controller alone, which is built of the same files as awx.awx."""
    folder = tmp_path / "ansible_collections/ansible/controller"
    shutil.copytree(COLLECTIONS / "ansible_collections/awx/awx", folder)
    code = folder / "plugins/module_utils/controller_api.py"
    text = code.read_text()
    assert '_COLLECTION_TYPE = "awx"' in text
    code.write_text(text.replace('_COLLECTION_TYPE = "awx"', '_COLLECTION_TYPE = "controller"'))
    return tmp_path


def test_awx_is_set_up_and_a_second_run_changes_nothing(controller: Path) -> None:
    """One AWX for all that is seen in it: a run takes seconds."""
    with awx(TOKEN.value, PROJECT) as server:
        first = set_up(server, {}).must_pass()
        [play] = loaded(SETUP.read_text())
        ran = {task.task for task in first.tasks if task.status == "ok"}
        assert [task["name"] for task in play["tasks"] if task["name"] not in ran] == []
        server.writes.clear()
        second = set_up(server, {}).must_pass()
        assert second.changed() == []
        assert [re.sub("[0-9]+", "ID", write) for write in server.writes] == ["POST projects/ID/update/"]
        number = sum(map(len, server.lists.values())) - 1
        sys.stdout.write(f"{number} objects of AWX were made, {len(second.changed())} changed in the second run\n")
        check_job_templates(server)
        check_schedules(server)
        check_workflows(server)
        check_new_secrets(server, controller)


def check_job_templates(server: Awx) -> None:
    """Check that a job template has all that a job needs."""
    templates = server.named("job_templates")
    assert templates.keys() == {f"Elasticsearch: {name}" for name in SURVEYS}
    [credential] = server.lists["credentials"].values()
    [notified] = server.lists["notification_templates"].values()
    for name, path in SURVEYS.items():
        template = templates[f"Elasticsearch: {name}"]
        place = f"job_templates/{template['id']}"
        assert template["playbook"] == f"{name}.yml"
        assert {template[kind] for kind in ("project", "inventory", "execution_environment")} == {
            item["id"]
            for kind in ("projects", "inventories", "execution_environments")
            for item in server.lists[kind].values()
        }
        assert server.surveys[place] == json.loads(path.read_text())
        assert server.links[f"{place}/credentials"] == [credential["id"]]
        assert server.links[f"{place}/notification_templates_error"] == [notified["id"]]
    assert credential["inputs"] == {
        "hosts": GUIDE["setup_credential_inputs"]["hosts"],
        "api_key": KEY.value,
        "guard": '{"max": 8, "max_step": 2}',
    }
    [host] = server.lists["hosts"].values()
    assert json.loads(host["variables"])["ansible_python_interpreter"] == "{{ ansible_playbook_python }}"


def check_schedules(server: Awx) -> None:
    """Check that those that write are off, and that all questions are answered."""
    scheduled = server.named("schedules")
    expected = {each["playbook"]: each for each in MINE["setup_schedules"] if each["playbook"] in SURVEYS}
    assert scheduled.keys() == {f"Elasticsearch: {name}" for name in expected}
    for name, each in expected.items():
        schedule = scheduled[f"Elasticsearch: {name}"]
        assert (schedule["rrule"], schedule["enabled"]) == (each["rrule"], name == "report")
        assert schedule["extra_data"].get("dry_run", "false") == "false"
    assert scheduled["Elasticsearch: scale"]["extra_data"] == {**ANSWERS, "dry_run": "false"}


def check_workflows(server: Awx) -> None:
    """Check that a workflow applies only what was approved."""
    nodes = server.lists["workflow_job_template_nodes"]
    reviewed = [name for name in DEFAULTS["setup_workflows"] if name in SURVEYS]
    assert server.named("workflow_job_templates").keys() == {
        f"Elasticsearch: {name} after approval" for name in reviewed
    }
    for name, template in zip(reviewed, server.lists["workflow_job_templates"].values(), strict=True):
        own = {node["identifier"]: node for node in nodes.values() if node["workflow_job_template"] == template["id"]}
        follow = {
            each: [
                nodes[other]["identifier"]
                for other in server.links.get(f"workflow_job_template_nodes/{node['id']}/success_nodes", [])
            ]
            for each, node in own.items()
        }
        assert follow == {"dry_run": ["approve"], "approve": ["apply"], "apply": []}
        assert [own[each]["extra_data"] for each in ("dry_run", "apply")] == [{"dry_run": "true"}, {"dry_run": "false"}]
        run = server.named("job_templates")[f"Elasticsearch: {name}"]["id"]
        assert {own[each]["unified_job_template"] for each in ("dry_run", "apply")} == {run}
        assert own["approve"]["unified_job_template"] in server.lists["workflow_approval_templates"]
        asked = [
            question["variable"] for question in server.surveys[f"workflow_job_templates/{template['id']}"]["spec"]
        ]
        assert asked == [
            question["variable"]
            for question in json.loads(SURVEYS[name].read_text())["spec"]
            if question["variable"] != "dry_run"
        ]


def check_new_secrets(server: Awx, controller: Path) -> None:
    """Check that a new secret is sent if asked for, with the other collection."""
    new = {"setup_playbooks": [], "elasticsearch_api_key": NEW_KEY.value}
    server.writes.clear()
    assert set_up(server, new, "--check").must_pass().changed() == []
    assert server.writes == []
    again = {**new, "setup_update_secrets": True, "setup_collection": "ansible.controller"}
    sent = set_up(server, again, collections=controller).must_pass()
    assert sent.changed() == ["Make the credential", "Make the notification template"]
    [credential] = server.lists["credentials"].values()
    assert credential["inputs"]["api_key"] == NEW_KEY.value


def test_awx_can_fill_in_the_messages() -> None:
    messages = DEFAULTS["setup_notification_messages"]
    texts = [each["message"] for event in ("success", "error") for each in [messages[event]]]
    job: Json = {"name": "Elasticsearch: scale", "artifacts": {"scale_result": {"msg": "Two more"}}}
    names = {"job": job, "url": "https://awx/1", "approval_node_name": "Apply", "workflow_url": "https://awx/2"}
    filled = [_filled(text, names) for text in texts]
    assert filled == [
        "Elasticsearch: scale is done: Two more (https://awx/1)",
        "Elasticsearch: scale failed: Two more (https://awx/1)",
    ]
    job["artifacts"] = {}
    assert _filled(texts[1], names) == "Elasticsearch: scale failed (https://awx/1)"
    assert all("https://awx/2" in _filled(each["message"], names) for each in messages["workflow_approval"].values())


def _filled(text: str, names: Json) -> str:
    """Render a message of one line, as AWX does to check it."""
    assert "\n" not in text
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(text).render(names)


def test_what_is_missing_is_named() -> None:
    with awx(TOKEN.value, PROJECT) as server:
        played = set_up(server, {"setup_project_url": "", "setup_credential_inputs": {"hosts": ""}})
        assert played.rc != 0
        assert "setup_project_url is missing" in played.output
        assert "setup_credential_inputs is missing" in played.output
        assert server.writes == []


def test_the_files_of_the_guide_are_there() -> None:
    named = set(re.findall(r"\$extensions/([\w/.-]+)", (ROOT / "docs/docsite/rst/awx.rst").read_text()))
    assert len(named) == 4
    assert [name for name in named if not (ROOT / "extensions" / name).exists()] == []
