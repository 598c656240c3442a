# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the judgement of a watch."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._watch.judge import Watched, ended, too_many
from ansible_collections.mlops.elasticsearch.plugins.module_utils._watch.records import (
    Counts,
    Desired,
    Existing,
    Process,
    Seen,
)

ALLOW = {"rejected": 0, "timed_out": 0, "failed": 0}


def seen(**processes: tuple[int, int]) -> Seen:
    """Return deployment d with processes by node: their start, and the inferences that failed."""
    found = {node: Process(start, Counts(failed=failed)) for node, (start, failed) in processes.items()}
    return Seen("d", "m", "started", None, found)


def watched(*reads: Seen) -> Watched:
    first, *others = reads
    found = Watched.begun(first)
    for each in others:
        found = found.then(each)
    return found


@pytest.mark.parametrize(
    ("reads", "risen"),
    [
        ([seen(a=(1, 5))], 0),
        ([seen(a=(1, 5)), seen(a=(1, 7))], 2),
        ([seen(a=(1, 5)), seen(a=(2, 3))], 3),
        ([seen(a=(1, 5)), seen(a=(2, 8))], 8),
        # A counter that falls belongs to another process, whatever its start says.
        ([seen(a=(1, 5)), seen(a=(1, 4))], 4),
        ([seen(a=(1, 5)), seen(a=(1, 5), b=(9, 2))], 2),
        # A node that is away for one read has counted nothing more than before.
        ([seen(a=(1, 5), b=(1, 9)), seen(a=(1, 5)), seen(a=(1, 6), b=(1, 9))], 1),
        ([seen(a=(1, 5)), seen(), seen(a=(2, 1)), seen(a=(2, 2))], 2),
    ],
)
def test_what_has_risen(reads: list[Seen], risen: int) -> None:
    found = watched(*reads)
    assert found.risen.failed == risen
    assert (found.first, found.last) == (reads[0], reads[-1])


def test_all_that_went_wrong_is_said_at_once() -> None:
    first = Seen("d", "m", processes={"a": Process(1, Counts())})
    more = Seen("d", "m", processes={"a": Process(1, Counts(9, 4, 0, 2))})
    found = {name: watched(first, more) for name in ("d", "e")}
    failure = too_many(found, Desired(("d", "e"), 60, 5, {**ALLOW, "failed": 3}), 12.5)
    assert failure is not None
    assert str(failure) == (
        "Inferences have had no answer within 12.5 seconds: rejected 4 of 'd', 4 of 'e', allowed 0; failed 2 of 'd', "
        "2 of 'e', allowed 3. Rejected means that the queue of a node was full. Failed means that the model could not "
        "infer, or that its process ended; the log of the node says why."
    )
    assert too_many(found, Desired(("d", "e"), 60, 5, {**ALLOW, "rejected": 8, "failed": 4}), 1) is None


@pytest.mark.parametrize(
    ("there", "code", "text"),
    [
        ({}, "conflict", "Deployment 'd' is gone: it was stopped while it was watched."),
        (
            {"d": Seen("d", "m", "stopping", "client API call")},
            "conflict",
            "Deployment 'd' is being stopped: client API call.",
        ),
        ({"d": Seen("d", "m", "stopping")}, "conflict", "Deployment 'd' is being stopped."),
        (
            {"d": Seen("d", "m", "failed", "All node routes are failed.")},
            "deployment_failed",
            "Deployment 'd' has failed on all its nodes: All node routes are failed.",
        ),
    ],
)
def test_what_ends_a_watch(there: dict[str, Seen], code: str, text: str) -> None:
    failure = ended(["d"], Existing(there, ()))
    assert failure is not None
    assert (failure.code, str(failure)) == (code, text)


@pytest.mark.parametrize("state", ["started", "starting", None])
def test_what_does_not(state: t.Any) -> None:
    assert ended(["d"], Existing({"d": Seen("d", "m", state)}, ())) is None
