# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in results of the in-process path."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import masking


@pytest.mark.parametrize(
    "secret", ["canary-1", 'with "quotes" and \\', "nördlich\t\N{SNOWMAN}\N{PILE OF POO}", "31415926"]
)
@pytest.mark.parametrize("around", ["{}", "before {} after", "a\n{}"])
def test_a_secret_is_found_wherever_it_is(secret: str, around: str) -> None:
    text = around.format(secret)
    masked = masking({"changed": True, "msg": text, "items": [{"deep": [text]}], "other": 1}, {secret})
    assert secret not in str(masked)
    assert masked["changed"] is True
    assert masked["other"] == 1


def test_a_number_that_is_a_secret_is_masked() -> None:
    assert masking({"changed": False, "count": 31415926}, {"31415926"})["count"] != 31415926


def test_without_a_secret_in_it_a_result_stays_as_it_is() -> None:
    result: dict[str, t.Any] = {"changed": False, "deployments": [{"deployment_id": "a"}]}
    assert masking(result, {"canary-1"}) is result
    assert masking(result, set()) is result


def test_what_is_true_is_no_secret() -> None:
    assert masking({"changed": True, "failed": False, "msg": "True"}, {"True"})["changed"] is True
