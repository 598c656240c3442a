# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test reads of statistics and models, and deletion (server-behaviour.md 1.4 and 1.5)."""

from __future__ import annotations

import pytest

from emulator_tests.api import Api

MODELS = "/_ml/trained_models"


@pytest.fixture
def api() -> Api:
    """Start two deployments of ``m``; ``other`` is idle."""
    found = Api()
    found.started("d1")
    found.started("d2")
    return found


# --- statistics ---


def test_parameters_of_stats(api: Api) -> None:
    """Test server-behaviour.md 1.4: which are read, and their defaults."""
    path = f"{MODELS}/_stats"
    plain = api.send("GET", path).body
    spelled = api.send("GET", path, None, allow_no_match="true", size=100, **{"from": 0}).body
    assert [row["model_id"] for row in plain["trained_model_stats"]] == ["m", "m", "other"]
    assert (plain["count"], len(plain["trained_model_stats"])) == (spelled["count"], 3)
    assert api.send("GET", path, None, tags="x").status == 400
    assert api.send("GET", f"{MODELS}/x*/_stats", None, allow_no_match="false").status == 404
    assert api.deployment_ids("*", size=1) == ["d1", "d2"]
    assert api.deployment_ids("*", **{"from": 1}) == ["-"]


def test_paths_of_stats(api: Api) -> None:
    """Test server-behaviour.md 1.4: models, deployments, patterns, lists."""
    assert api.deployment_ids("m") == ["d1", "d2"]
    assert api.deployment_ids("d2") == ["d2"]
    assert api.deployment_ids("d*,other") == ["d1", "d2", "-"]
    assert api.deployment_ids("ot*") == ["-"]


def test_deployment_ids_in_stats_by_version() -> None:
    """Test server-behaviour.md 1.4: a deployment id is known since 8.8."""
    newer = Api("8.8.0")
    newer.start(deployment_id="d")
    assert newer.deployment_ids("d") == ["d"]
    older = Api("8.7.1")
    older.start()
    assert older.send("GET", f"{MODELS}/d/_stats").status == 404
    assert "deployment_stats" in older.stats("m")["trained_model_stats"][0]


def test_row_of_an_idle_model(api: Api) -> None:
    """Test server-behaviour.md 1.4: a row for each pair, and one without deployment for a model that has none."""
    assert "deployment_stats" not in api.stats("other")["trained_model_stats"][0]
    assert [row["model_id"] for row in api.stats("*")["trained_model_stats"]] == ["m", "m", "other"]


def test_model_or_deployment(api: Api) -> None:
    """Test server-behaviour.md 1.4.

    A model's id gives all its rows, a deployment's its own; a model wins over a deployment.
    """
    api.started("m")
    assert sorted(api.deployment_ids("m")) == ["d1", "d2", "m"]
    assert api.deployment_ids("d1") == ["d1"]


def test_count_is_of_models(api: Api) -> None:
    """Test server-behaviour.md 1.4."""
    body = api.stats("m")
    assert (body["count"], len(body["trained_model_stats"])) == (1, 2)


def test_alias_in_stats(api: Api) -> None:
    """Test server-behaviour.md 1.4: its model's rows appear by accident."""
    api.send("PUT", f"{MODELS}/m/model_aliases/nick")
    assert api.deployment_ids("nick") == ["d1", "d2"]


@pytest.mark.parametrize("choice", ["no_known_trained_model", "could_not_find_trained_model"])
@pytest.mark.parametrize(("version", "advice"), [("8.12.2", False), ("8.13.0", True)])
def test_exact_id_that_is_missing(choice: str, version: str, advice: bool) -> None:
    """Test server-behaviour.md 1.4: 404 even with allow_no_match; the text is [U] and grew an advice with 8.13."""
    api = Api(version)
    api.emulator.control("POST", "/unknowns", {"stats_missing_text": choice})
    answer = api.send("GET", f"{MODELS}/x/_stats", None, allow_no_match="true")
    assert (answer.status, answer.type) == (404, "resource_not_found_exception")
    if choice == "could_not_find_trained_model":
        assert answer.reason == "Could not find trained model [x]"
    else:
        more = ", you may need to create it or load it into the cluster with eland" if advice else ""
        assert answer.reason == f"No known trained model with model_id [x]{more}"
    assert api.stats("x*")["trained_model_stats"] == []


# --- models ---


def test_reading_a_model(api: Api) -> None:
    """Test server-behaviour.md 1.5.

    Its parameters; its type and whether it is defined, but nothing of its deployments.
    """
    query = {"allow_no_match": "true", "decompress_definition": "true", "exclude_generated": "false", "size": 1}
    answer = api.send("GET", f"{MODELS}/m", None, tags="", include="definition_status", **query)
    assert answer.status == 200
    found = answer.body["trained_model_configs"][0]
    assert (found["model_id"], found["model_type"], found["fully_defined"]) == ("m", "pytorch", True)
    text = str(answer.body)
    assert not [word for word in ("deployment", "routing", "d1", "n1") if word in text]
    assert api.send("GET", f"{MODELS}/m", None, other="1").status == 400
    assert "fully_defined" not in api.send("GET", f"{MODELS}/m").body["trained_model_configs"][0]


def test_deletion_of_what_is_deployed() -> None:
    """Test server-behaviour.md 1.5: refused; with force the deployment of the same id is stopped first."""
    api = Api(clock="eager")
    api.started("m")
    refused = api.send("DELETE", f"{MODELS}/m")
    assert (refused.status, refused.type) == (409, "status_exception")
    assert refused.reason == "Cannot delete model [m] as it is currently deployed; use force to delete the model"
    assert api.send("DELETE", f"{MODELS}/m", None, force="true", timeout="10s").body == {"acknowledged": True}
    assert api.emulator.control("GET", "/state")["deployments"] == {}
    assert api.send("DELETE", f"{MODELS}/other").body == {"acknowledged": True}


def test_force_stops_only_the_deployment_of_the_same_id() -> None:
    """Test server-behaviour.md 1.5."""
    api = Api(clock="eager")
    api.started("d", model_id="m")
    assert api.send("DELETE", f"{MODELS}/m", None, force="true").body == {"acknowledged": True}
    assert list(api.emulator.control("GET", "/state")["deployments"]) == ["d"]
