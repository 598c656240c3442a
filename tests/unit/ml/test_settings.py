# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that each row of the table of settings is read, shown, sent, compared and kept."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import query_value
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.schema import SchemaError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api import schemas
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.requests import to_request
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.version_checks import (
    refuse_unsupported,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import ITEM
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.diff import immutable_differences
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.start_step import new_start
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.desired import Desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.recovery_record import (
    RecoveryRecord,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment, user_settings
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.settings import (
    SETTINGS,
    START_SETTINGS,
    StartSettings,
)

NEWEST, OLDEST = (Server(version, "default", "") for version in ("99.0.0", "8.0.0"))
VALUES: dict[str, tuple[t.Any, t.Any]] = {"priority": ("low", "normal"), "cache_size": ("1mb", "2mb")}
"""Two values of each setting that takes no numbers."""


def values(name: str) -> tuple[t.Any, t.Any]:
    return VALUES.get(name, (4, 2))


def stats(**settings: t.Any) -> dict[str, t.Any]:
    return {"model_id": "m", "deployment_stats": {"deployment_id": "d", "model_id": "m", **settings}}


def test_the_record_has_a_field_for_each_row() -> None:
    assert tuple(field.name for field in dataclasses.fields(StartSettings)) == START_SETTINGS


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_read_and_shown(name: str) -> None:
    value, _other = values(name)
    observed = Deployment.from_stats(stats(**{name: value}))
    assert observed.as_result()[name] == user_settings(observed)[name] == getattr(observed, name) == value
    written = Deployment.from_assignment({"task_parameters": {"model_id": "m", name: value}}, "assignment", {})
    assert getattr(written, name) == value
    with pytest.raises(SchemaError, match=rf"deployment_stats\.{name} is not"):
        schemas.STATS({"trained_model_stats": [stats(**{name: ["no value"]})]})


@pytest.mark.parametrize("name", START_SETTINGS)
def test_each_start_setting_is_an_option_that_is_sent_and_compared(name: str) -> None:
    value, other = values(name)
    desired = Desired("d", model_id="m", **{name: value})
    assert name in ITEM.argument_spec
    step, after = new_start(desired, "m")
    assert to_request(step, NEWEST, "30s").query[name] == query_value(value)
    assert getattr(after, name) == value
    [difference] = immutable_differences(desired, Deployment.from_stats(stats(**{name: other})), "m")
    assert difference.name == name


@pytest.mark.parametrize("name", [name for name in START_SETTINGS if SETTINGS[name].since])
def test_each_setting_that_came_later_is_refused_before(name: str) -> None:
    feature = SETTINGS[name].since
    assert feature is not None
    desired = Desired("m", model_id="m", **{name: values(name)[0]})
    with pytest.raises(Refusal, match=f"does not support {name}.*This needs {feature.first_version} or newer"):
        refuse_unsupported(OLDEST, desired)
    refuse_unsupported(NEWEST, desired)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_kept_in_a_recovery_record(name: str) -> None:
    def kept(value: t.Any) -> RecoveryRecord:
        texts = {"deployment_id": "d", "cluster_uuid": "", "cluster_name": "", "start_time": None}
        return RecoveryRecord.from_json(
            {"format": 1, **texts, "settings": {"model_id": "m", name: value}, "before": {"model_id": "m"}}
        )

    assert getattr(kept(values(name)[0]).deployment, name) == values(name)[0]
    for wrong in (None, ["no value"]):
        with pytest.raises(ValueError, match=f"settings.{name} has an invalid value"):
            kept(wrong)
