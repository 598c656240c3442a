# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the role builtin_model, and the playbooks of the guide that bring a model into an empty cluster."""

from __future__ import annotations

import importlib
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support import model_files
from support.documents import plays
from support.emulator_process import Emulator, emulator
from support.playbook import Json, Played, run_playbook

ROLE = Path(__file__).resolve().parent.parent.parent / "roles/builtin_model"
UTILS = "ansible_collections.mlops.elasticsearch.plugins.module_utils."
HANDED_ON = {
    "trained_model": ("_model.options", "", {"model_id"}),
    "trained_model_deployment": ("_deployment.options.deployment", "deployment", {"model_id"}),
    "trained_model_infer": ("_inference.options", "smoke_test", {"deployment_id"}),
    "trained_model_alias": ("_alias.options", "alias", {"model_id"}),
}
"""Module to its options, the key of the role's variable that has them, and those that the role sets itself."""
FIXED = {
    "trained_model": {"state", "force", "wait", "config", "vocabulary", "definition", "checksum"}
    | {"upload_concurrency", "upload_part_size", "upload_journal"},
    "trained_model_deployment": {"state", "on_missing", "wait"},
    "trained_model_infer": set(),
    "trained_model_alias": {"state"},
}
"""Options that would make something else of the role."""
MODEL, DEPLOYMENT, ALIAS = (f"mlops.elasticsearch.trained_model{suffix}" for suffix in ("", "_deployment", "_alias"))
E5 = ".multilingual-e5-small_linux-x86_64"


def read(path: str) -> t.Any:
    return yaml.safe_load((ROLE / path).read_text())


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    with emulator("--node", "ml-1=8,16gb", "--interval", "0.002") as server:
        server.control("POST", "/effects", {"do": "set_download_time", "seconds": 0.01})
        yield server


@pytest.mark.parametrize("module", HANDED_ON)
def test_every_option_is_documented_and_handed_on(module: str) -> None:
    where, key, own = HANDED_ON[module]
    of_module = set(importlib.import_module(f"{UTILS}{where}").SPEC.argument_spec)
    connection = importlib.import_module(f"{UTILS}_core.options.connection").CONNECTION.argument_spec
    offered = of_module - set(connection) - {"predictions"} - FIXED[module]

    variable = read("meta/argument_specs.yml")["argument_specs"]["main"]["options"]["builtin_model"]
    documented = variable["options"][key]["options"] if key else variable["options"]
    own_keys = {"enabled"} if key == "smoke_test" else set(HANDED_ON[each][1] for each in HANDED_ON) - {""}
    assert set(documented) - own_keys == offered - (own if key else set())

    [block] = [task["block"] for task in read("tasks/main.yml") if "block" in task]
    [arguments] = [task[f"mlops.elasticsearch.{module}"] for task in block if f"mlops.elasticsearch.{module}" in task]
    assert set(arguments) == offered
    source = f"__{key}" if key else "builtin_model"
    assert [name for name in offered - own if f" {source}.{name}" not in arguments[name]] == []


def use(**given: t.Any) -> Json:
    return {
        "ansible.builtin.include_role": {"name": "mlops.elasticsearch.builtin_model"},
        "vars": {"builtin_model": {"wait_sleep": 0.05, **given}},
    }


def play(url: str, uses: list[Json], **defaults: Json) -> str:
    """Return a play that uses the role several times, and shows after each what it left."""
    tasks: list[Json] = []
    for number, each in enumerate(uses):
        why = {"name": f"Why {number}", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result }}"}}
        left = {"name": f"Left {number}", "ansible.builtin.debug": {"msg": "{{ builtin_model_results | default({}) }}"}}
        tasks += [{"block": [each], "rescue": [why]}, left]
    group = {"group/mlops.elasticsearch.ml": {"hosts": url}, **defaults}
    local = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    return yaml.safe_dump([{"name": "Use it", **local, "module_defaults": group, "tasks": tasks}])


