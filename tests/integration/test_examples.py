# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test every example in the documentation, run as it stands there."""

from __future__ import annotations

import re
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support import model_files
from support.documents import MODULES, ROOT, block, plays
from support.emulator_process import Emulator, emulator
from support.playbook import Json, Played, run_playbook

ADDRESS = "https://es.example.com:9200"
COLLECTION = "mlops.elasticsearch."
_STATES = tempfile.TemporaryDirectory()
VALUES = {
    "elasticsearch_api_key": "c2VudGltZW50OnNlY3JldA==",
    "deployment_id": "sentiment",
    "number_of_allocations": 3,
    "recovery_folder": tempfile.gettempdir(),
    "state_folder": tempfile.gettempdir(),
    "rollout_folder": _STATES.name,
    "watch_seconds": 0,
    "inventory_folder": tempfile.gettempdir(),
    "openai_api_key": "not-a-real-key-of-openai",
    "files": str(Path(tempfile.gettempdir()) / "files-of-a-model"),
}
# Playbooks that use the collection, and the one of the guide that shows how it goes without. Those about connections
# need a cluster that has security (test_connections_guide.py), those about AWX an AWX (test_awx.py), and those about
# upgrades one record after another (test_role_upgrade_guard.py).
ELSEWHERE = ("connections.rst", "awx.rst", "upgrades.rst", "upgrade_guard/README.md")
PLAYS = [
    (name, text)
    for name, text in plays()
    if "ansible.builtin.uri" not in text and not name.split(": ")[0].endswith(ELSEWHERE)
]
[BY_HAND] = [text for name, text in plays() if "ansible.builtin.uri" in text]
START = "/_ml/trained_models/sentiment/deployment/_start?wait_for=started"

NEED_A_DEPLOYMENT = ("trained_model_infer", "trained_model_cache")
ALWAYS_CHANGE = ("trained_model_cache",)


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    nodes = ("--node", "ml-1=8,16gb", "--node", "ml-2=8,16gb", "--interval", "0.002")
    with emulator(*nodes, "--model", "sentiment") as server:
        server.control("POST", "/effects", {"do": "set_download_time", "seconds": 0})
        server.api("PUT", "/_ml/trained_models/.multilingual-e5-small", {"input": {"field_names": ["text_field"]}})
        model_files.write(Path(str(VALUES["files"])))
        for path in Path(_STATES.name).iterdir():  # of another cluster
            path.unlink()
        yield server


def run(cluster: Emulator, text: str, *args: str) -> Played:
    """Run a text that has to pass, with facts below ``ansible_facts`` alone. Writes are counted from here on."""
    cluster.control("DELETE", "/journal")
    text = text.replace(ADDRESS, cluster.url).replace("watch_seconds: 2m", "watch_seconds: 0")
    assert "example.com" not in text, "examples share one address"
    env = {"ELASTICSEARCH_URL": cluster.url, "ANSIBLE_INJECT_FACT_VARS": "false"}
    played = run_playbook(text, *args, env=env, extra_vars=VALUES).must_pass()
    assert "DEPRECATION" not in played.output
    return played


def play(tasks: list[Json]) -> str:
    return yaml.safe_dump(
        [{"name": "Example", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}],
        sort_keys=False,
    )


def singly(module: str) -> Iterator[Json]:
    """Yield the tasks of EXAMPLES, those of plays and those after them, with the defaults that their play has."""
    examples = block(module, "EXAMPLES")
    connection = {"group/mlops.elasticsearch.ml": {"hosts": ADDRESS, "api_key": "{{ elasticsearch_api_key }}"}}
    for example in examples:
        defaults = {"module_defaults": example.get("module_defaults", {}) if "hosts" in example else connection}
        yield from ({**defaults, **task} for task in example.get("tasks", [example]))


def calls(results: list[Json]) -> list[str]:
    """Return the paths of the writes that results, or those of their loops, name."""
    each = [item for result in results for item in result.get("results", [result])]
    return [call["path"] for result in each for call in result.get("api_calls", [])]


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_run_in_a_row(cluster: Emulator, module: str) -> None:
    cluster.api("POST", f"{START}&deployment_id=sentiment-ingest" if module.endswith("_info") else START)
    cluster.control("POST", "/settle")
    run(cluster, play(list(singly(module))))


@pytest.mark.parametrize("module", MODULES)
def test_each_example_tells_in_check_mode_what_it_does_once(cluster: Emulator, module: str) -> None:
    if module in NEED_A_DEPLOYMENT:
        cluster.api("POST", START)
        cluster.control("DELETE", "/journal")
    tasks = list(singly(module))
    thrice = [task for each in tasks for task in ({**each, "check_mode": True}, each, each)]
    played = run(cluster, play(thrice))
    assert len(played.tasks) == 3 * len(tasks)
    predicted = calls([each.result for each in played.tasks[::3]])
    for number, task in enumerate(tasks):
        checked, real, again = (each.result for each in played.tasks[3 * number : 3 * number + 3])
        assert checked["changed"] == real["changed"], task["name"]
        assert calls([checked]) == calls([real]), task["name"]
        repeats = module in ALWAYS_CHANGE or task.get(f"{COLLECTION}{module}", {}).get("state") == "restarted"
        assert repeats or again["changed"] is False, task["name"]
    wrote = [task.result for task in played.tasks if task.action.startswith(COLLECTION)]
    # All parts of a definition, here one, are one entry.
    sent = [re.sub(r"/definition/\d+$", "/definition/{part}", write["path"]) for write in cluster.writes()]
    # Results name each write twice, if it is sent once: the one that predicted it, and the one that sent it.
    assert sorted(calls(wrote)) == sorted([*predicted, *sent])


@pytest.mark.parametrize(("name", "text"), PLAYS, ids=[each[0] for each in PLAYS])
def test_playbooks_of_the_documentation(cluster: Emulator, name: str, text: str) -> None:
    for deployment_id in ("sentiment", "sentiment-ingest"):
        cluster.api("POST", f"{START}&deployment_id={deployment_id}")
    checked = run(cluster, text, "--check")
    assert cluster.writes() == []
    real = run(cluster, text)
    assert checked.changed() == real.changed()
    again = run(cluster, text)
    assert again.changed() == []
    assert cluster.writes() == []


def test_the_first_guide_shows_the_diff_of_its_playbook(cluster: Emulator) -> None:
    guide = (ROOT / "docs/docsite/rst/getting_started.rst").read_text()
    [diff] = [textwrap.dedent(text) for text in re.findall(r"code-block:: diff\n\n((?:    .+\n)+)", guide)]
    [text] = [text for name, text in PLAYS if name.endswith("getting_started.rst: Serve the model")]
    cluster.api("POST", START)
    assert diff in run(cluster, text, "--check", "--diff").output


def test_the_playbook_by_hand_does_what_the_guide_says(cluster: Emulator) -> None:
    checked = run(cluster, BY_HAND, "--check")
    assert {task.status for task in checked.tasks} == {"skipped"}
    first = run(cluster, BY_HAND)
    assert first.changed() == []
    assert len(cluster.writes()) == 1
    run(cluster, BY_HAND)
    assert len(cluster.writes()) == 1
    assert len(cluster.control("GET", "/audit")) == 1
