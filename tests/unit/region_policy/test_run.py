# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the run of a task on the region policy, and its laws."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy.run import empty_result
from support.emulated_cluster import Emulator
from support.inference import refusal

Json = dict[str, t.Any]
PATH = "/_inference/_region_policy"
SAID = ("changed", "operation", "diff", "before", "after", "api_calls")
GEOS: Json = {"allowed_geos": ["eu", "us"]}
REGIONS: Json = {"allowed_regions": [{"csp": "gcp", "region": "europe-west1"}, {"csp": "aws", "region": "us-east-1"}]}
THERE: list[Json | None] = [None, GEOS, {"allowed_geos": ["us", "eu", "us"]}, REGIONS, {}]
ASKED: list[Json] = [
    {},
    GEOS,
    {"allowed_geos": ["eu"]},
    REGIONS,
    {"state": "absent"},
    {"allowed_geos": [], "state": "absent"},
]


def sent(emulator: Emulator, policy: Json, **query: str) -> int:
    """Return the status of a request that sets *policy*, by none of the collection's code."""
    return emulator.send({"method": "PUT", "path": PATH, "query": query, "body": {"region_policy": policy}})


def prepared(there: Json | None, version: str = "9.5.3", flavor: str = "default") -> Emulator:
    emulator = Emulator(version, flavor=flavor)
    if there is not None:
        assert sent(emulator, there) == 200
    emulator.forget()
    return emulator


def kept(policy: Json | None) -> Json | None:
    """Return a policy with what counts of it."""
    if policy is None:
        return None
    geos = sorted(set(policy.get("allowed_geos") or ()))
    regions = sorted((each["csp"], each["region"]) for each in policy.get("allowed_regions") or ())
    return {"geos": geos, "regions": regions}


@pytest.mark.parametrize(("there", "asked"), list(itertools.product(THERE, ASKED)))
def test_a_run_and_its_dry_run(there: Json | None, asked: Json) -> None:
    with prepared(there) as emulator:
        planned = emulator.region_policy(check_mode=True, **asked)
        assert emulator.journal() == []
        result = emulator.region_policy(**asked)
        assert [result[name] for name in SAID] == [planned[name] for name in SAID]
        desired = None if asked.get("state") == "absent" else asked or there
        assert kept(result["region_policy"]) == kept(planned["region_policy"]) == kept(desired)
        assert (result["changed"], len(emulator.journal())) == (
            kept(there) != kept(desired),
            kept(there) != kept(desired),
        )
        assert bool(planned["warnings"]) == planned["changed"]
        assert result["warnings"] == []
        again = emulator.region_policy(**asked)
        assert (again["changed"], again["api_calls"], again["region_policy"]) == (False, [], result["region_policy"])
        assert status_there(emulator) == (404 if desired is None else 200)


def status_there(emulator: Emulator) -> int:
    return emulator.send({"method": "GET", "path": PATH, "query": {}, "body": None})


def test_who_made_it_and_when() -> None:
    with prepared(None) as emulator:
        made = emulator.region_policy(**GEOS)["region_policy"]
        assert (bool(made["created_at"]), made["updated_at"]) == (True, None)
        planned = emulator.region_policy(check_mode=True, **REGIONS)["region_policy"]
        assert (planned["created_at"], planned["updated_at"]) == (made["created_at"], None)
        changed = emulator.region_policy(**REGIONS)["region_policy"]
        assert (changed["created_at"], bool(changed["updated_at"])) == (made["created_at"], True)
        assert changed["allowed_regions"][0] == {"csp": "aws", "region": "us-east-1"}


def test_force_is_sent_only_with_a_policy() -> None:
    with prepared(GEOS) as emulator:
        [call] = emulator.region_policy(force=True, **REGIONS)["api_calls"]
        assert (call["query"], call["body"]) == ({"force": "true"}, {"region_policy": call["body"]["region_policy"]})
        [call] = emulator.region_policy(force=True, state="absent")["api_calls"]
        assert call == {"method": "DELETE", "path": PATH, "query": {}, "body": None}