def test_what_fails_ends_the_role_and_the_results_say_where(cluster: Emulator) -> None:
    alias = {"model_alias": "search-model"}
    uses = [
        use(model_id=".multilingual-e5-small", smoke_test={"expect": {"vector_length": 3}}, alias=alias),
        use(model_id=".multilingual-e5-small", deployment={"wait_timeout": "soon"}, alias=alias),
        use(model_id=".nothing"),
        use(model_id=".multilingual-e5-small", deployment={"number_of_alocations": 1}),
        use(model_id=".multilingual-e5-small", smoke_test={"vector_length": 1}),
        use(model_id=".multilingual-e5-small", aliases={}),
        {**use(), "vars": {"builtin_modell": {}}},
        use(model_id=".multilingual-e5-small", deployment={"threads_per_allocation": 2}, alias=alias),
    ]
    played = run_playbook(play(cluster.url, uses)).must_pass()
    why = [played.result(f"Why {number}")["msg"] for number in range(len(uses))]
    left = [played.result(f"Left {number}")["msg"] for number in range(len(uses))]
    assert why[0]["failure"]["code"] == left[0]["smoke_test"]["failure"]["code"] == "unexpected_answer"
    assert left[0]["deployment"]["operation"] == "start"
    assert why[1]["msg"].startswith("wait_timeout is 'soon', not a time")
    assert left[1]["smoke_test"] == {}
    assert left[2]["model"]["failed"]
    assert left[2]["deployment"] == {}
    for number, name in ((3, "number_of_alocations"), (4, "vector_length"), (5, "aliases"), (6, "builtin_model")):
        assert name in str(why[number]), number
    assert "threads_per_allocation" in why[7]["msg"]
    assert "replace" in why[7]["msg"]
    assert "builtin_model_" not in why[7]["msg"]
    assert left[3] == left[4] == left[5] == left[6] == {}
    assert {str(each.get("alias", {})) for each in left} == {"{}"}
    assert cluster.control("GET", "/state")["aliases"] == {}


def test_what_surveys_send_and_what_module_defaults_have(cluster: Emulator) -> None:
    spec = read("meta/argument_specs.yml")["argument_specs"]["main"]["options"]["builtin_model"]["options"]
    empty: list[t.Any] = ["", None, "{{ no_such_variable | default(omit) }}"]
    uses = []
    for value in empty:
        given: Json = {name: value for name in spec if name not in ("model_id", "fact_name")}
        given |= {
            key: {name: value for name in spec[key]["options"] if name not in ("fact_name", "deployment_id")}
            for key in ("deployment", "smoke_test", "alias")
            if value is not None
        }
        uses.append(use(**{**given, "model_id": ".multilingual-e5-small"}))
    uses.append(use(model_id=".multilingual-e5-small", smoke_test={"enabled": "false"}))
    defaults = {"mlops.elasticsearch.trained_model_deployment": {"number_of_allocations": 2, "wait_sleep": 0.05}}
    played = run_playbook(play(cluster.url, uses, **defaults)).must_pass()
    left = [played.result(f"Left {number}")["msg"] for number in range(len(uses))]
    assert [each["deployment"]["allocations"]["running"] for each in left] == [2] * len(uses)
    assert [each["deployment"]["deployment"]["deployment_id"] for each in left] == [E5] * len(uses)
    assert [bool(each["smoke_test"]) for each in left] == [True, True, True, False]
    assert {str(each["alias"]) for each in left} == {"{}"}
    assert len(cluster.writes()) == 2


GUIDE = [text for name, text in plays() if re.search("models.rst: .*(empty cluster|own model)", name)]


@pytest.mark.parametrize("text", GUIDE, ids=["packaged", "uploaded"])
def test_from_an_empty_cluster_to_a_model_that_answers(cluster: Emulator, tmp_path: Path, text: str) -> None:
    model_files.write(tmp_path)

    def run(*args: str) -> Played:
        env = {"ELASTICSEARCH_URL": cluster.url, "ANSIBLE_INJECT_FACT_VARS": "false"}
        return run_playbook(text, *args, env=env, extra_vars={"files": str(tmp_path)}).must_pass()

    checked = run("--check")
    assert cluster.writes() == []
    [predicted], [not_tried] = checked.of(DEPLOYMENT), checked.of("mlops.elasticsearch.trained_model_infer")
    assert "an earlier task of this dry run would have made" in not_tried["skipped_because"]
    if "builtin_model" in text:
        assert predicted["prediction"]["kind"] is None
        said = checked.result("Show what only a real run can tell")["msg"]
        assert said[0].startswith("The places of the allocations are not certain. The size of model")
        assert said[1] == f"The model was not tried, because {not_tried['skipped_because']}."

    real = run()
    assert real.changed() == checked.changed()
    for module in (MODEL, DEPLOYMENT, ALIAS):
        assert checked.of(module)[0]["api_calls"] == real.of(module)[0]["api_calls"]
    [tried] = real.of("mlops.elasticsearch.trained_model_infer")
    assert tried["waited"]["reached"]
    [set_alias] = real.of(ALIAS)
    assert set_alias["alias"]["model_id"] == tried["model_id"]

    cluster.control("DELETE", "/journal")
    assert run().changed() == []
    assert cluster.writes() == []
