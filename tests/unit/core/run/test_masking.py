# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test secrets in results of the in-process path."""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.masking import (
    KEYS,
    mask_secrets,
    mask_text,
    register,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.result import Outcome
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.warning import WarningText
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.predictions import KINDS
from support.documents import MODULES, block
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]


def masked(result: Json, texts: t.Collection[str], names: t.Collection[str] = ()) -> Json:
    return mask_secrets(Outcome(result), texts, names).result


@pytest.mark.parametrize(
    "secret", ["canary-1", 'with "quotes" and \\', "nördlich\t\N{SNOWMAN}\N{PILE OF POO}", "31415926"]
)
@pytest.mark.parametrize("around", ["{}", "before {} after", "a\n{}"])
def test_a_secret_is_found_wherever_it_is(secret: str, around: str) -> None:
    text = around.format(secret)
    result = masked({"changed": True, "msg": text, "items": [{"deep": [text]}], "other": 1}, {secret})
    assert secret not in str(result)
    assert result["changed"] is True
    assert result["other"] == 1


def test_a_number_that_is_a_secret_is_masked() -> None:
    assert masked({"changed": False, "count": 31415926}, {"31415926"})["count"] != 31415926


def test_without_a_secret_in_it_a_result_stays_as_it_is() -> None:
    result: dict[str, t.Any] = {"changed": False, "deployments": [{"deployment_id": "a"}]}
    assert masked(result, {"canary-1"}) is result
    assert masked(result, set()) is result


@pytest.mark.parametrize(
    ("result", "counted"),
    [
        ({"deployment_id": "elastic__a", "model_id": "elastic__a", "path": "/elastic__a"}, "2 ids or other values are"),
        ({"ansible_facts": {"f": {"elastic__a": {}}}}, "1 id or other value is"),
        ({"used_by": {"model_aliases": ["elastic__a"]}}, "1 id or other value is"),
        ({"msg": "elastic", "details": ["elastic"], "deployments": [{"reason": "elastic"}]}, ""),
    ],
)
def test_ids_that_are_masked_are_said(result: Json, counted: str) -> None:
    said = WarningText("Deployment 'elastic__a' is starting.")
    outcome = mask_secrets(Outcome({"changed": False, **result}, (said,)), {"elastic"})
    assert "elastic" not in str(outcome)
    assert outcome.warnings[0] == "Deployment '********__a' is starting."
    assert len(outcome.warnings) == 1 + bool(counted)
    assert not counted or f"A credential occurs in the result: {counted} masked" in outcome.warnings[1]


def test_no_secret_is_masked_in_part() -> None:
    assert mask_text("abcd-1234 abcd", {"abcd", "abcd-1234", ""}) == "******** ********"
    assert mask_text("as it is", set()) == "as it is"


def test_only_long_secrets_are_registered() -> None:
    registered: list[str] = []
    register(["elastic", "changeme", "long-enough"], registered.extend)
    assert registered == ["changeme", "long-enough"]
    register(["changeme"], None)


@pytest.mark.parametrize("way", ["routing_table", "diff", "ansible_facts"])
def test_a_secret_in_a_key_is_masked(way: str) -> None:
    result = masked({"changed": True, way: {"ApiKey canary-1": {"deep": [{"canary-1": 1}]}}}, {"canary-1"})
    assert "canary-1" not in str(result)
    assert result[way].keys() == {"ApiKey ********"}


def test_our_own_keys_stay_whatever_a_secret_is() -> None:
    with Emulator("9.5.3") as emulator:
        results = [
            emulator.run(model_id="m", number_of_allocations=2),
            emulator.info(),
            emulator.run_many([{"model_id": "m"}]),
            emulator.run_alias(model_alias="a", model_id="m"),
            emulator.run_alias(model_alias="a", model_id="other", reassign=True),
            emulator.run_model(model_id=".rerank-v1", wait=False),
            emulator.run_model(model_id="m", state="absent"),
            emulator.run_endpoint(inference_id="a", state="absent"),
        ]
        results.append(emulator.run(model_id="nope"))
        asleep = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 2}
        results.append(emulator.run_many([{"model_id": "m", "adaptive_allocations": asleep}]))
        results.append(emulator.run(model_id="m", state="restarted", finish_pending_work=True))
        results.append(emulator.run(model_id="m", adaptive_allocations={"enabled": False}, check_mode=True))
    facts = {f"elasticsearch_ml_{kind}" for kind in KINDS}
    ids = {"id-n1", "id-n2", "m", "a", "other", ".rerank-v1", *facts}
    assert set(itertools.chain(*map(keys, results))) - ids <= KEYS
    documented = [block(module, "RETURN") for module in MODULES]
    assert set(itertools.chain(*map(named, documented))) - facts <= KEYS
    for result in results:
        assert list(keys(masked(result, KEYS, facts))) == list(keys(result))


def test_the_name_of_a_fact_stays() -> None:
    result = masked(
        {"msg": "swordfish", "ansible_facts": {"swordfish": {"swordfish-1": {}}}}, {"swordfish"}, {"swordfish"}
    )
    assert result["ansible_facts"] == {"swordfish": {"********-1": {}}}


def keys(value: t.Any) -> Iterator[str]:
    """Yield every key in *value*, but for those of the configuration of a model, which are Elasticsearch's."""
    if isinstance(value, dict):
        value = {name: {} if name == "config" else inner for name, inner in value.items()}
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(item)


def named(documented: Json) -> Iterator[str]:
    for name, described in documented.items():
        yield name
        yield from named(described.get("contains") or {})


def test_what_is_true_is_no_secret() -> None:
    assert masked({"changed": True, "failed": False, "msg": "True"}, {"True"})["changed"] is True
