# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names and functions of one kind of resource: all that it has of its own."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import ApiError
from ..http.client import Request
from ..http.schema import Schema
from ..plan import Plan, Step
from ..server import Server
from ..warning import WarningText
from .cluster import ClusterConnection
from .long_work import LongStep, Readiness, WaitPolicy
from .result import Json

K = t.TypeVar("K", bound=ClusterConnection)
D = t.TypeVar("D")
C = t.TypeVar("C")
S = t.TypeVar("S")
Params = t.Mapping[str, t.Any]


def as_given(_cluster: t.Any, desired: D) -> D:
    """Return *desired* as it is."""
    return desired


def nothing_more(_desired: t.Any, _first: t.Any, _last: t.Any) -> Json:
    """Return no further result keys."""
    return {}


def nothing_besides(_first: t.Any) -> Json:
    """Return nothing besides the resource."""
    return {}


@dataclasses.dataclass(frozen=True)
class Resource(t.Generic[K, D, C, S]):
    """One kind of resource: its names, and its functions, which are pure but for ``read``.

    ``D`` is what the task asks for, ``C`` the situation that was read, ``S`` the resource in it.
    """

    noun: str
    """What a message calls it, with ``plural``."""
    plural: str
    kind: str
    """Its name in the option ``predictions``."""
    key: str
    """The result key that has it, also in an entry of its fact."""
    entry: Schema
    """The schema of such an entry."""
    desired: t.Callable[[Params], D]
    """Return what validated options ask for; refuse what no version takes."""
    name_of: t.Callable[[D], str]
    """Return the id of the resource."""
    follow: t.Callable[[K, Params], None]
    """Let the reads of a cluster show what earlier tasks of a dry run would have made."""
    read: t.Callable[[K, D], C]
    """Read all that the plan needs."""
    state_of: t.Callable[[C], S | None]
    """Return the resource as it was read, ``None`` if it is not there."""
    plan: t.Callable[[D, C, Server], Plan[S]]
    """Return the decision; refuse what Elasticsearch would."""
    request: t.Callable[[Step, Server], Request]
    """Return the request of a step."""
    settings: t.Callable[[S | None], Json]
    """Return what ``before`` and ``after`` show, with a ``state``; the same keys if it is not there."""
    result: t.Callable[[D | None, C | None], Json]
    """Return the result keys that only this resource has, from what the task asks for and what was read first."""
    done: t.Callable[[D | None, C | None, C | None], Json] = nothing_more
    """Return those that come from what was read last, too."""
    besides: t.Callable[[C], Json] = nothing_besides
    """Return what a predicted entry of its fact has besides the resource, from what was read first."""
    resolve: t.Callable[[K, D], D] = as_given
    """Complete what the task asks for with what the cluster decides, such as the id."""
    shown: t.Callable[[S], Json] | None = None
    """Return the resource itself, if the result shows more of it than its settings."""
    long_steps: t.Mapping[str, LongStep[K, D]] = dataclasses.field(default_factory=dict)
    """The kinds of steps that are more than one request."""
    gaps: t.Collection[str] = ()
    """The kinds of steps that take away what clients use: a recreation sends its next step without a read between."""
    wait_policy: t.Callable[[D], WaitPolicy] | None = None
    """Return how long the task may wait, if it waits at all for what it did; then ``readiness`` ends the wait."""
    readiness: t.Callable[[D, C], Readiness] = lambda _desired, _current: Readiness("ready")
    probe: t.Callable[[K, D, C], C] = lambda _cluster, _desired, current: current
    """Complete what was read during the wait with what only a use of the resource shows."""
    passes: t.Callable[[Step, ApiError], bool] = lambda _step, _error: False
    """Return whether a step was refused until something else is over: then it is sent again while there is time."""
    explain: t.Callable[[D, Step, ApiError], ApiError] = lambda _desired, _step, error: error
    """Return the error with what the task can do about it."""

    tidy: t.Callable[[K, D, C], tuple[WarningText, ...]] = lambda _cluster, _desired, _current: ()
    """Remove what an earlier task has left on this machine; return warnings. It is called last, not in check mode."""

    def write_of(self, step: Step) -> str:
        """Return what *step* does, as the table of the privileges calls it."""
        return f"{step.kind} {self.plural}"

    def requests(self, step: Step, server: Server) -> tuple[Request, ...]:
        """Return what the result shows of the requests of *step*."""
        long_step = self.long_steps.get(step.kind)
        return long_step.requests(step, server) if long_step else (self.request(step, server),)
