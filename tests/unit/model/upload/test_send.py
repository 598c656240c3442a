# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that parts are sent at once and the last one alone, and what happens if one has no answer or is refused."""

from __future__ import annotations

import collections
import threading
import typing as t
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import (
    ApiError,
    ErrorKind,
    NotReached,
    Refusal,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.limits import PAUSES, Limits
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.parts import Parts
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.send import Sent, send_parts

PARTS = Parts(95, 10)
THERE = "Trained machine learning model chunked doc [m][{}] already exists"


class Source:
    """A file in memory. ``fail_at``: the part before which it cannot be read any more."""

    place = "model.pt"
    size = PARTS.size
    unproven_revision = ""

    def __init__(self, fail_at: int | None = None, changed: bool = False) -> None:
        self.handed_out: list[int] = []
        self._fail_at = fail_at
        self._changed = changed

    def checksum(self) -> str:
        return ""

    def parts(self, part_size: int, numbers: t.Iterable[int]) -> Iterator[tuple[int, bytes]]:
        for number in numbers:
            if number == self._fail_at:
                raise Refusal("file_changed", "The file was changed")
            self.handed_out.append(number)
            yield number, bytes([number]) * PARTS.length(number)

    def unchanged(self) -> None:
        if self._changed:
            raise Refusal("file_changed", "The file was changed")

    def close(self) -> None: ...


class Server:
    """Elasticsearch, which keeps each part once. ``errors``: of the next tries to send a part; *lost* ones are kept."""

    def __init__(self, errors: dict[int, list[ApiError]] | None = None, lost: bool = False) -> None:
        self.kept: dict[int, bytes] = {}
        self.tries: list[int] = []
        self.most_at_once = 0
        self.when_last_came: set[int] = set()
        self._errors = collections.defaultdict(list, errors or {})
        self._lost = lost
        self._now = 0
        self._lock = threading.Lock()
        self.meet: Callable[[int], object] = lambda number: None

    def put(self, number: int, content: bytes) -> None:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            self.meet(number)
            with self._lock:
                self._take(number, content)
        finally:
            with self._lock:
                self._now -= 1

    def _take(self, number: int, content: bytes) -> None:
        self.tries.append(number)
        if number == PARTS.last and not self.when_last_came:
            self.when_last_came = set(self.kept)
        error = self._errors[number].pop(0) if self._errors[number] else None
        if error and not self._lost:
            raise error
        if number in self.kept:
            raise ApiError("server", "Cannot send", status=400, reason=THERE.format(number))
        self.kept[number] = content
        if error:
            raise error


def error(kind: ErrorKind, status: int | None = None) -> ApiError:
    return ApiError(kind, "Cannot send a part: it failed.", status=status)


def limits(pauses: list[float] | None = None, left: Callable[[], float] = lambda: 1000.0) -> Limits:
    return Limits(left, (pauses if pauses is not None else []).append)


def send(server: Server, source: Source | None = None, **arguments: t.Any) -> Sent:
    arguments.setdefault("limits", limits())
    return send_parts(server.put, source or Source(), PARTS, **arguments)


def whole(server: Server) -> bool:
    return server.kept == {number: bytes([number]) * PARTS.length(number) for number in range(10)}


@pytest.mark.parametrize("concurrency", [1, 2, 4, 10, 30])
def test_all_parts_arrive_and_the_last_one_last(concurrency: int) -> None:
    server = Server()
    noted: list[int] = []
    shown: list[Sent] = []
    found = send(server, concurrency=concurrency, note=noted.append, progress=shown.append)
    assert found == Sent(10, 95, 0) == shown[-1]
    assert whole(server)
    assert server.when_last_came == set(range(9))
    assert sorted(noted) == list(range(10))
    assert noted[-1] == 9
    assert [sent.parts for sent in shown] == list(range(1, 11))
    assert server.most_at_once <= concurrency


def test_several_are_under_way_at_once() -> None:
    server, three = Server(), threading.Barrier(3)
    server.meet = lambda number: number == PARTS.last or three.wait(10)
    send(server, concurrency=3)
    assert server.most_at_once == 3


def test_memory_holds_no_more_than_is_under_way() -> None:
    source, server, most = Source(), Server(), []
    server.meet = lambda number: most.append(len(source.handed_out) - len(server.kept))
    send(server, source, concurrency=2)
    assert max(most) <= 4


def test_threads_end_with_the_upload() -> None:
    before = threading.active_count()
    send(Server(), concurrency=4)
    with pytest.raises(ApiError):
        send(Server({3: [error("privilege", 403)]}), concurrency=4)
    assert threading.active_count() == before


def test_parts_that_are_done_are_not_sent() -> None:
    server, source = Server(), Source()
    assert send(server, source, done={0, 4, 7, 99, -1}) == Sent(7, 65, 0)
    assert sorted(server.tries) == source.handed_out == [1, 2, 3, 5, 6, 8, 9]


def test_nothing_follows_the_last_part() -> None:
    server = Server()
    assert send(server, done={1, PARTS.last}) == Sent()
    assert server.tries == []


def test_parts_that_are_there_are_done() -> None:
    server = Server()
    server.kept = {2: bytes([2]) * 10, 5: bytes([5]) * 10}
    assert send(server) == Sent(10, 95, 2)
    assert whole(server)


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize(
    "failed",
    [error("connection"), error("timeout"), error("unavailable", 503), error("answer", 200), error("server", 408)],
    ids=lambda failed: f"{failed.kind}-{failed.status}",
)
def test_a_part_without_an_answer_is_sent_again(number: int, lost: bool, failed: ApiError) -> None:
    server = Server({number: [failed, failed]}, lost)
    pauses: list[float] = []
    assert send(server, limits=limits(pauses)).parts == 10
    assert whole(server)
    assert server.when_last_came == set(range(9))
    assert pauses == ([1.0] if lost and number == PARTS.last else [1.0, 2.0])[: len(pauses)]


@pytest.mark.parametrize("number", [0, 4, 9])
def test_a_part_that_never_gets_through(number: int) -> None:
    pauses: list[float] = []
    noted: list[int] = []
    server = Server({number: [error("connection")] * 20})
    with pytest.raises(
        ApiError, match=r"\d+ of 10 parts of the definition are missing. Run the task again: it goes on.$"
    ) as failed:
        send(server, limits=limits(pauses), note=noted.append, concurrency=2)
    assert tuple(pauses) == PAUSES
    assert set(noted) == set(server.kept)
    assert f" {10 - len(noted)} of 10 parts" in str(failed.value)
    assert PARTS.last not in server.kept


@pytest.mark.parametrize(
    ("kind", "status"), [("privilege", 403), ("upgrade_mode", 429), ("server", 400), ("server", 404), ("server", 500)]
)
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_part_that_is_refused_ends_the_upload(kind: ErrorKind, status: int, concurrency: int) -> None:
    server = Server({4: [error(kind, status)]})
    noted: list[int] = []
    with pytest.raises(ApiError, match="parts of the definition are missing.$") as failed:
        send(server, concurrency=concurrency, note=noted.append)
    assert (failed.value.kind, failed.value.status) == (kind, status)
    assert set(noted) == set(server.kept) == set(server.tries) - {4}
    assert max(server.tries) < 4 + concurrency


def test_a_proxy_that_limits_requests_is_a_matter_of_their_size() -> None:
    with pytest.raises(ApiError, match=r"Set upload_part_size to less than 10b\. 10 of 10 parts"):
        send(Server({0: [error("server", 413)]}), concurrency=1)


def test_other_threads_try_nothing_again_after_a_failure() -> None:
    server = Server({1: [error("connection")] * 20, 2: [error("privilege", 403)]})
    first_failed = threading.Event()
    server.meet = lambda number: number != 2 or first_failed.wait(10)

    def pause(_seconds: float) -> None:
        """Wait until the other part was refused, and a moment more for its thread to say so."""
        first_failed.set()
        while 2 not in server.tries:
            threading.Event().wait(0.01)
        threading.Event().wait(0.1)

    with pytest.raises(ApiError, match="it failed"):
        send(server, concurrency=3, limits=Limits(lambda: 1000.0, pause))
    assert server.tries.count(1) == 2


def test_the_time_is_over_between_two_parts() -> None:
    server = Server()
    with pytest.raises(NotReached, match=r"The time for the upload is over. [1-9]\d* of 10 parts") as failed:
        send(server, concurrency=1, limits=limits(left=lambda: 5.0 - len(server.kept)))
    assert failed.value.code == "upload_incomplete"
    assert sorted(server.kept) == [0, 1, 2, 3, 4]


def test_no_pause_is_longer_than_the_time() -> None:
    pauses: list[float] = []
    with pytest.raises(ApiError, match="it failed"):
        send(Server({0: [error("connection")] * 9}), concurrency=1, limits=limits(pauses, lambda: 4.0))
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize("number", [0, 5, 9])
def test_a_file_that_changes_is_not_sent_on(number: int) -> None:
    server = Server()
    noted: list[int] = []
    with pytest.raises(Refusal, match=r"The file was changed. \d+ of 10 parts") as failed:
        send(server, Source(fail_at=number), note=noted.append)
    assert failed.value.code == "file_changed"
    assert f" {10 - len(noted)} of 10 parts" in str(failed.value)
    assert sorted(noted) == sorted(server.kept)
    assert max(server.kept, default=0) <= number


def test_the_last_part_of_a_file_that_changed_is_kept_back() -> None:
    server = Server()
    with pytest.raises(Refusal, match=r"The file was changed. 1 of 10 parts"):
        send(server, Source(changed=True))
    assert sorted(server.kept) == list(range(9))


def test_an_end_of_the_process_waits_for_what_is_under_way() -> None:
    server = Server()
    noted: list[int] = []

    def interrupted(number: int) -> None:
        if number == 5:
            raise KeyboardInterrupt

    server.meet = interrupted
    with pytest.raises(KeyboardInterrupt):
        send(server, concurrency=3, note=noted.append)
    assert set(noted) == set(server.kept)
    assert PARTS.last not in server.kept
