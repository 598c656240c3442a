# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let other clients act between any two requests of the code under test, and while it sleeps."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import typing as t
from collections.abc import Iterable

from support.emulated_cluster import Answer, Emulator

Json = dict[str, t.Any]
Assignments = dict[str, Json]
Result = t.TypeVar("Result")

_THREADS = concurrent.futures.ThreadPoolExecutor(2)
"""They stay, because each has an event loop of its own for the emulator."""


class _Own(threading.local):
    """``run``: whose requests a thread sends."""

    run = ""


_OWN = _Own()
Moment = t.Literal["request", "answer", "sleep"]


class ObservedRequest(t.NamedTuple):
    """One request of a run, and the assignments before and after it.

    ``sent``: query and body. ``status`` is None if the answer was lost, or spoilt on its way.
    """

    run: str
    method: str
    path: str
    sent: tuple[str, bytes | None]
    status: int | None
    before: Assignments
    after: Assignments

    @property
    def verb(self) -> str:
        """Return the last part of the path: ``_stats``, ``_start``, ``_stop``, ``_update`` and so on."""
        return self.path.rpartition("/")[2]


class SharedEmulator(Emulator):
    """An emulator that keeps each request, and calls *between* before it, after its answer, and before each sleep."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self.requests: list[ObservedRequest] = []
        self.between: t.Callable[[Moment], object] = lambda moment: None

    def request(self, method: str, target: str, headers: t.Mapping[str, str], body: bytes | None) -> Answer:
        self.between("request")
        before = self.assignments()
        status: int | None = None
        try:
            answer = super().request(method, target, headers, body)
            status = answer[0] if _whole(answer) else None
        finally:
            path, _mark, query = target.partition("?")
            self.requests.append(
                ObservedRequest(_OWN.run, method, path, (query, body), status, before, self.assignments())
            )
        self.between("answer")
        return answer

    def pass_time(self) -> None:
        self.between("sleep")
        super().pass_time()

    def assignments(self) -> Assignments:
        """Return the same as :meth:`deployments`, in a fraction of the time.

        ``ends`` is whether a stop is under way: a plan can give such a deployment another state, and it goes all the
        same (server-behaviour.md 4.6).
        """
        found = self._inner.cluster.assignments.items()
        return {name: {**each.as_json(), "ends": each.ends} for name, each in found}

    def of_run(self, run: str) -> list[ObservedRequest]:
        return [request for request in self.requests if request.run == run]


def _whole(answer: Answer) -> bool:
    """Return whether the answer is of Elasticsearch, and complete."""
    headers = {name.lower(): value for name, value in answer[1]}
    if "x-elastic-product" not in headers or "json" not in headers.get("content-type", ""):
        return False
    try:
        json.loads(answer[2])
    except ValueError:
        return False
    return "content-encoding" not in headers


class Relay:
    """Two runs at once, of which only one goes on at a time. *switches* says at each moment if the other takes over."""

    def __init__(self, emulator: SharedEmulator, switches: Iterable[bool]) -> None:
        emulator.between = self.pause
        self._switches = iter(switches)
        self._baton = threading.Condition()
        self._runner = ""
        self._waiting: list[str] = []

    def race(self, runs: t.Mapping[str, t.Callable[[], Result]]) -> dict[str, Result]:
        """Return the results of *runs*, which begin in their order; raise the error of a run."""
        self._runner, *rest = runs
        self._waiting = rest
        going = {name: _THREADS.submit(self._run, name, run) for name, run in runs.items()}
        return {name: each.result() for name, each in going.items()}

    def _run(self, name: str, run: t.Callable[[], Result]) -> Result:
        _OWN.run = name
        with self._baton:
            self._baton.wait_for(lambda: self._runner == name)
        try:
            return run()
        finally:
            self._hand_over(stay=False)

    def pause(self, moment: Moment) -> None:
        """Let the other run take over, if that is its turn; the emulator calls this between requests."""
        if not self._waiting:
            return
        if next(self._switches, False):
            self._hand_over(stay=True)

    def _hand_over(self, stay: bool) -> None:
        with self._baton:
            mine = self._runner
            self._runner = self._waiting.pop(0) if self._waiting else ""
            if stay:
                self._waiting.append(mine)
            self._baton.notify_all()
            if stay:
                self._baton.wait_for(lambda: self._runner == mine)