def test_endpoints_in_use_that_it_would_deny() -> None:
    said = "Cannot put the region policy because it would deny access to the following in-use inference endpoints: [e]."
    with prepared(None) as emulator:
        emulator.fault("any_write", refusal(409, said), path=PATH)
        result = emulator.region_policy(**GEOS)
        assert (result["failure"], result["changed"], result["api_calls"]) == (
            {"code": "region_policy_denies"},
            False,
            [],
        )
        assert said.rstrip(".") in result["msg"]
        assert result["msg"].endswith("Take these endpoints out of use first, or set force to true.")


@pytest.mark.parametrize("name", ["allowed_geos", "allowed_regions"])
def test_an_empty_list_allows_nothing(name: str) -> None:
    with prepared(GEOS) as emulator:
        nothing: Json = {name: []}
        result = emulator.region_policy(**nothing)
        assert (result["failure"], emulator.journal()) == ({"code": "invalid_value"}, [])
        assert result["msg"].startswith(f"{name} is an empty list. Give it at least one item.")


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("asked", [GEOS, {"state": "absent"}, {}])
def test_an_older_server(check_mode: bool, asked: Json) -> None:
    with Emulator("9.4.2") as emulator:
        result = emulator.region_policy(check_mode=check_mode, **asked)
        assert (result["failure"], emulator.journal()) == ({"code": "unsupported_version"}, [])
        assert result["msg"] == (
            "Elasticsearch 9.4.2 does not support a region policy of inference. This needs 9.5 or newer."
        )


def test_serverless_has_it() -> None:
    with prepared(None, flavor="serverless") as emulator:
        assert emulator.region_policy(**GEOS)["changed"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("asked", [GEOS, {"state": "absent"}])
def test_answers_that_are_lost(when: str, asked: Json) -> None:
    with prepared(REGIONS) as emulator:
        emulator.fault("any_write", {"type": "drop"}, when=when, path=PATH)
        result = emulator.region_policy(**asked)
        assert (result["failure"], result["changed"]) == (None, True)
        assert result["after"]["state"] == asked.get("state", "present")
        assert emulator.region_policy(**asked)["changed"] is False


def test_another_client_at_the_same_time() -> None:
    with prepared(GEOS) as emulator:
        conflict = refusal(409, "Failed to put region policy due to a concurrent update conflict. Please retry.")
        emulator.fault("any_write", conflict, path=PATH)
        result = emulator.region_policy(allowed_geos=["apac"])
        assert (result["failure"], result["changed"]) == ({"code": "request_rejected"}, False)
        assert "Please retry" in result["msg"]


def test_privileges() -> None:
    with prepared(None) as emulator:
        emulator.allow("monitor_ml", "monitor_inference")
        assert emulator.region_policy(check_mode=True, **GEOS)["failure"] is None
        refused = emulator.region_policy(**GEOS)
        assert refused["failure"] == {"code": "missing_privilege"}
        assert (
            "Cannot set the region policy: user 'runner' lacks the cluster privilege manage_inference."
            in refused["msg"]
        )
        assert emulator.journal() == []
        emulator.allow("monitor_ml")
        unread = emulator.region_policy(check_mode=True, **GEOS)
        assert unread["failure"] == {"code": "missing_privilege"}
        assert "monitor_inference" in unread["msg"]


def test_kills_at_each_request() -> None:
    for survived, is_sent in itertools.product(range(5), (False, True)):
        with prepared(GEOS) as emulator:
            with emulator.kill(survived, is_sent):
                emulator.region_policy(**REGIONS)
            result = emulator.region_policy(**REGIONS)
            assert (result["failure"], kept(result["region_policy"])) == (None, kept(REGIONS))
            assert len(emulator.journal()) <= 1


def test_the_same_keys_always() -> None:
    with prepared(None) as emulator:
        results = [emulator.region_policy(**GEOS), emulator.region_policy(hosts=["http://dead:9200"])]
        results.append(emulator.region_policy(allowed_geos=[]))
    keys = set(empty_result()) | {"warnings"}
    assert [set(result) - {"failed", "msg", "error"} for result in results] == [keys] * 3


def test_another_404_is_no_answer() -> None:
    with prepared(None) as emulator:
        emulator.fault("any_read", refusal(404, "no such index"), path=PATH, times=10)
        assert emulator.region_policy(**GEOS)["failure"] == {"code": "request_rejected"}
