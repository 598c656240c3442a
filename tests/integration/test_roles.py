# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what all roles promise: what empty answers are, what is left of an earlier use, and what is shown of secrets."""

from __future__ import annotations

import hashlib
import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import ITEM
from support.canaries import canary, hits
from support.emulator_process import Emulator, emulator
from support.playbook import Json, Played, run_playbook
from support.random_search import has_turn

ROLES = Path(__file__).resolve().parent.parent.parent / "roles"
E5 = ".multilingual-e5-small"
KEY, HEADER, SERVICE = (canary(name) for name in ("an API key", "a secret header", "a secret of a service"))
OMIT = "{{ no_such_variable | default(omit) }}"
ITEMS: Json = {"deployments_list": [{"model_id": "sentiment", "guard": {"max": 4}}]}
NEW: Json = {"model_id": "second", "deployment_id": "second"}
ENDPOINT: Json = {"inference_id": "search", "task_type": "text_embedding", "service": "elasticsearch"}
QUICK: Json = {"watch": {"seconds": 0.2, "sleep": 0.1}}
REMOTE: Json = {
    "inference_id": "chat",
    "task_type": "completion",
    "service": "openai",
    "secrets": {"api_key": "{{ secrets.service }}"},
}


class Role(t.NamedTuple):
    """A role: what it needs and no more, and what it refuses, which may have secrets."""

    given: Json
    refused: tuple[Json, ...]


TABLE = {
    "airgap_models": Role(
        {"model_ids": [".tiny"], "source": "FOLDER/source", "folder": "FOLDER/models"},
        ({"model_ids": ["tiny"], "source": "FOLDER/source", "folder": "FOLDER/models"},),
    ),
    "builtin_model": Role({"model_id": E5}, ({"model_id": E5, "deployment": {"wait_timeout": "soon"}},)),
    "deployments": Role(
        ITEMS, ({**ITEMS, "deployments_wait": "perhaps"}, {"deployments_list": None}, {"deployments_list": [{}]})
    ),
    "model_rollout": Role(
        {"model_alias": "mood", "new": NEW, "state_file": "FOLDER/rollout.json", **QUICK},
        ({"model_alias": "mood", "new": {**NEW, "number_of_allocations": "many"}},),
    ),
    "rescue": Role({"deployments": ["*"]}, ({"limit": "many"},)),
    "semantic_search": Role(
        {
            "model": {"model_id": E5},
            "endpoint": {**ENDPOINT, "service_settings": {"num_threads": 1, "num_allocations": 1}},
        },
        ({"endpoint": {**REMOTE, "task_settings": 7}}, {"endpoint": {**REMOTE, "secrets": "{{ secrets.service }}"}}),
    ),
    "upgrade_guard": Role(
        {"action": "record", "file": "FOLDER/record.json"}, ({"action": "restore", "file": "FOLDER/none.json"},)
    ),
}
VARIABLES = {"rescue": "rescue_options"}
"""Variables that have other names than their roles: ``rescue`` is a word of Ansible."""
HERE = sorted(path.name for path in ROLES.iterdir())
EMPTY = [("", False), (None, True), (OMIT, False), ("", True), (None, False), (OMIT, True)]
"""Values that are not given, and whether they stand for the options within dictionaries or for the dictionaries."""
VALUES = {"fact_name", "deployment_id"}
"""Options whose empty text says something: no fact, and a mistake, because the model may name another deployment."""


def options(role: str) -> Json:
    documented = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())
    return t.cast("Json", documented["argument_specs"]["main"]["options"])


def test_each_role_is_in_the_table() -> None:
    assert {*HERE} <= {*TABLE}


def within(documented: Json) -> Iterator[Json]:
    """Yield each option, and those within it."""
    for option in documented.values():
        yield option
        yield from within(option.get("options", {}))


@pytest.mark.parametrize("role", HERE)
def test_a_specification_only_documents(role: str) -> None:
    """Test that Ansible validates nothing before the first task, which forgets the results of an earlier use."""
    assert {option["type"] for option in within(options(role))} == {"raw"}
    assert not any(option.get("required") for option in options(role).values())
    assert all(option["description"] for option in within(options(role)))
    assert not (ROLES / role / "defaults/main.yml").exists()


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    models = ("--model", "sentiment", "--model", "second")
    with emulator("--node", "ml-1=16,32gb", *models, "--interval", "0.002") as server:
        server.control("POST", "/effects", {"do": "set_download_time", "seconds": 0.01})
        yield server


def emptied(documented: Json, given: Json, value: t.Any, *, deep: bool) -> Json:
    """Return *given* with *value* for each option that it does not have, or *deep*, for those within it."""
    found: Json = {}
    for name, option in documented.items():
        inner = option.get("options")
        if name in given and inner and isinstance(given[name], dict):
            found[name] = emptied(inner, given[name], value, deep=deep)
        elif name in given:
            found[name] = given[name]
        elif inner and deep:
            found[name] = emptied(inner, {}, value, deep=True)
        elif name.removeprefix("deployments_") not in VALUES:
            found[name] = value
    return found


