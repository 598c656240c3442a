# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test which options of a model go together."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.options import SPEC, desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.records import Desired

Json = dict[str, t.Any]
FILES: Json = {"config": {"a": 1}, "definition": "m.pt"}
SUM = "0123456789abcdef" * 4


def of(**given: t.Any) -> Desired:
    checked = ArgumentSpecValidator(**SPEC.to_kwargs()).validate({"hosts": ["http://x:9200"], **given})
    assert not checked.error_messages, checked.error_messages
    return desired(checked.validated_parameters)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model_id": "A"}, "is not an id for a model"),
        ({"model_id": "x" * 65}, "is not an id for a model"),
        ({"model_id": "a/b"}, "is not the id of one deployment or model"),
        ({"model_id": "own"}, "has neither config nor definition"),
        ({"model_id": "own", "vocabulary": "v"}, "vocabulary is given without config and definition"),
        ({"model_id": "own", "config": {"a": 1}, "checksum": SUM}, "config and checksum are given without definition"),
        ({"model_id": "own", **FILES, "config": ["a"]}, "config is neither a dictionary nor a path"),
        ({"model_id": "own", **FILES, "checksum": "abc"}, "checksum is not a SHA-256 checksum"),
        ({"model_id": "own", **FILES, "upload_concurrency": 0}, "upload_concurrency must be between 1 and"),
        ({"model_id": "own", **FILES, "upload_part_size": "big"}, "upload_part_size is not a size"),
        ({"model_id": "own", **FILES, "variant": "linux-x86_64"}, "variant is given, and model 'own' is uploaded"),
        ({"model_id": "own", **FILES, "check_mirror": True}, "check_mirror is given, and model 'own' is uploaded"),
        ({"model_id": ".own", **FILES}, "takes no config or definition"),
        ({"model_id": ".rerank-v1", "variant": "linux-x86_64"}, "'.rerank-v1' has no variant linux-x86_64"),
        ({"model_id": ".elser_model_2_linux-x86_64", "variant": "platform_agnostic"}, "names the variant linux-x86_64"),
        ({"model_id": "own", **FILES, "wait_sleep": "0"}, "wait_sleep"),
    ],
)
def test_what_is_refused(given: Json, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        of(**given)


def test_an_upload() -> None:
    found = of(
        model_id="own", **FILES, checksum=SUM.upper(), upload_part_size="1mb", upload_journal="j", on_referenced="force"
    )
    assert found.files is not None
    assert (found.files.checksum, found.files.part_size, found.files.journal) == (f"sha256:{SUM}", 1 << 20, "j")
    assert (found.may_break, found.is_packaged, found.wait.wait) == (True, False, True)


def test_a_deletion_needs_an_id_alone() -> None:
    found = of(model_id="Old Model".replace(" ", ""), state="absent", force=True, config={"a": 1})
    assert (found.files, found.may_break, found.wait.wait) == (None, True, False)
    assert not of(model_id="x", state="absent", on_referenced="force").may_break


def test_a_package() -> None:
    assert of(model_id=".elser_model_2", variant="linux-x86_64").is_packaged
    assert of(model_id=".later_model", variant="linux-x86_64").is_packaged
