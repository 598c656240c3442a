# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test secrets in results of the in-process path."""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.masking import KEYS, mask_secrets
from support.documents import MODULES, block
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]


@pytest.mark.parametrize(
    "secret", ["canary-1", 'with "quotes" and \\', "nördlich\t\N{SNOWMAN}\N{PILE OF POO}", "31415926"]
)
@pytest.mark.parametrize("around", ["{}", "before {} after", "a\n{}"])
def test_a_secret_is_found_wherever_it_is(secret: str, around: str) -> None:
    text = around.format(secret)
    masked = mask_secrets({"changed": True, "msg": text, "items": [{"deep": [text]}], "other": 1}, {secret})
    assert secret not in str(masked)
    assert masked["changed"] is True
    assert masked["other"] == 1


def test_a_number_that_is_a_secret_is_masked() -> None:
    assert mask_secrets({"changed": False, "count": 31415926}, {"31415926"})["count"] != 31415926


def test_without_a_secret_in_it_a_result_stays_as_it_is() -> None:
    result: dict[str, t.Any] = {"changed": False, "deployments": [{"deployment_id": "a"}]}
    assert mask_secrets(result, {"canary-1"}) is result
    assert mask_secrets(result, set()) is result


@pytest.mark.parametrize("way", ["routing_table", "diff", "ansible_facts"])
def test_a_secret_in_a_key_is_masked(way: str) -> None:
    masked = mask_secrets({"changed": True, way: {"ApiKey canary-1": {"deep": [{"canary-1": 1}]}}}, {"canary-1"})
    assert "canary-1" not in str(masked)
    assert masked[way].keys() == {"ApiKey ********"}


def test_our_own_keys_stay_whatever_a_secret_is() -> None:
    with Emulator("9.5.3") as emulator:
        results = [
            emulator.run(model_id="m", number_of_allocations=2),
            emulator.info(),
            emulator.run_many([{"model_id": "m"}]),
        ]
        results.append(emulator.run(model_id="nope"))
        asleep = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 2}
        results.append(emulator.run_many([{"model_id": "m", "adaptive_allocations": asleep}]))
        results.append(emulator.run(model_id="m", state="restarted", finish_pending_work=True))
        results.append(emulator.run(model_id="m", adaptive_allocations={"enabled": False}, check_mode=True))
    ids = {"id-n1", "id-n2", "m", "elasticsearch_ml_deployments"}
    assert set(itertools.chain(*map(keys, results))) - ids <= KEYS
    documented = [block(module, "RETURN") for module in MODULES]
    assert set(itertools.chain(*map(named, documented))) - {"elasticsearch_ml_deployments"} <= KEYS
    for result in results:
        assert list(keys(mask_secrets(result, KEYS, {"elasticsearch_ml_deployments"}))) == list(keys(result))


def test_the_name_of_a_fact_stays() -> None:
    masked = mask_secrets(
        {"msg": "swordfish", "ansible_facts": {"swordfish": {"swordfish-1": {}}}}, {"swordfish"}, {"swordfish"}
    )
    assert masked["ansible_facts"] == {"swordfish": {"********-1": {}}}


def keys(value: t.Any) -> Iterator[str]:
    """Yield every key in *value*."""
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(item)


def named(documented: Json) -> Iterator[str]:
    for name, described in documented.items():
        yield name
        yield from named(described.get("contains") or {})


def test_what_is_true_is_no_secret() -> None:
    assert mask_secrets({"changed": True, "failed": False, "msg": "True"}, {"True"})["changed"] is True