def variables(role: str, value: t.Any, *, deep: bool) -> Json:
    """Return the variables of a use of *role* whose other options are all *value*."""
    given = TABLE[role].given
    if role != "deployments":
        return {
            VARIABLES.get(role, role): emptied(
                options(role)[VARIABLES.get(role, role)]["options"], given, value, deep=deep
            )
        }
    # In an item of the list an empty text is no dictionary, and an id without a value is a mistake.
    item = {name: {"options": option.get("options")} for name, option in ITEM.argument_spec.items()}
    del item["deployment_id"]
    listed = [emptied(item, each, value, deep=deep or value == "") for each in given["deployments_list"]]
    return {**emptied(options(role), given, value, deep=deep), "deployments_list": listed}


def empty_uses(role: str) -> list[Json]:
    """Return the variables of uses with empty options: one role tries one half of them, the next one the other."""
    turn = HERE.index(role)
    return [variables(role, value, deep=deep) for n, (value, deep) in enumerate(EMPTY, turn) if has_turn(n, 2)]


def uses(role: str) -> list[Json]:
    """Return the variables of two plain uses of *role*, then of those with empty options, then of those it refuses."""
    plain, refused = TABLE[role]
    named = [
        given if role == "deployments" else {VARIABLES.get(role, role): given} for given in (plain, plain, *refused)
    ]
    return [*named[:2], *empty_uses(role), *named[2:]]


def play(role: str, cluster: Emulator, folder: Path) -> Played:
    """Play all uses of *role*, with results of an earlier use before each."""
    tasks: list[Json] = []
    for number, given in enumerate(uses(role)):
        use = {"ansible.builtin.include_role": {"name": f"mlops.elasticsearch.{role}"}, "vars": given}
        shown = {
            "results": f"{{{{ {role}_results }}}}",
            "msg": "{{ (ansible_failed_result | default({})).msg | default('') }}",
        }
        tasks += [
            {"ansible.builtin.set_fact": {f"{role}_results": ["earlier"]}},
            {
                "block": [{**use, "name": f"Use {number}"}],
                "always": [{"name": f"Left {number}", "ansible.builtin.debug": {"msg": shown}}],
                "rescue": [{"name": f"Failed {number}", "ansible.builtin.debug": {"msg": "it failed"}}],
            },
        ]
    headers = {"X-Gateway": "{{ secrets.header }}"}
    defaults = {"hosts": cluster.url, "api_key": "{{ secrets.key }}", "secret_headers": headers}
    local = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    book = [{"name": "Use it", **local, "module_defaults": {"group/mlops.elasticsearch.ml": defaults}, "tasks": tasks}]
    secrets = {"key": KEY.value, "header": HEADER.value, "service": SERVICE.value}
    text = yaml.safe_dump(book, sort_keys=False).replace("FOLDER", str(folder))
    return run_playbook(text, "-vvv", extra_vars={"secrets": secrets})


def write_model(folder: Path) -> None:
    """Write the files of a model for airgap_models, and what model_rollout finds."""
    folder.mkdir()
    definition = b"a definition"
    metadata = {"packaged_model_id": "tiny", "size": len(definition), "sha256": hashlib.sha256(definition).hexdigest()}
    (folder / "tiny.pt").write_bytes(definition)
    (folder / "tiny.vocab.json").write_text('{"vocabulary": ["a"]}')
    (folder / "tiny.metadata.json").write_text(json.dumps({**metadata, "vocabulary_file": "tiny.vocab.json"}))


MOVING = {
    "waited",
    "latency",
    "attempts",
    "seconds",
    "polls",
    "order",
    "run",
    "recorded_at",
    "took",
    "elapsed",
    "summary",
    "inference_results",
}


def settled(value: t.Any) -> t.Any:
    """Return *value* without what differs between two runs that do the same."""
    if isinstance(value, dict):
        return {name: settled(each) for name, each in value.items() if name not in MOVING}
    return [settled(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("role", HERE)
def test_empty_options_are_not_given_results_are_cleared_and_nothing_secret_is_shown(
    role: str, cluster: Emulator, tmp_path: Path
) -> None:
    write_model(tmp_path / "source")
    cluster.control("POST", "/effects", {"do": "start_deployment", "model_id": "sentiment", "number_of_allocations": 1})
    cluster.api("PUT", "/_ml/trained_models/sentiment/model_aliases/mood")
    played = play(role, cluster, tmp_path).must_pass()
    left = [played.result(f"Left {number}")["msg"] for number in range(len(uses(role)))]
    plain = settled(left[1]["results"])
    assert (left[0]["msg"], left[1]["msg"]) == ("", "")
    first_refused = 2 + len(empty_uses(role))
    for number in range(2, first_refused):
        assert left[number]["msg"] == "", (uses(role)[number], left[number])
        assert settled(left[number]["results"]) == plain, uses(role)[number]
    for number, each in enumerate(left[first_refused:], first_refused):
        assert played.named(f"Failed {number}"), uses(role)[number]
        assert each["results"] != ["earlier"], uses(role)[number]
    assert hits([KEY, HEADER, SERVICE], [("the output", played.output)]) == []
