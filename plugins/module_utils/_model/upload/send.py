# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send the parts of a definition, several at once. Threads live only here: they call ``put``, and nothing else."""

from __future__ import annotations

import re
import threading
import typing as t
from concurrent import futures

from ..._core.errors import ApiError, Refusal
from ..._core.sizes import human_size
from .limits import Limits
from .parts import Parts
from .source import Source

USUAL_CONCURRENCY = 4
"""Parts under way at once; docs/speed.md says why."""
MOST_AT_ONCE = 10
"""As many connections the client has to one node."""
_THERE = re.compile(r"chunked doc \[.*\]\[\d+\] already exists", re.DOTALL)
_PASSES = ("connection", "timeout", "unavailable", "answer")
"""Kinds of errors after which the same part may be sent again."""
_AGAIN = "Run the task again: it goes on."
_TOO_LARGE = "Set upload_part_size to less than {size}."


class Sent(t.NamedTuple):
    """The parts that Elasticsearch acknowledged in this run. ``already_there``: of these, those that it had before."""

    parts: int = 0
    bytes: int = 0
    already_there: int = 0


Put = t.Callable[[int, bytes], None]
"""Send the content of one part, once.

:raises ApiError: it is not acknowledged.
"""


def send_parts(
    put: Put,
    source: Source,
    parts: Parts,
    done: t.Collection[int] = (),
    concurrency: int = USUAL_CONCURRENCY,
    note: t.Callable[[int], None] = lambda part: None,
    progress: t.Callable[[Sent], None] = lambda sent: None,
    limits: Limits = Limits(),  # noqa: B008
) -> Sent:
    """Send all parts but those that are *done*; the last one alone, when Elasticsearch has all others.

    A part that has no answer is sent again: Elasticsearch never overwrites one, and says that it exists already. *note*
    and *progress* are called after each acknowledged part, in the thread of the caller. *progress* gets the numbers so
    far, so that they are known if an error ends the upload.

    :raises ApiError: a part was refused, or had no answer for too long. The message says what is missing.
    :raises NotReached: the time is over.
    :raises Refusal: the source cannot be read any more, or has changed.
    """
    return _Upload(put, source, parts, frozenset(done), note, progress, limits).run(concurrency)


class _Upload:
    def __init__(
        self,
        put: Put,
        source: Source,
        parts: Parts,
        done: frozenset[int],
        note: t.Callable[[int], None],
        progress: t.Callable[[Sent], None],
        limits: Limits,
    ) -> None:
        self._put = put
        self._source = source
        self._parts = parts
        self._done = {number for number in done if 0 <= number < parts.total}
        self._note = note
        self._progress = progress
        self._limits = limits
        self._sent = Sent()
        self._stopped = threading.Event()
        self._under_way: dict[futures.Future[bool], int] = {}

    def run(self, concurrency: int) -> Sent:
        missing = [number for number in range(self._parts.total) if number not in self._done]
        if self._parts.last in self._done:
            missing = []  # it was sent when all others were there
        try:
            with futures.ThreadPoolExecutor(concurrency) as pool:
                try:
                    self._send(pool, concurrency, missing)
                finally:
                    self._stop()
        except (ApiError, Refusal) as error:
            raise error.with_hint(self._explained(error)) from error
        return self._sent

    def _send(self, pool: futures.Executor, concurrency: int, missing: t.Sequence[int]) -> None:
        for number, content in self._source.parts(self._parts.part_size, missing):
            self._collect(len(self._under_way) - concurrency + 1)
            if number == self._parts.last:
                self._collect(len(self._under_way))
                self._source.unchanged()
            self._limits.refuse_late(self._missing)
            self._under_way[pool.submit(self._send_one, number, content)] = number
        self._collect(len(self._under_way))

    def _explained(self, error: ApiError | Refusal) -> str:
        """Return what a person can do about *error*, and what is missing."""
        status = error.status if isinstance(error, ApiError) else None
        smaller = _TOO_LARGE.format(size=human_size(self._parts.part_size)) if status == 413 else ""
        again = _AGAIN if isinstance(error, ApiError) and passes(error) else ""
        return f"{smaller} {self._missing} {again}".strip()

    @property
    def _missing(self) -> str:
        missing = self._parts.total - len(self._done)
        return f"{missing} of {self._parts.total} parts of the definition are missing."

    def _collect(self, least: int) -> None:
        """Wait until *least* parts are no longer under way, and note those that are acknowledged."""
        while least > 0:
            found, _rest = futures.wait(self._under_way, return_when=futures.FIRST_COMPLETED)
            for future in found:
                self._take(future)
            least -= len(found)

    def _take(self, future: futures.Future[bool]) -> None:
        number = self._under_way.pop(future)
        there = future.result()
        sent = self._sent
        self._sent = Sent(sent.parts + 1, sent.bytes + self._parts.length(number), sent.already_there + there)
        self._done.add(number)
        self._note(number)
        self._progress(self._sent)

    def _stop(self) -> None:
        """Let no thread begin anything more, and note what those that are sending still reach."""
        self._stopped.set()
        for future in list(self._under_way):
            future.cancel()
        for future in futures.wait(self._under_way).done:
            if future.cancelled() or future.exception():
                del self._under_way[future]
            else:
                self._take(future)

    def _send_one(self, number: int, content: bytes) -> bool:
        """Send one part; return whether it was there already.

        :raises Failure: it is not acknowledged.
        """
        tries = 0
        while True:
            try:
                self._put(number, content)
                return False
            except ApiError as error:
                if is_already_there(error):
                    return True
                tries += 1
                if not passes(error) or self._stopped.is_set() or not self._limits.allow(tries):
                    self._stopped.set()
                    raise


def passes(error: ApiError) -> bool:
    """Return whether the same part may be accepted, or found there, when it is sent again."""
    return error.kind in _PASSES or error.status == 408


def is_already_there(error: ApiError) -> bool:
    """Return whether Elasticsearch has the part (messages:20); its outer type differs between versions."""
    return error.status == 400 and _THERE.search(error.reason or "") is not None
