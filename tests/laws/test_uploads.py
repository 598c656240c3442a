# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws on uploads: killed at any part, and during any resume, one ends complete, or says what is missing.

The last part is sent once all others are acknowledged, and nothing after it. What is there in the end is the file that
the checksum is of.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError, ErrorKind, Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.journal import Journal, JournalKey
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.limits import Limits
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.parts import Parts
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.send import send_parts
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.source import open_source
from support.file_server import serving_file
from support.part_server import serving_parts

CONTENT = bytes(range(33))
PART_SIZE = 7
PARTS = Parts(len(CONTENT), PART_SIZE)
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
MOMENTS = 4 * PARTS.total
NOWHERE = Connection(("http://nowhere:9200",))
WAYS = pytest.mark.parametrize("way", ["file", "url", "url with checksum"])
JOURNAL = pytest.mark.parametrize("journal", [True, False], ids=["journal", "no journal"])
CONCURRENCY = pytest.mark.parametrize("concurrency", [1, 2, 4])


class Killed(BaseException):
    """The end of the process."""


@dataclasses.dataclass
class Cluster:
    """Elasticsearch, which keeps each part once, and the laws about what comes to it."""

    kept: dict[int, bytes] = dataclasses.field(default_factory=dict)
    arrived: int = 0

    @property
    def complete(self) -> bool:
        return PARTS.last in self.kept

    def take(self, number: int, content: bytes) -> None:
        self.arrived += 1
        assert not self.complete or number == PARTS.last, f"part {number} was sent after the last one"
        if number in self.kept:
            reason = f"Trained machine learning model chunked doc [m][{number}] already exists"
            raise ApiError("server", "Cannot send", status=400, reason=reason)
        assert number != PARTS.last or len(self.kept) == PARTS.last, "the last part was sent before others"
        self.kept[number] = content

    def content(self) -> bytes:
        return b"".join(self.kept[number] for number in range(PARTS.total))


class Process:
    """A run of the task that is killed at its moment number *killed_at*, of those at which something is sent or kept.

    *fail*: called before and after a part arrives, with its number; it may raise.
    """

    def __init__(
        self, cluster: Cluster, killed_at: int = -1, fail: t.Callable[[int, bool], None] = lambda *_: None
    ) -> None:
        self._cluster = cluster
        self._moments = itertools.count()
        self._killed_at = killed_at
        self._dead = False
        self._fail = fail
        self._lock = threading.Lock()
        self._journal: Journal | None = None
        self.acknowledged: set[int] = set()

    def _live_on(self) -> None:
        self._dead = self._dead or next(self._moments) == self._killed_at
        if self._dead:
            raise Killed

    def _put(self, number: int, content: bytes) -> None:
        with self._lock:
            self._live_on()
            self._fail(number, False)
            self._cluster.take(number, content)
            self._live_on()
            self._fail(number, True)

    def _note(self, number: int) -> None:
        with self._lock:
            self._live_on()
            assert number in self._cluster.kept, "a part was noted that is not there"
            self.acknowledged.add(number)
            if self._journal is None:
                return
            try:
                self._live_on()
            except Killed:
                with open(self._journal.path, "ab") as torn:
                    torn.write(b"%d" % number)
                raise
            self._journal.note(number)

    def upload(self, place: str, concurrency: int, journal: Path | None, checksum: str | None = None) -> None:
        """Upload as the module does: not at all if the model is complete."""
        if self._cluster.complete:
            return
        source = open_source(place, NOWHERE, Limits(sleep=lambda seconds: None), checksum)
        with contextlib.closing(source), contextlib.ExitStack() as stack:
            parts = Parts.of(source.size, PART_SIZE)
            if journal:
                key = JournalKey("c", "m", 1, source.checksum(), PART_SIZE)
                self._journal = stack.enter_context(contextlib.closing(Journal.open(str(journal), key)))
                assert self._journal.acknowledged <= set(self._cluster.kept)
            done = self._journal.acknowledged if self._journal else ()
            limits = Limits(sleep=lambda seconds: None)
            send_parts(self._put, source, parts, done, concurrency, self._note, limits=limits)
            if self._journal:
                self._journal.remove()
                assert self._journal.warnings == ()


def ended(run: Process, *arguments: t.Any) -> BaseException | None:
    """Return the error that an upload ended with, if it did."""
    try:
        run.upload(*arguments)
    except (ApiError, Refusal, Killed) as exc:
        return exc
    return None


@pytest.fixture
def place(tmp_path: Path) -> str:
    (tmp_path / "model.pt").write_bytes(CONTENT)
    return str(tmp_path / "model.pt")


@JOURNAL
@CONCURRENCY
def test_killed_at_any_moment_and_again_in_any_resume(
    tmp_path: Path, place: str, journal: bool, concurrency: int
) -> None:
    path = tmp_path / "journal" if journal else None
    killed = 0
    for first, second in itertools.product(range(MOMENTS + 1), repeat=2):
        cluster = Cluster()
        for moment in (first, second):
            try:
                Process(cluster, moment).upload(place, concurrency, path)
            except Killed:
                killed += 1
        Process(cluster).upload(place, concurrency, path)
        assert cluster.content() == CONTENT
        if path:
            path.unlink(missing_ok=True)
    assert killed > MOMENTS * MOMENTS * 0.7


