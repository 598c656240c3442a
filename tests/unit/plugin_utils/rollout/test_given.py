# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what the variable of the role model_rollout takes, and what its file may be."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout import state as states
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.given import read, without_empty
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.plan import plan

Json = dict[str, t.Any]
SERVER = {"version": "9.5.3", "flavor": "default", "cluster_name": "c", "cluster_uuid": "u"}
CONTENT: Json = {
    "what": states.WHAT,
    "format": 1,
    "cluster": {"name": "c", "uuid": "u"},
    "time": "now",
    "phase": "begun",
    "route": "alias",
    "name": "a",
    "in_place": False,
    "new": {"deployment_id": "d", "model_id": "m"},
    "made_new": True,
    "kept_old": False,
    "old": [],
    "previous_model_id": None,
    "endpoint": None,
    "keeps_alias": None,
}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "model_rollout needs exactly one of model_alias, inference_id, deployment_id"),
        ({"model_alias": "", "deployment_id": None}, "what clients ask for. A variable may be empty."),
        ({"model_alias": "a", "deployment_id": "d"}, "Given are model_alias and deployment_id."),
        ({"model_alias": "a", "inference_id": "e", "action": "rollback"}, "Given are model_alias and inference_id."),
        ({"model_alias": 7}, "model_alias is 7, not a text. The id that was meant is lost"),
        ({"model_alias": "a", "new": {"deployment_id": 7}}, "new.deployment_id is 7, not a text."),
        ({"model_alias": "a", "old_deployment_id": [7]}, "old_deployment_id[0] is 7, not a text."),
        ({"model_alias": "a*"}, "model_alias 'a*' is not the id of one model alias."),
        ({"deployment_id": "a,b"}, "deployment_id 'a,b' is not the id of one deployment."),
        ({"model_alias": "a", "new": {"model_id": "m*"}}, "new.model_id 'm*' is not the id of one"),
        ({"model_alias": "a", "aliases": "b"}, "model_rollout has no key aliases."),
        ({"model_alias": "a", "new": {"threads": 2}}, "model_rollout has no key new.threads."),
        ({"model_alias": "a", "action": "undo"}, "action must be rollout or rollback, not 'undo'."),
        ({"model_alias": "a", "strategy": "x"}, "strategy must be side_by_side or in_place, not 'x'."),
        ({"model_alias": "a", "on_referenced": "x"}, "on_referenced must be fail or force, not 'x'."),
        ({"model_alias": "a", "keep_old": "maybe"}, "keep_old takes true or false"),
        ({"model_alias": "a", "watch": {"allow": {"failed": -1}}}, "watch.allow.failed must be 0 or more, not -1."),
        (
            {"model_alias": "a", "keep_old": True, "strategy": "in_place"},
            "keep_old makes no sense with strategy in_place",
        ),
        ({"model_alias": "a", "watch": {"seconds": "soon"}}, "watch.seconds is 'soon', not a time."),
        ({"model_alias": "a", "drain_sleep": 0}, "drain_sleep must be above 0 seconds"),
    ],
)
def test_what_is_refused(given: t.Any, text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        read(given)
    assert text in str(refusal.value)


def test_what_is_not_given_has_its_default() -> None:
    found = read({"model_alias": "a"})
    assert (found.route, found.name, found.in_place, found.rolls_back) == ("alias", "a", False, False)
    assert found.smoke_test == {}
    assert found.watch == {"watch_seconds": 60, "watch_sleep": 5, "allow": {}}
    assert found.drain == (30, 1)
    assert (found.old, found.new, found.keep_old, found.force, found.state_file) == (None, {}, False, False, "")
    assert not found.dry_run


def test_texts_are_read_as_what_they_mean() -> None:
    found = read(
        {
            "inference_id": "e",
            "keep_old": "yes",
            "dry_run": "true",
            "on_referenced": "force",
            "old_deployment_id": "a, b",
            "smoke_test": {"enabled": "no"},
            "watch": {"seconds": "0"},
            "drain_seconds": "1m",
            "drain_sleep": "7",
            "new": {"number_of_allocations": "2", "threads_per_allocation": ""},
        }
    )
    assert found.route == "endpoint"
    assert (found.keep_old, found.force, found.old) == (True, True, ("a", "b"))
    assert (found.smoke_test, found.watch, found.drain) == (None, None, (9, 7))
    assert found.dry_run
    assert found.new == {"number_of_allocations": 2}
    assert read({"action": "rollback", "state_file": "/f"}).route is None


def test_what_is_empty_is_not_given() -> None:
    assert without_empty({"a": None, "b": {"c": "", "d": 1}, "e": 0}) == {"b": {"d": 1}, "e": 0}
    assert without_empty("a") == "a"


def test_a_file_is_read_as_it_was_written() -> None:
    assert states.read("", SERVER) is None
    found = states.read(json.dumps(CONTENT), SERVER)
    assert found is not None
    assert found.to_json() == CONTENT
    assert states.read(CONTENT, SERVER) == found
    assert states.cluster_of(SERVER) == CONTENT["cluster"]
    older = {name: value for name, value in CONTENT.items() if name != "keeps_alias"}
    assert states.read(older, SERVER) == found
    assert states.cluster_of({}) == {"name": None, "uuid": None}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"what": "x"}, "not a file that this role has written"),
        *(
            ({name: value}, "not a file that this role has written")
            for name, value in (
                ("old", None),
                ("old", [{"deployment_id": "o"}]),
                ("old", ["o"]),
                ("new", {}),
                ("new", {"deployment_id": 7, "model_id": "m"}),
                ("phase", "done"),
            )
        ),
        ({"format": 2}, "format 2, and this version of the collection reads format 1"),
        ({"cluster": {"name": "far", "uuid": "v"}}, "state_file is of another cluster ('far')."),
        ({"cluster": {"name": "far", "uuid": None}}, "state_file does not say of which cluster it is."),
        ({"keeps_alias": "yes"}, "not a file that this role has written"),
    ],
)
def test_a_wrong_file_is_refused(change: Json, text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        states.read(json.dumps({**CONTENT, **change}), SERVER)
    assert text in str(refusal.value)


def test_the_uuid_decides_about_the_cluster() -> None:
    assert states.read({**CONTENT, "cluster": {"name": "renamed", "uuid": "u"}}, SERVER)
    assert states.read({**CONTENT, "cluster": {"name": None, "uuid": None}}, {})


@pytest.mark.parametrize("file", ["/f", ""])
def test_a_file_needs_the_uuid(file: str) -> None:
    seen = {
        "deployments": {"deployments": [], "as_list": [], "server": {**SERVER, "cluster_uuid": ""}},
        "models": {"models": [{"model_id": "m", "model_aliases": []}]},
        "now": "",
    }
    new = {"deployment_id": "n", "model_id": "m"}
    found = plan({"model_alias": "a", "new": new, "state_file": file}, seen)
    assert ("The uuid of the cluster cannot be read" in " ".join(found["refused"])) is bool(file)
    back = plan({"action": "rollback", "state_file": "/f"}, seen)["refused"]
    assert back[0].endswith("Grant the cluster privilege monitor.")


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_a_file_that_is_no_json_object(text: str) -> None:
    with pytest.raises(Refusal, match="not a file that this role has written"):
        states.read(text, SERVER)
