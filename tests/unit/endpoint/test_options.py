# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the options of an inference endpoint: what counts as given, and what is refused before the first read."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.secrets import is_secret_name, secrets
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.options import SPEC, desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.records import Desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.values import cleaned

Json = dict[str, t.Any]
KEY = "sk-0123456789"


def asked(**given: t.Any) -> Desired:
    checked = ArgumentSpecValidator(**SPEC.to_kwargs()).validate({"inference_id": "e", **given})
    assert not checked.error_messages, checked.error_messages
    return desired(checked.validated_parameters)


def refusal(**given: t.Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        asked(**given)
    assert KEY not in str(caught.value)
    return caught.value


def test_defaults() -> None:
    found = asked()
    assert found == Desired("e")
    assert (found.wait.timeout, found.wait.every, found.wait.wait) == (600, 2, True)
    gone = asked(state="absent", force=True)
    assert (gone.may_break, gone.wait.wait) == (True, False)
    assert asked(on_referenced="force").may_break
    assert not asked(force=True).may_break


def test_null_and_empty_text_are_not_given_at_any_depth() -> None:
    settings = {"a": None, "b": "", "c": {"d": None, "e": 1}, "f": [None, 1]}
    found = asked(service_settings=settings, task_settings={}, service=" ", task_type=" Text_Embedding ")
    assert found.service_settings == {"c": {"e": 1}, "f": [None, 1]}
    assert (found.service, found.task_type, found.task_settings) == (None, "text_embedding", {})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("num_allocations", "2", 2),
        ("num_allocations", 2.0, 2),
        ("num_allocations", 2.5, 2.5),
        ("num_allocations", "two", "two"),
        ("enabled", "True", True),
        ("enabled", "false", False),
        ("enabled", "no", "no"),
        ("model_id", "2", "2"),
        ("since", datetime.date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_settings_have_the_types_that_elasticsearch_takes(name: str, value: t.Any, expected: t.Any) -> None:
    assert cleaned({"deep": {name: value}}) == {"deep": {name: expected}}


@pytest.mark.parametrize("inference_id", ["a,b", "*", "_all", "a b"])
def test_an_id_is_that_of_one_endpoint(inference_id: str) -> None:
    assert refusal(inference_id=inference_id).code == "invalid_value"


def test_an_endpoint_has_an_id() -> None:
    assert refusal(inference_id="").code == "invalid_value"


# --- secrets ---


@pytest.mark.parametrize(
    "name", ["api_key", "API-Key", "my_api_key", "client_secret", "db_password", "secret_parameters", "entra_id"]
)
def test_a_secret_among_the_settings_is_refused(name: str) -> None:
    for option in ("service_settings", "task_settings"):
        assert refusal(**{option: {name: KEY}}).code == "misplaced_secret"
    found = refusal(service_settings={"deep": {name: KEY}})
    assert f"service_settings.deep has {name}" in str(found)


def test_names_of_other_settings_are_no_secrets() -> None:
    assert not any(map(is_secret_name, ("model_id", "num_threads", "keys", "secretary", "max_input_tokens")))


def test_secrets_are_texts_that_can_be_masked() -> None:
    assert asked(secrets={"api_key": KEY, "deep": {"other": KEY, "none": None}, "no": ""}).secrets == {
        "api_key": KEY,
        "deep": {"other": KEY},
    }
    assert refusal(secrets={"api_key": "short"}).code == "secret_too_short"
    assert refusal(secrets={"deep": {"api_key": 12345678}}).code == "invalid_value"
    assert refusal(secrets={"api_key": [KEY]}).code == "invalid_value"


def test_a_key_file_that_a_template_made_a_dictionary_is_sent_as_text() -> None:
    found = asked(secrets={"service_account_json": {"private_key": KEY, "type": "a"}}).secrets
    assert found == {"service_account_json": f'{{"private_key": "{KEY}", "type": "a"}}'}


def test_no_text_shows_secrets() -> None:
    assert KEY not in repr(asked(secrets={"api_key": KEY}))


def test_a_version_a_file_and_secrets_come_together() -> None:
    whole = {"secrets": {"api_key": KEY}, "secrets_version": "1", "secrets_state_file": "/tmp/versions.json"}
    assert asked(**whole).secrets_version == "1"
    for missing in (("secrets_version",), ("secrets_state_file",), ("secrets",), ("secrets", "secrets_version")):
        given = {name: value for name, value in whole.items() if name not in missing}
        assert refusal(**given).code == "incomplete_options"
        assert asked(state="absent", **given)
    assert asked(secrets={"api_key": KEY})


def test_a_version_has_no_secret() -> None:
    options = {"secrets": {"api_key": KEY}, "secrets_state_file": "/tmp/versions.json"}
    assert refusal(**options, secrets_version=f"1-{KEY}").code == "misplaced_secret"


def test_a_setting_is_given_once() -> None:
    assert refusal(service_settings={"token": "a"}, secrets={"token": KEY}).code == "conflicting_options"
    assert asked(service_settings={"deep": {"a": 1}}, secrets={"deep": {"token": KEY}})


def test_every_form_of_a_secret_is_known() -> None:
    inner = '{"private_key": "-----BEGIN 1234-----", "type": "service_account"}'
    found = secrets(
        {"secrets": {"deep": {"api_key": KEY}, "file": inner, "list": [KEY[::-1]], "no": None, "yes": True}}
    )
    assert {KEY, KEY[::-1], inner, "-----BEGIN 1234-----"} <= found
    assert "service_account" not in found
    assert KEY in secrets({"service_settings": {"deep": {"api_key": KEY}, "model_id": "visible-model"}})
    assert "visible-model" not in secrets({"service_settings": {"model_id": "visible-model"}})
    assert "{not json}" in secrets({"secrets": {"a": "{not json}"}})