@JOURNAL
def test_a_journal_saves_what_was_acknowledged(tmp_path: Path, place: str, journal: bool) -> None:
    """Killed a hundred times, an upload still gets further each time, if it has a journal."""
    path, cluster = tmp_path / "journal" if journal else None, Cluster()
    for _each in range(100):
        with contextlib.suppress(Killed):
            Process(cluster, 4).upload(place, 1, path)
    assert cluster.complete == journal
    assert cluster.arrived == (PARTS.total if journal else 200)


KINDS: tuple[tuple[ErrorKind, int | None], ...] = (
    ("connection", None),
    ("timeout", None),
    ("unavailable", 503),
    ("server", 413),
    ("upgrade_mode", 429),
    ("privilege", 403),
)


@WAYS
@JOURNAL
@CONCURRENCY
@pytest.mark.parametrize("seed", range(25))
def test_faults_at_random(tmp_path: Path, place: str, way: str, journal: bool, concurrency: int, seed: int) -> None:
    """Requests are refused, never arrive, or have no answer: the task says what is missing, or the model is whole."""
    draws, cluster = random.Random(f"{seed} {concurrency} {journal}"), Cluster()
    path = tmp_path / "journal" if journal else None
    often = draws.choice([0.05, 0.3, 0.6])

    def fail(number: int, arrived: bool) -> None:
        if draws.random() < often:
            kind, status = draws.choice(KINDS[:3] if arrived else KINDS)
            raise ApiError(kind, f"Cannot send part {number}.", status=status)

    with serving_file(CONTENT) as server:
        checksum = f"sha256:{CHECKSUM}" if way == "url with checksum" else None
        where = place if way == "file" else server.url
        for _each in range(3):
            run = Process(cluster, draws.choice([-1, draws.randrange(MOMENTS)]), fail)
            failure = ended(run, where, concurrency, path, checksum)
            assert cluster.complete or isinstance(failure, Killed) or "definition are missing" in str(failure)
        Process(cluster).upload(where, concurrency, path, checksum)
    assert cluster.content() == CONTENT


@JOURNAL
@CONCURRENCY
@pytest.mark.parametrize("same_time", [True, False])
@pytest.mark.parametrize("changed_at", range(2 * PARTS.total))
def test_a_file_that_changes_at_any_moment(
    tmp_path: Path, place: str, journal: bool, concurrency: int, same_time: bool, changed_at: int
) -> None:
    """No part of another file is ever sent, so that the model is that of the checksum once the file is as it was."""
    path, cluster = tmp_path / "journal" if journal else None, Cluster()
    moments, before = itertools.count(), os.stat(place)

    def change(_number: int, _arrived: bool) -> None:
        if next(moments) == changed_at:
            Path(place).write_bytes(CONTENT[::-1])
            if same_time:
                os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))

    failure = ended(Process(cluster, fail=change), place, concurrency, path)
    if failure:
        assert isinstance(failure, Refusal)
        assert failure.code == "file_changed"
        assert "parts of the definition are missing" in str(failure)
        assert not cluster.complete
    Path(place).write_bytes(CONTENT)
    Process(cluster).upload(place, concurrency, path)
    assert cluster.content() == CONTENT


PROGRAM = """
import http.client, sys
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload import journal, limits, send, source
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.parts import Parts

port, place, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
file = source.open_source(place, Connection(("http://nowhere:9200",)), limits.Limits())
parts = Parts.of(file.size, 1 << 16)
noted = path and journal.Journal.open(path, journal.JournalKey("c", "m", 1, file.checksum(), parts.part_size))

def put(number, content):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", f"/{number}", content)
    if connection.getresponse().status != 200:
        reason = f"chunked doc [m][{number}] already exists"
        raise ApiError("server", "", status=400, reason=reason)

send.send_parts(put, file, parts, noted.acknowledged if path else (), 3, noted.note if path else lambda part: None)
"""


@JOURNAL
def test_a_process_that_is_killed(tmp_path: Path, journal: bool) -> None:
    """Killed for real: by SIGKILL, at some byte of some part, again and again."""
    draws, content = random.Random(17), random.Random(17).randbytes(20 << 16)
    (tmp_path / "model.pt").write_bytes(content)
    path = str(tmp_path / "journal") if journal else ""
    kills = 0
    with serving_parts() as server:
        for _each in range(40):
            server.stop_after(draws.randrange(6 << 16) if kills < 8 else None)
            command = [sys.executable, "-c", PROGRAM, str(server.port), str(tmp_path / "model.pt"), path]
            with subprocess.Popen(command) as process:
                server.kill = functools.partial(process.send_signal, signal.SIGKILL)
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL
            assert 19 not in server.kept
            kills += 1
    assert b"".join(server.kept[number] for number in range(20)) == content
    # How far a run gets before the signal is the machine's choice: with a journal, one may end before it.
    assert kills >= 4
    assert server.order[-1] == 19
