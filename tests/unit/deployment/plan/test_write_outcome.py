# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what messages say of the writes of a plan."""

from __future__ import annotations

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.write_outcome import describe_writes
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.step import StepKind


@pytest.mark.parametrize(
    ("accepted", "unsent", "said"),
    [
        (["update"], [], "The update was accepted."),
        (["stop"], ["start"], "The stop was accepted. The start was not sent."),
        (["stop", "start"], [], "The stop and the start were accepted."),
        (["update"], ["stop", "start"], "The update was accepted. The stop and the start were not sent."),
        ([], ["stop", "start"], "Nothing was sent."),
    ],
)
def test_writes_in_words(accepted: list[StepKind], unsent: list[StepKind], said: str) -> None:
    assert describe_writes(accepted, unsent, any_sent=bool(accepted)) == said


def test_a_write_that_was_sent_and_not_accepted_is_left_to_its_error() -> None:
    assert describe_writes([], ["start"], any_sent=True) == ""
