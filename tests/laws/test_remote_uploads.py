# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that a model which is complete has the definition of its checksum, whatever file a URL had while it was sent.

A task dies after any part, and the next one goes on with the same file, with another one, or from another place.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import random
import typing as t
import zlib
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.fingerprint import BLOCK
from support import model_files
from support.file_server import serving_file
from support.model_runs import Json, Slow, code
from support.random_search import has_turn

PART = BLOCK // 4
RIGHT = random.Random(2).randbytes(BLOCK + 1000)
WRONG = RIGHT[::-1]
"""Another file, which shows only in its second block."""
CHECKSUM = hashlib.sha256(RIGHT).hexdigest()
PARTS = 5
PREDICTED = ("changed", "operation", "diff", "before", "after", "api_calls", "failure", "differences")


class Origin(t.NamedTuple):
    """The origin of a definition. ``etag``: ``None`` for a path. ``given``: whether it has a checksum."""

    content: bytes = RIGHT
    etag: str | None = None
    given: bool = True

    @property
    def is_streamed(self) -> bool:
        """Return whether it is not read before it is sent."""
        return bool(self.etag) and self.given


ORIGINS = {
    "path": Origin(),
    "url": Origin(etag='"1"'),
    "url, no checksum": Origin(etag='"1"', given=False),
    "url, another name": Origin(etag='"2"'),
    "url, no name": Origin(etag=""),
    "another file": Origin(WRONG, '"3"'),
    "another file, no name": Origin(WRONG, ""),
}


@pytest.fixture
def own(tmp_path: Path) -> Json:
    """Return the options of a task that uploads a small model."""
    model_files.write(tmp_path)
    (tmp_path / "model.pt").write_bytes(RIGHT)
    files = {"config": "config.json", "vocabulary": "vocabulary.json", "definition": "model.pt"}
    return {
        "model_id": "own",
        "upload_part_size": f"{PART}b",
        **{name: str(tmp_path / file) for name, file in files.items()},
    }


@contextlib.contextmanager
def options_of(origin: Origin, own: Json, **options: t.Any) -> t.Iterator[Json]:
    """Return the options of a task with that definition."""
    given = {**own, "upload_concurrency": 1, **({"checksum": CHECKSUM} if origin.given else {}), **options}
    if origin.etag is None:
        yield given
        return
    with serving_file(origin.content, etag=origin.etag) as server:
        yield {**given, "definition": server.url}


def parts_of(content: bytes) -> dict[str, int]:
    """Return the checksum of each part as the emulator keeps it."""
    texts = (base64.b64encode(content[part * PART : (part + 1) * PART]) for part in range(PARTS))
    return {str(number): zlib.crc32(text) for number, text in enumerate(texts)}


def kept(emulator: Slow) -> dict[str, int]:
    """Return the checksum of each part that Elasticsearch has."""
    upload = emulator.control("GET", "/uploads").get("own") or {"parts": {}}
    return {number: part["crc32"] for number, part in upload["parts"].items()}


def run(emulator: Slow, origin: Origin, own: Json, **options: t.Any) -> Json:
    """Run a task in check mode and for real: check mode says the same, unless a wrong file shows only at its end."""
    with options_of(origin, own, **options) as given:
        predicted, happened = emulator.run_model(True, **given), emulator.run_model(**given)
    if not (origin.is_streamed and origin.content == WRONG):
        assert {key: predicted[key] for key in PREDICTED} == {key: happened[key] for key in PREDICTED}
    return happened


@pytest.mark.parametrize("then", ORIGINS)
@pytest.mark.parametrize("first", ORIGINS)
def test_a_task_goes_on_only_with_what_is_known_to_be_the_same_file(
    own: Json, tmp_path: Path, first: str, then: str
) -> None:
    began, goes_on = ORIGINS[first], ORIGINS[then]
    pair = sum(map(list(ORIGINS).index, (first, then)))
    for survived, journal in ((0, {}), (1, {"upload_journal": str(tmp_path / "journal")})):
        if not has_turn(pair + survived, 2):
            continue
        with Slow() as emulator, options_of(began, own, **journal) as options:
            with emulator.kill(survived, sent=True, what="/definition/"):
                emulator.run_model(**options)
            began_right = began.content == RIGHT or began.is_streamed
            assert len(kept(emulator)) == (survived + 1 if began_right else 0)
            result = run(emulator, goes_on, own, **journal)
            same_file = not began.is_streamed or (goes_on.is_streamed and began.etag == goes_on.etag)
            if goes_on.content == RIGHT and (same_file or not kept(emulator)):
                assert (code(result), kept(emulator)) == (None, parts_of(RIGHT))
            elif not began.is_streamed or same_file or goes_on == ORIGINS["another file, no name"]:
                assert code(result) == "wrong_checksum"
            else:
                assert (code(result), result["changed"]) == ("model_differs", False)
                assert kept(emulator).items() <= parts_of(began.content).items()
            emulator.pass_time()  # no journal is that of two models
            last = run(emulator, ORIGINS["url"], own, replace="recreate", **journal)
            assert (code(last), kept(emulator)) == (None, parts_of(RIGHT))


@contextlib.contextmanager
def before_creation(emulator: Slow, act: t.Callable[[], object]) -> t.Iterator[None]:
    """Let *act* happen when the task has planned, right before it creates the model."""
    request, acts = emulator._inner.request, iter([act])

    def late(method: str, target: str, *arguments: t.Any) -> t.Any:
        if (method, target) == ("PUT", "/_ml/trained_models/own"):
            next(acts, lambda: None)()
        return request(method, target, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator._inner, "request", late)
        yield


@pytest.mark.parametrize("replace", ["never", "recreate"])
@pytest.mark.parametrize("theirs", ["path", "url", "url, another name", "another file", "other model"])
@pytest.mark.parametrize("mine", ["path", "url", "other model"])
def test_of_two_tasks_the_one_that_creates_the_model_decides(
    own: Json, tmp_path: Path, mine: str, theirs: str, replace: str
) -> None:
    (tmp_path / "other.pt").write_bytes(WRONG)
    other_model = {**own, "definition": str(tmp_path / "other.pt"), "upload_concurrency": 1}

    def upload(emulator: Slow, name: str, **options: t.Any) -> Json:
        with options_of(ORIGINS.get(name, Origin(given=False)), other_model if name not in ORIGINS else own) as given:
            return emulator.run_model(**given, **options)

    with Slow() as emulator:
        found: list[dict[str, int]] = []

        def act() -> None:
            with emulator.kill(1, sent=True, what="/definition/"):
                upload(emulator, theirs)
            found.append(kept(emulator))

        with before_creation(emulator, act):
            result = upload(emulator, mine, replace=replace)
        assert len(found[0]) == 2
        if mine == theirs:
            assert (code(result), kept(emulator)) == (None, parts_of(WRONG if mine == "other model" else RIGHT))
        else:
            why = "conflict" if replace == "recreate" else "model_differs"
            assert (code(result), kept(emulator)) == (why, found[0])
